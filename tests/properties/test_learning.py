"""Runs of training on moved data, against runs written out; a model that is not equivariant learns otherwise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from tests.properties.library_pairs import X, cubic, tanh_units

LEARNING = by_name("learning-equivariance")
EXACT = 1e-12


def members(params: Any, x: Any) -> Any:
    """Of a set: each member, and the mean of all, through one hidden layer."""
    hidden = jnp.tanh(x @ params["w"])
    return (hidden + jnp.mean(hidden, axis=0, keepdims=True)) @ params["a"]


def in_line(params: Any, x: Any) -> Any:
    """Of a list: a member's place counts."""
    return members(params, x) * jnp.arange(1.0, 4.0)[:, None]


def reordered(apply: Any) -> eqprop.Pair:
    order = groups.Permutation(3)
    model = eqprop.Model(apply, {"w": np.ones((2, 3)), "a": np.ones((3, 1))}, X, trained=False)
    move = eqprop.Transformation(
        order,
        lambda _, p: p,
        lambda s, y: order.act(s, y, 0),
        lambda s, x: order.act(s, x, 0),
        name="order",
    )
    return eqprop.Pair(model, move)


def judged(pair: eqprop.Pair) -> Any:
    program = Program(pair, (LEARNING,), SQUARED_ERROR, probes=12)
    rng = np.random.default_rng(4)
    return program.judge(program.draw(rng, 12), rng)[LEARNING.name]


@pytest.mark.parametrize("keep", [0.0, 0.8])
def test_what_is_learned_from_a_reordered_set_is_the_same_and_its_predictions_are_reordered(keep: float, float64: None):
    rng = np.random.default_rng(0)
    start = {"w": rng.standard_normal((2, 3)), "a": rng.standard_normal((3, 1))}
    targets, order = rng.standard_normal((3, 1)), np.array([2, 0, 1])

    def learned(x: Any, t: Any) -> Any:
        slope = jax.grad(lambda p: 0.5 * jnp.sum((members(p, x) - t) ** 2))
        theta, velocity = start, jax.tree.map(np.zeros_like, start)
        for _ in range(60):
            velocity = jax.tree.map(lambda v, g: keep * v - 0.01 * g, velocity, slope(theta))
            theta = jax.tree.map(jnp.add, theta, velocity)
        return theta, members(theta, x)

    (one, predicted), (other, there) = learned(X, targets), learned(X[order], targets[order])
    assert np.abs(one["w"] - start["w"]).max() > 0.05
    for name in start:
        np.testing.assert_allclose(other[name], one[name], atol=EXACT)
    np.testing.assert_allclose(there, predicted[order], atol=EXACT)


def test_data_without_parameters_that_move_have_dynamics_now():
    found = judged(reordered(members))
    assert (~found.inconclusive & ~found.vacuous).all()
    assert not found.suspect.any()


def test_a_model_to_which_places_matter_learns_otherwise():
    assert judged(reordered(in_line)).suspect.all()


def test_hidden_units_that_trade_places_learn_alike():
    assert not judged(tanh_units()).suspect.any()


def test_outputs_that_are_stretched_have_no_targets_that_move_with_them():
    assert "does not keep distances" in str(LEARNING.hypotheses[-1](cubic()))
