"""A whole run of stochastic gradient descent, as one property; its charge series is kept in the verdict."""

from __future__ import annotations

import jax.numpy as jnp

from eqprop.engine import Array, Tree, inner, inner_magnitude, norm, scanned, zeros_like
from eqprop.properties.base import Property
from eqprop.properties.charges import AFFINE, charge_of, masked, minibatches
from eqprop.properties.flows import curvature_of
from eqprop.properties.hypotheses import charged
from eqprop.properties.numerics import combined
from eqprop.properties.parts import Sides, of_numbers, only_where
from eqprop.properties.point import Point

STEPS = 200
REACH = 0.1
"""The step size, in units of 1/‖H‖ at the start: small, because the curvature may grow in training."""

DECAY = 0.02
"""The largest weight decay, in the same units."""


def _training_run(point: Point) -> Sides:
    charge, curvature, theta = charge_of(point), curvature_of(point), point.theta
    f = point.here.function
    batches = jnp.asarray(minibatches(point.here.value))
    step = REACH / jnp.where(curvature > 0, curvature, 1)
    decay = DECAY * point.probe.rates[1] * curvature
    field = point.output_field(charge.algebra) if point.transformation.moves_outputs else zeros_like

    def advance(state: tuple[Tree, Tree], n: Array) -> tuple[tuple[Tree, Tree], tuple[Tree, Tree, Tree]]:
        at, expected = state
        outputs = point.near(f, at)
        seen = masked(point.loss_near(outputs.value).value, batches[n % len(batches)])
        slope = outputs.pull(seen)
        rate, whole = inner(seen, field(outputs.value)), combined(1.0, slope, decay, at)
        k = charge.field(at)
        expected = expected - step * (rate + decay * inner(k, at)) + 0.5 * step**2 * charge.bend(whole)
        after = combined(1.0, at, -step, whole)
        size = charge.size(after) + step * inner_magnitude(k, whole)
        return (after, expected), (charge.value(after), expected, size)

    first = charge.value(theta)
    (end, _), (found, expected, sizes) = scanned(advance, (theta, first), jnp.arange(STEPS))
    descended = norm(point.gradient.function(end)) <= norm(point.gradient.value)
    size = charge.size(theta) + jnp.sum(sizes)
    found, expected = (jnp.concatenate([first[None], series]) for series in (found, expected))
    return only_where((curvature > 0) & descended, (of_numbers(found, expected, size, label="Q along the run"),))


TRAINING_RUN = Property(
    name="training-run",
    order=1,
    statement="over a run of stochastic gradient descent with weight decay, a charge is where its exact drifts, step "
    "by step and batch by batch, have taken it",
    formula="Q(θ_n) = Q(θ_0) + Σ [−η(s_B + λ⟨k, θ⟩) + ½η²⟨g, A g⟩],  g = ∇L_B + λθ,  200 steps",
    sides=_training_run,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(*AFFINE, charged),
    rests_on=("equivariance", "jacobian-generator", "noether"),
    source="Kunin et al. 2021, arXiv 2012.04728 (broken conservation laws); exact form derived here",
    derivation=(
        "sample-drift and charge-drift at every step, added up.\n"
        "The step size follows the curvature at the start, so that the run descends."
    ),
    consequence_of=("noether", "jacobian-generator"),
    costly=True,
    reason_if_vacuous="from no point that was drawn the run came to a smaller gradient: unstable runs amplify rounding",
    series=True,
)
