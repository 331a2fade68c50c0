"""Haiku's functions as models: transformed or not, with state, and with what init cannot make."""

from __future__ import annotations

from typing import Any

import haiku as hk
import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.haiku import from_module
from tests.adapters.asking import PREMISE, X, outcomes

NORM = {"batch_norm/scale": 1, "batch_norm/offset": 1}
UNITS = {"linear/w": 1, "linear/b": 0, **NORM, "batch_norm/~/mean_ema/average": 1}
VARIANCE = {"batch_norm/~/var_ema/average": 1}
READS = {"linear_1/w": 0}


def mlp(x: Any) -> Any:
    """Haiku's modules are made inside."""
    return hk.nets.MLP([4, 2])(x)


def net(x: Any, *, is_training: bool) -> Any:
    """Dense, batch norm, ReLU, dropout, dense."""
    x = jax.nn.relu(hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9)(hk.Linear(4)(x), is_training))
    return hk.Linear(2)(hk.dropout(hk.next_rng_key(), 0.5, x) if is_training else x)


@pytest.mark.parametrize(
    "transform", [lambda f: f, hk.transform, hk.transform_with_state], ids=["no", "plain", "state"]
)
def test_a_function_is_transformed_where_it_is_not(transform):
    model = from_module(transform(mlp), X)
    move = eqprop.hidden_units(
        groups.Scaling(4), writes={"mlp/~/linear_0/w": 1, "mlp/~/linear_0/b": 0}, reads={"mlp/~/linear_1/w": 0}
    )
    assert outcomes(model, move, PREMISE) == {"holds"}


@pytest.mark.parametrize("transform", [hk.transform, hk.transform_with_state], ids=["plain", "state"])
@pytest.mark.parametrize("function", [mlp, lambda *xs: mlp(xs[0]), lambda x, scale=2.0: scale * mlp(x)])
def test_an_apply_may_take_no_key(transform, function):
    with_key, without = transform(function), hk.without_apply_rng(transform(function))
    one, other = from_module(with_key, X), from_module(without, X)
    np.testing.assert_array_equal(one.apply(one.params, X), other.apply(other.params, X))


def test_running_statistics_move_with_their_units():
    transformed = hk.transform_with_state(net)
    params, state = transformed.init(jax.random.key(0), X, is_training=True)
    model = from_module(transformed, X, params, state, is_training=False)
    whole = eqprop.hidden_units(groups.Permutation(4), writes=UNITS | VARIANCE, reads=READS)
    assert outcomes(model, whole) == {"holds"}
    assert outcomes(model, eqprop.hidden_units(groups.Permutation(4), writes=UNITS, reads=READS), PREMISE) == {
        "falsified"
    }


def test_in_training_statistics_are_those_of_the_batch_and_dropout_draws_the_same_mask():
    gain = eqprop.hidden_units(groups.Scaling(4), writes=NORM, reads=READS)
    assert outcomes(from_module(net, X, is_training=True), gain) == {"holds"}


def test_what_init_cannot_make_is_said_with_the_remedy():
    with pytest.raises(InvalidInput, match=r"Haiku's init raised ValueError.*initialised with is_training=True"):
        from_module(net, X, is_training=False)


def test_what_is_no_function_is_refused():
    with pytest.raises(InvalidInput, match=r"module is 3 .*expected what haiku.transform returned"):
        from_module(3, X)


def test_a_class_is_answered_with_the_function_that_calls_what_it_makes():
    with pytest.raises(InvalidInput, match=r"a first call raised .*A Haiku module is made and called inside"):
        from_module(hk.nets.MLP, X)


@pytest.mark.parametrize("what", ["params", "state"])
def test_weights_that_are_no_mapping_are_refused(what):
    with pytest.raises(InvalidInput, match=rf"haiku\.from_module: {what} is 3 \(int\); expected a mapping"):
        from_module(mlp, X, **{what: 3})


def test_a_callable_whose_arguments_python_does_not_know_is_refused():
    with pytest.raises(
        InvalidInput, match=r"module is <class 'type'> \(type\); expected what haiku.transform returned"
    ):
        from_module(type, X)
