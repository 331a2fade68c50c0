"""What is no optimiser, or does in a step what none may do, is an error that says so."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
import pytest

import eqprop
from eqprop.errors import InvalidInput
from tests.optimizers.stepping import Simple, outcomes, pair, run, stateless


@pytest.mark.parametrize("wrong", [0.1, optax.adam, object()])
def test_something_without_init_and_update_is_no_optimiser(wrong):
    with pytest.raises(InvalidInput, match=r"which has no callable init and no callable update; expected an optax"):
        eqprop.run(pair(), optimizer=wrong)


BROKEN = {
    "structure": (stateless(lambda grads, params: {"w1": grads["w1"]}), r"changed the structure.*missing: b1, w2"),
    "shape": (
        stateless(lambda grads, params: {**grads, "w1": grads["w1"].T[:2]}),
        r"shape \(2, 3\) for 'w1'; expected the parameter's shape \(3, 3\)",
    ),
    "dtype": (
        stateless(lambda grads, params: jax.tree.map(lambda g: jnp.zeros(g.shape, int), grads)),
        r"update of dtype int64 for 'b1'",
    ),
    "nan": (
        stateless(lambda grads, params: jax.tree.map(lambda g: g / (0 * g), grads)),
        r"returned (nan|-?inf) for 'b1'.*add an eps",
    ),
    "no pair": (Simple(lambda params: (), lambda grads, state, params: grads), r"expected a pair \(updates, state\)"),
    "raises": (
        Simple(lambda params: (), lambda grads, state: (grads, state)),
        r"update\(grads, state, params\) raised",
    ),
    "state": (
        Simple(lambda params: jnp.zeros(2), lambda grads, state, params: (grads, state[:1])),
        r"changed the state at '\.' from float64\[2\] to float64\[1\]",
    ),
    "string": (Simple(lambda params: "zero", lambda grads, state, params: (grads, state)), r"put 'zero' \(str\)"),
    "branch": (
        stateless(lambda grads, params: grads if grads["b1"][0] > 0 else params),
        r"cannot be traced by JAX",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_an_update_does_wrong_is_an_error_that_says_so(kind):
    optimizer, message = BROKEN[kind]
    report = run(optimizer)
    assert set(outcomes(report).values()) == {"error"}
    assert report.exit_code == 2
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(report.verdicts[0].reason)
