"""Runs of training of a scale-invariant block, written out: decay as a schedule, and the angle at equilibrium."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.properties import by_name
from tests.properties.library_pairs import X, cubic, normalised
from tests.properties.test_consequences import compared

EXACT = 1e-12
STEP, DECAY, STEPS = 0.05, 0.3, 40
TARGETS = np.array([0.4, -0.3, 0.6])


def loss(params: Any) -> Any:
    return 0.5 * jnp.sum((normalised().model.apply(params, X) - TARGETS) ** 2)


def start() -> dict[str, Any]:
    return {"w": jnp.array([0.7, -1.1]), "v": jnp.array(0.8)}


def trained(params: Any, keep: Any, rate: Any) -> dict[str, Any]:
    """With another step size and decay of w in each step; v trains with the same step size throughout."""
    for n in range(STEPS):
        slope = jax.grad(loss)(params)
        params = {"w": keep(n) * params["w"] - rate(n) * slope["w"], "v": params["v"] - STEP * slope["v"]}
    return params


def test_weight_decay_is_a_schedule_of_the_step_size(float64: None):
    keep = 1 - STEP * DECAY
    decayed = trained(start(), lambda _: keep, lambda _: STEP)
    scheduled = trained(start(), lambda _: 1.0, lambda n: STEP * keep ** -(2 * n + 1))
    np.testing.assert_allclose(keep**STEPS * scheduled["w"], decayed["w"], rtol=EXACT)
    np.testing.assert_allclose(scheduled["v"], decayed["v"], rtol=EXACT)
    assert np.linalg.norm(decayed["w"]) < 0.9 * np.linalg.norm(start()["w"])


def test_step_size_decay_and_length_are_one_hyper_parameter_too_many(float64: None):
    c, keep = 3.0, 1 - STEP * DECAY
    one = trained(start(), lambda _: keep, lambda _: STEP)
    other = trained({**start(), "w": c * start()["w"]}, lambda _: keep, lambda _: c**2 * STEP)
    np.testing.assert_allclose(other["w"], c * one["w"], rtol=EXACT)


def test_where_the_length_stays_a_step_turns_by_the_angle_whose_cosine_decay_leaves(float64: None):
    w, g = start()["w"], jax.grad(loss)(start())["w"]
    angle = 0.4
    step = np.sin(angle) * jnp.linalg.norm(w) / jnp.linalg.norm(g)
    after = np.cos(angle) * w - step * g
    np.testing.assert_allclose(jnp.linalg.norm(after), jnp.linalg.norm(w), rtol=EXACT)
    np.testing.assert_allclose(after @ w / (w @ w), np.cos(angle), rtol=EXACT)


def test_all_of_it_is_compared():
    assert set(compared(normalised(), "rotational-equilibrium")) == {
        "⟨W, W⁺⟩ = (1 − ηλ)‖W‖²",
        "‖W⁺‖² = ‖W‖²",
        "tan∠ (1 − ηλ)‖W‖ = η‖g‖",
    }
    parts = compared(normalised(), "decay-as-schedule")
    assert {name.split(": ")[0] for name in parts} == {"with a schedule in place of decay", "from cW with c²η and λ/c²"}


@pytest.mark.parametrize("name", ["rotational-equilibrium", "decay-as-schedule"])
def test_without_a_block_that_is_scaled_it_does_not_apply(name: str):
    assert "scales a block of parameters about 0" in str(by_name(name).reason_if_not_applicable(cubic()))
