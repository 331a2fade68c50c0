"""What a program calls is followed, and what its loops cut out one by one is exchanged."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import eqprop
from eqprop.finding import find
from tests.finding.networks import attention, numbers, residual


def groups_of(model):
    return sorted(one.found.group for one in find(model, prove=False).found)


def experts(*, routed=True):
    """Three experts in stacked tensors, one after the other in a loop, weighted by a softmax of scores."""
    draw = numbers()
    params = {"up": draw(3, 2, 4), "down": draw(3, 4, 2), "router": draw(2, 3)}

    def apply(p, x):
        weights = jax.nn.softmax(x @ p["router"])
        share = [weights[:, e : e + 1] if routed else 1 / (1 + e) for e in range(3)]
        return sum(share[e] * (jax.nn.gelu(x @ p["up"][e]) @ p["down"][e]) for e in range(3))

    return eqprop.Model(apply, params, draw(5, 2), name="experts")


def test_experts_that_a_loop_runs_over_trade_places_with_their_scores():
    assert groups_of(experts()) == ["R^2, joint, times 1", "S_3", *["S_4"] * 3]


def test_experts_that_are_weighted_by_their_place_do_not_trade_places():
    assert "S_3" not in groups_of(experts(routed=False))


def test_heads_that_a_loop_runs_over_trade_places():
    assert "S_2" in groups_of(attention("loop"))


@pytest.mark.parametrize("wrap", [jax.jit, jax.checkpoint], ids=["jit", "checkpoint"])
def test_layers_are_told_apart_inside_of_what_the_function_is_wrapped_in(wrap):
    model = residual("loop")
    wrapped = eqprop.Model(wrap(model.apply), model.params, model.inputs, name="wrapped")
    assert groups_of(wrapped) == groups_of(model)


def test_planes_are_found_where_their_frequencies_are_stored_beside_them():
    draw = numbers()
    params = {"q": draw(3, 4), "k": draw(3, 4), "frequencies": draw(2)}

    def turned(x, frequencies):
        a, b = jnp.split(x, 2, -1)
        angles = jnp.arange(5.0)[:, None] * frequencies
        return jnp.concatenate(
            [a * jnp.cos(angles) - b * jnp.sin(angles), a * jnp.sin(angles) + b * jnp.cos(angles)], -1
        )

    def apply(p, x):
        q, k = (turned(x @ p[name], p["frequencies"]) for name in "qk")
        return jax.nn.softmax(q @ k.T)

    model = eqprop.Model(apply, params, draw(5, 3), state=("frequencies",), name="rotary")
    assert "C*^2" in groups_of(model)
