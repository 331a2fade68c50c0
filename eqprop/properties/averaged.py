"""Steps to K_gθ: the gradient and the Hessian averaged along the segment from θ to K_gθ, at no point of an orbit.

Neither statement asks for a discrete group or an affine K. They are judged where the group has a discrete factor, as
the counterparts there of what generators say: K_gθ for a scaling by e^12 is so far away that a quadrature of a
network's gradient along the segment says nothing of its own error.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Local, Tree, add, in_types_of, inner, inner_magnitude, norm, scaled, subtract
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import discrete, keeps_integers, one_model, still_inputs
from eqprop.properties.numerics import Integral, integral
from eqprop.properties.parts import Sides, in_params, magnitudes, of_numbers, only_where
from eqprop.properties.point import Point

SOURCE = f"derived here for any K; discrete transformations after {PAPER}"

TELLING = 1e-3
"""A quadrature with a larger relative error says too little: kinks on the segment."""

SMOOTH = 100.0
"""In units of eps^(2/3). At a kink the gradient jumps, which no integral of the Hessian sees. There the quadrature of
the gradient itself, which should converge as fast as that of the Hessian, does not get this far."""

SMOOTH_AT_MOST = 0.01
"""In half precision that would let every kink pass."""


def _segment(point: Point) -> tuple[Tree, Tree]:
    """Δ = K_gθ − θ, and its length."""
    return point.once("segment", lambda: _step(point))


def _step(point: Point) -> tuple[Tree, Tree]:
    delta = subtract(point.action.value, point.theta)
    return delta, norm(delta)


def _gradient_at(point: Point, t: Array) -> Local:
    """The gradient near θ + tΔ."""
    delta, _ = _segment(point)
    return point.near(point.gradient.function, in_types_of(point.theta, add(point.theta, scaled(delta, t))))


def _slope(point: Point) -> Integral:
    """∫₀¹ ⟨∇L(θ + tΔ), Δ⟩ dt, which has a jump wherever ∇L has one on the segment."""
    delta, _ = _segment(point)
    return point.once("slope", lambda: integral(lambda t: inner(_gradient_at(point, t).value, delta)))


def _averaged_gradient(point: Point) -> Sides:
    delta, length = _segment(point)
    slope = _slope(point)
    before, after = point.loss(point.here.value), point.loss(point.output_action.value)
    size = jnp.abs(before) + jnp.abs(after) + inner_magnitude(point.gradient.value, delta)
    part = of_numbers(slope.value, after - before, size, error=slope.error)
    return only_where((length > 0) & (slope.error <= TELLING * size), (part,))


def _averaged_hessian(point: Point) -> Sides:
    delta, length = _segment(point)

    def at(t: Array) -> tuple[Tree, Tree]:
        near = _gradient_at(point, t)
        return near.push(delta), near.value

    (turn, mean), (error, off) = _slope(point).of(at)
    group, theta = point.transformation.group, point.action.value
    back = point.near(lambda at: point.act(group.inverse(point.probe.element), at), theta)
    arrived = back.pull(point.gradient_expected.value)
    sizes = jax.tree.map(lambda a, b: a + b, magnitudes(arrived), magnitudes(point.gradient.value))
    sizes = add(sizes, magnitudes(turn))
    part = in_params(point, turn, subtract(arrived, point.gradient.value), sizes, error=magnitudes(error))
    bound = min(SMOOTH * float(jnp.finfo(length.dtype).eps) ** (2 / 3), SMOOTH_AT_MOST)
    smooth = (norm(error) <= bound * norm(sizes)) & (norm(off) <= bound * (norm(mean) + norm(point.gradient.value)))
    return only_where((length > 0) & smooth, (part,))


AVERAGED_GRADIENT = Property(
    name="averaged-gradient",
    order=1,
    statement="along the segment from θ to K_gθ the gradient adds up to what T changes in the loss (0 for a symmetry)",
    formula="∫₀¹ ⟨∇L(θ + tΔ), Δ⟩ dt = ℓ(T_g f) − ℓ(f),  Δ = K_gθ − θ",
    sides=_averaged_gradient,
    needs=frozenset({"params", "inputs", "element", "targets"}),
    hypotheses=(discrete, one_model, still_inputs, keeps_integers),
    rests_on=("equivariance",),
    smooth="C¹, or absolutely continuous on the segment",
    source=SOURCE,
    derivation=(
        "The integral is L(K_gθ) − L(θ) by the fundamental theorem; L(K_gθ) = ℓ(T_g f(θ)) by the premise.\n"
        "Where T = id and K² = 1 it is 0 = 0 by covariance alone: t ↦ 1 − t turns the integrand into its negative."
    ),
    consequence_of=("equivariance", "derivative"),
    costly=True,
    reason_if_vacuous="on every segment from θ to K_gθ that was drawn the quadrature met kinks, or K_gθ = θ",
)

AVERAGED_HESSIAN = Property(
    name="averaged-hessian",
    order=2,
    statement="the Hessian averaged along the segment from θ to K_gθ takes the step to the change of the gradient",
    formula="[∫₀¹ H(θ + tΔ) dt] Δ = DK_g⁻ᵀ ∇(ℓ∘T_g∘f)(θ) − ∇L(θ),  Δ = K_gθ − θ",
    sides=_averaged_hessian,
    needs=frozenset({"params", "inputs", "element", "targets"}),
    hypotheses=(discrete, one_model, still_inputs, keeps_integers),
    rests_on=("equivariance", "gradient-covariance", "averaged-gradient"),
    source=SOURCE,
    derivation=(
        "The integral is ∇L(K_gθ) − ∇L(θ), and DK_gᵀ ∇L(K_gθ) = ∇(ℓ∘T_g∘f)(θ) by gradient-covariance.\n"
        "Stated where the quadrature converges: at kinks the gradient jumps, which no second derivative shows."
    ),
    consequence_of=("gradient-covariance", "hessian-integral"),
    costly=True,
    reason_if_vacuous=(
        "on every segment from θ to K_gθ that was drawn the gradient has kinks, or too few digits to tell, or K_gθ = θ"
    ),
)
