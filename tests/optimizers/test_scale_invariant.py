"""A scale-invariant block under AdamW: which of gradient descent's laws of step size and decay have a counterpart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.optimizers.stepping import pair

RATE, DECAY, STEPS = 0.02, 0.5, 40
FIRST, SECOND = 0.9, 0.99
KEPT = 1 - RATE * DECAY
SAME, OTHER = 1e-10, 1e-3
"""Rounding of a few dozen steps, and what is no rounding."""


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def gradient(w: jax.Array) -> jax.Array:
    """Of the table's normed block, at its example."""
    model = pair("normed-block").model
    assert model.loss is not None
    return jax.grad(lambda w: model.loss(model.apply({"w": w}, jnp.asarray(model.inputs))))(w)


def start() -> jax.Array:
    return jnp.asarray(pair("normed-block").model.params["w"])


def trained(optimizer: optax.GradientTransformation, w: jax.Array) -> jax.Array:
    state = optimizer.init(w)
    for _ in range(STEPS):
        updates, state = optimizer.update(gradient(w), state, w)
        w = w + jnp.asarray(updates)
    return w


def adamw(rate: float, decay: float) -> optax.GradientTransformation:
    return optax.adamw(rate, FIRST, SECOND, eps=0.0, weight_decay=decay)


def gradient_descent(rate: float, decay: float) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))


def apart(a: jax.Array, b: jax.Array) -> float:
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


@pytest.mark.parametrize(("make", "degree"), [(adamw, 1), (gradient_descent, 2)])
def test_step_size_decay_and_length_are_one_number_too_many(make: Callable[..., Any], degree: int):
    """(η, λ, W) ~ (cη, λ/c, cW) for AdamW, whose step does not see the gradient's length; (c²η, λ/c², cW) otherwise."""
    c, once = 1.7, trained(make(RATE, DECAY), start())
    runs = {d: trained(make(c**d * RATE, DECAY / c**d), c * start()) / c for d in (1, 2)}
    assert apart(runs[degree], once) < SAME
    assert apart(runs[3 - degree], once) > OTHER


def schedule(first: float, second: float) -> Callable[[Any], Any]:
    """η a^(−t) and what the sums of moments lack of their bias corrections, t = 1, 2, …"""

    def corrected(beta: float, other: float, t: Any) -> Any:
        return (1 - beta) / (1 - beta**t) * (1 - other**t) / (1 - other)

    def rate(count: Any) -> Any:
        t = count + 1
        return RATE * KEPT**-t * corrected(FIRST, first, t) / jnp.sqrt(corrected(SECOND, second, t))

    return rate


@pytest.mark.parametrize(("first", "second", "same"), [(KEPT * FIRST, KEPT**2 * SECOND, True), (FIRST, SECOND, False)])
def test_decay_is_a_schedule_of_adam_that_forgets_faster(first: float, second: float, same: bool):
    """V_t = a^(−t) W_t, a = 1 − ηλ: moments of ∇L(V) fade by aβ₁ and a²β₂; with β₁ and β₂ as they were it is no law."""
    decayed = trained(adamw(RATE, DECAY), start())
    scheduled = KEPT**STEPS * trained(optax.adam(schedule(first, second), first, second, eps=0.0), start())
    assert (apart(scheduled, decayed) < SAME) if same else (apart(scheduled, decayed) > OTHER)


@pytest.mark.parametrize(("make", "holds"), [(gradient_descent, True), (adamw, False)])
def test_a_step_is_at_right_angles_to_the_block_for_gradient_descent_alone(make: Callable[..., Any], holds: bool):
    """⟨W, W⁺⟩ = (1 − ηλ)‖W‖²: what cos∠ = 1 − ηλ at equilibrium rests on. Of AdamW it is true on average at best."""
    w, optimizer = start(), make(RATE, DECAY)
    updates, _ = optimizer.update(gradient(w), optimizer.init(w), w)
    missed = abs(float(jnp.vdot(w, w + jnp.asarray(updates)) / (KEPT * jnp.vdot(w, w))) - 1)
    assert missed < np.finfo(float).eps * 100 if holds else missed > OTHER
