"""Scale-invariant blocks under training: what step size and weight decay do to what a norm divides by its length.

W = Pθ is such a block, g = P∇L its gradient, orthogonal to it and of degree −1. What is beside the block trains with
the same step size and without decay.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, norm, repeated, scaled, subtract
from eqprop.properties.base import Property
from eqprop.properties.consequences import generator_of
from eqprop.properties.flows import curvature_of
from eqprop.properties.hypotheses import centrally_scaled, continuous, one_model, still_inputs
from eqprop.properties.numerics import combined
from eqprop.properties.parts import Sides, in_params, largest_of, magnitudes, of_numbers, only_where
from eqprop.properties.point import Point

SOURCE = "exact forms derived here"
HYPOTHESES = (continuous, one_model, still_inputs, centrally_scaled)

STEPS = 16
REACH = 0.1
"""The step size, in units of 1/‖H‖ at the start."""

SHRUNK = 0.05
"""The largest part of itself that decay takes of a block in a step, ηλ."""


def _block(point: Point) -> Local:
    """θ ↦ Pθ."""
    return point.once("scale-invariant block", lambda: generator_of(point, point.traits.central_scaling()))


def _rotational_equilibrium(point: Point) -> Sides:
    """A step of η = sin φ ‖W‖/‖g‖ with ηλ = 1 − cos φ, φ from 0 to 1: what decay takes the gradient gives back."""
    block = _block(point)
    w, g = block.value, block.push(point.gradient.value)
    length, slope = norm(w), norm(g)
    angle = point.probe.rates[1]
    step, kept = jnp.sin(angle) * length / jnp.where(slope > 0, slope, 1), jnp.cos(angle)
    after = block.function(combined(kept, point.theta, -step, point.gradient.value))
    square = length**2
    terms = square + step * inner_magnitude(w, g)
    rest = subtract(after, scaled(w, inner(w, after) / jnp.where(square > 0, square, 1)))
    parts = (
        of_numbers(inner(w, after), kept * square, terms, label="⟨W, W⁺⟩ = (1 − ηλ)‖W‖²"),
        of_numbers(inner(after, after), square, terms, label="‖W⁺‖² = ‖W‖²"),
        of_numbers(norm(rest), step * slope, length + step * slope, label="tan∠ (1 − ηλ)‖W‖ = η‖g‖"),
    )
    return only_where((length > 0) & (slope > 0), parts)


Rates = Callable[[Array], tuple[float | Array, float | Array]]
"""Of the number of a step: what it keeps of the block, and its step size for the block."""


def _trained(point: Point, start: Tree, step: Array, rates: Rates) -> tuple[Tree, Tree]:
    block, gradient = _block(point), point.gradient.function

    def train(n: Array, state: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        theta, sizes = state
        kept, own = rates(n)
        slope = gradient(theta)
        part = block.push(slope)
        moved = combined(kept - 1, block.push(theta), step - own, part)
        theta = add(combined(1.0, theta, -step, slope), moved)
        return theta, jax.tree.map(jnp.maximum, sizes, add(magnitudes(theta), magnitudes(slope, step + own)))

    return repeated(range(STEPS), train, (start, magnitudes(start)))


def _decay_as_schedule(point: Point) -> Sides:
    block, curvature, theta = _block(point), curvature_of(point), point.theta
    step = REACH / jnp.where(curvature > 0, curvature, 1)
    kept = 1 - SHRUNK * point.probe.rates[1]
    larger = 1 + point.probe.rates[2]

    def stretched(at: Tree, factor: Array) -> Tree:
        """The block times a factor, the rest as it is."""
        return combined(1.0, at, factor - 1, block.push(at))

    decayed, sizes = _trained(point, theta, step, lambda _: (kept, step))
    scheduled, _ = _trained(point, theta, step, lambda n: (1.0, step * kept ** (-(2.0 * n + 1))))
    grown, _ = _trained(point, stretched(theta, larger), step, lambda _: (kept, larger**2 * step))
    size = largest_of(sizes)
    parts = (
        in_params(point, stretched(scheduled, kept**STEPS), decayed, size, label="with a schedule in place of decay"),
        in_params(point, stretched(grown, 1 / larger), decayed, size, label="from cW with c²η and λ/c²"),
    )
    descended = norm(point.gradient.function(decayed)) <= norm(point.gradient.value)
    return only_where((curvature > 0) & descended & (norm(block.value) > 0), parts)


ROTATIONAL_EQUILIBRIUM = Property(
    name="rotational-equilibrium",
    order=1,
    statement="a step turns a scale-invariant block by an angle that step size, decay and gradient set, and where it "
    "keeps the block's length the cosine of the angle is what decay leaves",
    formula="W⁺ = (1 − ηλ)W − ηg:  ⟨W, W⁺⟩ = (1 − ηλ)‖W‖²,  tan∠ = η‖g‖/((1 − ηλ)‖W‖),  ‖W⁺‖ = ‖W‖: cos∠ = 1 − ηλ",
    sides=_rotational_equilibrium,
    needs=frozenset({"params", "inputs", "targets", "rates"}),
    hypotheses=HYPOTHESES,
    rests_on=("equivariance", "noether"),
    source=SOURCE + "; Wan et al. 2021, arXiv 2006.08419; Kosson et al. 2024, arXiv 2305.17212",
    derivation=(
        "noether with k = W, s = 0: ⟨W, g⟩ = 0, so W⁺ has the parts (1 − ηλ)W and −ηg, at right angles.\n"
        "η and λ are chosen such that ‖W⁺‖² = (1 − ηλ)²‖W‖² + η²‖g‖² is ‖W‖²."
    ),
    consequence_of=("noether",),
    costly=True,
    reason_if_vacuous="the block, or its gradient, vanishes at every point that was drawn",
)

DECAY_AS_SCHEDULE = Property(
    name="decay-as-schedule",
    order=1,
    statement="weight decay of a scale-invariant block is a schedule of its step size, and step size, decay and length "
    "are one hyper-parameter too many: whole runs agree but for the block's length",
    formula="η_t = η(1 − ηλ)^(−(2t+1)) without decay: (1 − ηλ)^n W_n the same;  (η, λ, W) ~ (c²η, λ/c², cW)",
    sides=_decay_as_schedule,
    needs=frozenset({"params", "inputs", "targets", "rates"}),
    hypotheses=HYPOTHESES,
    rests_on=("equivariance", "gradient-covariance"),
    source=SOURCE + "; van Laarhoven 2017, arXiv 1706.05350",
    derivation=(
        "gradient-covariance: g(cW) = g(W)/c; beside the block the gradient stays. With a = 1 − ηλ, V_t = a^(−t)W_t:\n"
        "V_(t+1) = V_t − ηa^(−(2t+1)) g(V_t). And cW⁺ = (1 − ηλ)cW − c²η g(cW), where (c²η)(λ/c²) = ηλ."
    ),
    consequence_of=("equivariance", "jacobian-covariance"),
    costly=True,
    reason_if_vacuous="H vanishes, or training did not come to a smaller gradient, at every point that was drawn",
)
