"""Derivatives in the inputs: what data see of a symmetry, against whole matrices, and that each statement can fail."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.evaluation import Program, applicable
from eqprop.mutants import turns_sensitivity
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from tests.properties.library_pairs import X, rotated_units, two_layers

OF_INPUTS = tuple(by_name(name) for name in ("input-covariance", "mixed-covariance", "data-sensitivity"))
EXACT = 1e-12


def turned_with_data(*, forgetful: bool = False) -> eqprop.Pair:
    """The first layer turns with the data; a forgetful model looks at one coordinate of these beside."""

    def apply(p: Any, x: Any) -> Any:
        y = jnp.tanh(x @ p["w"]) @ p["a"]
        return y + 0.1 * x[:, :1] if forgetful else y

    model = eqprop.Model(apply, {"w": np.ones((2, 3)), "a": np.ones((3, 1))}, X, trained=False)
    turn = groups.Rotation(2)
    move = eqprop.Transformation(
        turn,
        lambda r, p: {**p, "w": turn.act(r, p["w"], 0)},
        on_inputs=lambda r, x: turn.act(r, x, 1),
        name="turn",
    )
    return eqprop.Pair(model, move)


def violated(pair: eqprop.Pair) -> set[str]:
    program = Program(pair, applicable(pair, OF_INPUTS), SQUARED_ERROR)
    rng = np.random.default_rng(3)
    probes = program.draw(rng, 16)
    return {name for name, found in program.judge(probes, rng).items() if found.suspect.any()}


def test_of_a_symmetry_every_sensitivity_to_the_data_is_orthogonal_to_the_orbit(float64: None):
    pair = two_layers()
    flat, tree = ravel_pytree(pair.model.params)
    theta, xi = (np.random.default_rng(i).standard_normal(n) for i, n in enumerate((flat.size, 9)))

    def loss(p: Any, x: Any) -> Any:
        return jnp.sum(jnp.sin(pair.model.apply(tree(p), x)))

    mixed = jax.jacfwd(jax.grad(loss), argnums=1)(theta, X)
    moved = lambda g: ravel_pytree(pair.transformation.on_params(g, tree(theta)))[0]  # noqa: E731
    k = jax.jvp(moved, (jnp.eye(3),), (xi.reshape(3, 3),))[1]
    assert np.abs(mixed).max() > 0.1
    np.testing.assert_allclose(np.tensordot(k, mixed, 1), np.zeros_like(X), atol=EXACT)


@pytest.mark.parametrize("make", [two_layers, rotated_units, turned_with_data])
def test_derivatives_in_the_inputs_are_carried_over_by(make):
    assert violated(make()) == set()


def test_a_model_that_sees_how_its_data_lie_does_not_carry_them_over():
    assert violated(turned_with_data(forgetful=True)) == {"input-covariance", "mixed-covariance", "data-sensitivity"}


def test_sensitivities_that_are_no_derivative_of_the_gradient_are_seen_though_they_turn_with_the_group():
    pair = turns_sensitivity().broken(rotated_units())
    assert isinstance(pair, eqprop.Pair)
    assert violated(pair) == {"mixed-covariance"}


def test_of_whole_numbers_there_is_no_derivative():
    model = eqprop.Model(lambda p, x: p["w"][x] ** 2, {"w": np.ones(3)}, np.array([0, 2]))
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Sign(1), lambda s, p: {"w": p["w"] * s[0]}))
    assert {prop.reason_if_not_applicable(pair) for prop in OF_INPUTS[:2]} == {
        "no input is floating point: nothing to differentiate in"
    }
