"""Training on moved data: what is learned from them is what is learned from the data, moved.

Here parameters, inputs and targets move together, so that graphs, sets and signals, whose parameters stay, have
dynamics, too. Where the model's own loss does not see T its targets stay inside it; else the loss is the squared
distance to targets that T moves like the outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Local, Tree, add, repeated, zeros_like
from eqprop.properties.base import Property
from eqprop.properties.hypotheses import floating_params, isometric_outputs, orthogonal_action
from eqprop.properties.numerics import combined, largest_curvature
from eqprop.properties.parts import (
    Sides,
    affine_until,
    in_image,
    in_outputs,
    irregular,
    largest_of,
    magnitudes,
    only_where,
)
from eqprop.properties.point import Point
from eqprop.properties.traits import keeps_loss

STEPS = 12
REACH = 0.2
"""The step size, in units of 1/‖H‖ at the start."""

MOST_KEPT = 0.8
"""The largest momentum: a heavy ball of more overshoots within so few steps."""

Loss = Callable[[Tree], float | Array]


class _Runs(NamedTuple):
    """The ends of gradient descent and of heavy-ball steps, as a leading axis of two."""

    theta: Tree
    sizes: Tree


def _losses(point: Point) -> tuple[Loss, Loss]:
    """ℓ_t, and ℓ_Tt."""
    if point.pair.model.loss is not None and keeps_loss(point.pair):
        return point.loss, point.loss
    targets = point.probe.cotangent
    moved = point.transformation.on_outputs(point.probe.element, targets)
    return tuple(_distance_to(t) for t in (targets, moved))  # pyright: ignore[reportReturnType]


def _distance_to(targets: Tree) -> Loss:
    return lambda y: 0.5 * sum(jnp.sum((a - b) ** 2) for a, b in zip(*map(jax.tree.leaves, (y, targets)), strict=True))


def _runs(gradient: Local, step: Array, keeps: Array) -> _Runs:
    def run(keep: Array) -> _Runs:
        def train(_: Array, state: Tree) -> Tree:
            theta, velocity, sizes = state
            velocity = combined(keep, velocity, -step, gradient.function(theta))
            return add(theta, velocity), velocity, add(sizes, add(magnitudes(theta), magnitudes(velocity)))

        start = gradient.at
        theta, _, sizes = repeated(range(STEPS), train, (start, zeros_like(start), magnitudes(start)))
        return _Runs(theta, sizes)

    return jax.vmap(run)(keeps)


def _learning(point: Point) -> Sides:
    loss, moved_loss = _losses(point)
    here, there = point.here.gradient_of(loss), point.there.gradient_of(moved_loss)
    curvature = largest_curvature(here.push, irregular(point.theta, point.unit))
    step = REACH / jnp.where(curvature > 0, curvature, 1)
    kept = MOST_KEPT * point.probe.rates[2]
    keeps = jnp.stack([0 * kept, kept])
    learned, learned_there = (_runs(gradient, step, keeps) for gradient in (here, there))
    f, f_there, element, turn = point.here.function, point.there.function, point.probe.element, point.transformation
    outputs = jax.vmap(lambda theta: turn.on_outputs(element, f(theta)))(learned.theta)
    lower = jax.vmap(lambda theta: loss(f(theta)))(learned.theta) <= loss(point.here.value)
    parts = (
        in_image(
            point,
            learned_there.theta,
            jax.vmap(lambda theta: point.act(element, theta))(learned.theta),
            largest_of(learned.sizes),
            label="what is learned",
        ),
        in_outputs(jax.vmap(f_there)(learned_there.theta), outputs, label="what is then predicted"),
    )
    inside = jax.vmap(lambda theta: affine_until(point.action, theta, point.unit))(learned.theta)
    return only_where((curvature > 0) & jnp.all(lower & inside), parts)


LEARNING_EQUIVARIANCE = Property(
    name="learning-equivariance",
    order=1,
    statement="gradient descent and heavy-ball steps from the moved parameters, on moved inputs and targets, come to "
    "the moved parameters, whose predictions are the moved predictions",
    formula="KᵀK = 1, ℓ_Tt(T y) = ℓ_t(y):  θ_n(K_gθ; X_g x, T_g t) = K_g θ_n(θ; x, t),  f(θ_n′, X_g x) = T_g f(θ_n, x)",
    sides=_learning,
    needs=frozenset({"params", "inputs", "element", "cotangent", "targets", "rates"}),
    hypotheses=(floating_params, orthogonal_action, isometric_outputs),
    rests_on=("equivariance", "gradient-covariance"),
    source="derived here; Li, Zhang & Arora 2021, arXiv 2010.08515 (equivariant algorithms)",
    derivation=(
        "gradient-covariance for ℓ_Tt at the moved data: Kᵀ∇L′(Kθ) = ∇L(θ), so Kθ − η∇L′(Kθ) = K(θ − η∇L(θ)).\n"
        "Induction over the steps; a velocity moves by K, too. The premise at θ_n gives the predictions."
    ),
    consequence_of=("equivariance", "jacobian-covariance"),
    costly=True,
    reason_if_vacuous="H vanishes, or training did not come to a smaller loss or left the model's domain, at every "
    "point that was drawn",
)
