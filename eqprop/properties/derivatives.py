"""Premises of calculus: what is taken for a derivative of the model is one.

Every other identity compares derivatives with derivatives, homogeneously, or with 0 where T is the identity. A
derivative that is wrong in the same way at θ and at K_gθ (off by a constant factor, say) passes all of them. So may
a second derivative, where the group is discrete or translates.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.claims import Inputs
from eqprop.engine import FINEST, Array, Local, Tree, inner, inner_magnitude, is_floating, scaled
from eqprop.properties.base import Property
from eqprop.properties.hypotheses import floating_inputs, floating_params
from eqprop.properties.numerics import Start, increment
from eqprop.properties.parts import Sides, in_params, irregular, of_numbers, only_where
from eqprop.properties.point import Point
from eqprop.properties.traits import straight_objective

SOURCE = "the fundamental theorem of calculus; symmetry of second derivatives (Schwarz)"

LONGEST, SHORTEST = 0.154, 0.385
"""Powers of the unit roundoff: from 2^-8 to 2^-20 of each tensor's scale in float64. Long segments leave more digits of
the difference; short ones stay clear of kinks where a model has many."""

TELLING = 1e-3
"""A comparison with a larger relative error says too little."""


def segment_length(point: Point) -> Array:
    """The length of the probe's segment, relative to each tensor's scale."""
    power = LONGEST + (SHORTEST - LONGEST) * jnp.clip(point.probe.shortness, 0, 1)
    return jnp.exp(math.log(point.unit) * power)


Scalar = Callable[[Tree], tuple[Tree, Tree]]
"""A function with values in ℝ, and the size of the terms that are added up in it."""


def _along(
    point: Point,
    function: Scalar,
    at: Tree,
    direction: Tree,
    label: str,
    *,
    first: Start | None = None,
    beside: Sides = (),
) -> Sides:
    """The integral of a derivative along a segment against the difference quotient, where the segment tells."""
    length = segment_length(point)
    found = increment(function, at, scaled(direction, length), point.over, first)
    error = (found.error + point.unit * found.absorbed) / length
    size = jnp.maximum(found.size, jnp.abs(found.difference)) / length
    compared = of_numbers(found.integral / length, found.difference / length, size, error=error, label=label)
    tells = jnp.isfinite(size) & (error <= min(TELLING, point.unit ** (1 / 3)) * size)  # ∞ ≤ ∞ tells nothing
    return only_where(tells, (compared, *beside))


def _against(point: Point, function: Callable[[Tree], Tree]) -> Scalar:
    """⟨w, function⟩."""
    return lambda at: _weighted(point, function(at))


def _weighted(point: Point, outputs: Tree) -> tuple[Tree, Tree]:
    w = point.probe.cotangent
    return inner(w, outputs), inner_magnitude(w, outputs)


def _at_start(point: Point, function: Local) -> Start:
    """⟨w, function⟩ and its gradient, as other properties have them: that is worked out once."""
    outputs, slopes = function.value_and_pull(point.probe.cotangent)
    return Start(*_weighted(point, outputs), slopes)


def _pushed_and_pulled(point: Point, pulled: Tree) -> Sides:
    """⟨w, J u⟩ = ⟨Jᵀw, u⟩."""
    u, w = point.probe.tangent, point.probe.cotangent
    pushed = point.here.push(u)
    terms = inner_magnitude(w, pushed) + inner_magnitude(pulled, u)
    return (of_numbers(inner(w, pushed), inner(pulled, u), terms, label="pushed and pulled"),)


def _derivative(point: Point) -> Sides:
    theta, inputs, u = point.theta, point.probe.inputs, point.probe.tangent
    first = _at_start(point, point.here)
    here = _against(point, lambda at: point.f(at, inputs))
    both = _pushed_and_pulled(point, first.slopes) if point.here.pushes else ()
    parts = _along(point, here, theta, u, "along a segment", first=first, beside=both)
    if point.pair.target is not None:
        image, moved = point.at_identity
        there = _against(point, lambda at: point.f_image(at, moved))
        parts += _along(point, there, image, irregular(image, point.unit), "along a segment, of the target")
    if point.pair.model.loss is not None:
        loss, outputs = point.loss, point.here.value
        parts += _along(
            point,
            lambda y: (loss(y), jnp.abs(loss(y))),
            outputs,
            irregular(outputs, point.unit),
            "along a segment, of the loss",
        )
    return parts


def _input_derivative(point: Point) -> Sides:
    first = _at_start(point, point.here_in_inputs)
    parts = _in_inputs(point, point.f, point.theta, point.probe.inputs, "along a segment", first)
    if point.pair.target is not None:
        parts += _in_inputs(point, point.f_image, *point.at_identity, "along a segment, of the target")
    return parts


def _in_inputs(
    point: Point, f: Callable[..., Tree], theta: Tree, inputs: Inputs, label: str, first: Start | None = None
) -> Sides:
    floats = point.pair.model.input_leaves.split(inputs)
    function = _against(point, lambda at: f(theta, point.join_inputs(at, inputs)))
    return _along(point, function, floats, irregular(floats, point.unit), label, first=first)


def _hessian_symmetry(point: Point) -> Sides:
    u = point.probe.tangent
    pushed = point.gradient.push(u)
    if point.unit > FINEST.eps:
        # Numbers run out of range early, the one way of writing a derivative before the other.
        return (in_params(point, pushed, point.gradient.pull(u)),)
    pulled = _reversed_twice(point, u)
    lost = jax.tree.map(lambda a, b: jnp.isfinite(a) & ~jnp.isfinite(b), pushed, pulled)
    here, there = (jax.tree.map(lambda gone, a: jnp.where(gone, 0, a), lost, side) for side in (pushed, pulled))
    ones, asked = jax.tree.map(jnp.ones_like, pushed), _is_moderate(point)
    kept = jax.tree.map(lambda gone, a: jnp.where(gone & asked, 0, a), lost, ones)
    return in_params(point, here, there), in_params(point, ones, kept, label="finite in reverse over reverse")


MODERATE = 100.0
"""Of numbers up to that even exponentials have powers: e^100 to the seventh is in the range of float64."""


def _is_moderate(point: Point) -> Array:
    """Whether numbers are so small that none runs out of range in one of the two ways of writing a derivative alone."""
    floats = [leaf for leaf in jax.tree.leaves((point.theta, point.probe.inputs)) if is_floating(leaf)]
    return jnp.all(jnp.stack([jnp.max(jnp.abs(leaf), initial=0.0) <= MODERATE for leaf in floats]))


def _reversed_twice(point: Point, u: Tree) -> Tree:
    """Hᵀu as the derivative in reverse of the gradient, at the point whose zeros are exact in the copies, too.

    A zero is where reverse over reverse loses its numbers (0/0 in a branch that is not selected); a copy that is moved
    off it would not, and the probe would count as one at a kink.
    """
    inputs = jax.tree.map(_zeros_kept, point.probe.inputs)
    theta = jax.tree.map(_zeros_kept, point.theta)
    return point.near(lambda at: point.f(at, inputs), theta).gradient_of(point.loss).pull(u)


NEAR = 8.0
"""So many units in their last place may moved zeros differ from one of their tensor's largest number."""


def _zeros_kept(leaf: Array) -> Array:
    """The leaf with 0 where ``rounding.perturbed`` moved a zero: by one unit of the largest number (of 1 among zeros).

    A number that is smaller may be one of the probe's own, which counts beside large weights.
    """
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    eps = float(jnp.finfo(leaf.dtype).eps)
    most = jnp.max(jnp.abs(leaf), initial=0.0)
    moved = eps * jnp.where(most <= 2 * eps, 1, most)
    return jnp.where(jnp.abs(jnp.abs(leaf) - moved) <= NEAR * eps * moved, 0, leaf)


def _hessian_integral(point: Point) -> Sides:
    gradient, v = point.gradient.function, irregular(point.theta, point.unit)

    def slope(at: Tree) -> tuple[Tree, Tree]:
        found = gradient(at)
        return inner(v, found), inner_magnitude(v, found)

    return _along(point, slope, point.theta, point.probe.tangent, "along a segment")


DERIVATIVE = Property(
    name="derivative",
    order=1,
    statement="the derivative in the parameters adds up to the increment of the outputs, along any short segment",
    formula="∫₀¹ ⟨J(θ + tu)ᵀ w, u⟩ dt = ⟨w, f(θ + u) − f(θ)⟩  and  ⟨w, J u⟩ = ⟨Jᵀ w, u⟩",
    sides=_derivative,
    needs=frozenset({"params", "inputs", "tangent", "cotangent", "shortness"}),
    hypotheses=(floating_params,),
    smooth="C¹, or absolutely continuous on the segment",
    source=SOURCE,
    derivation=(
        "The integrand is the derivative of ⟨w, f(θ + tu)⟩ in t; stated where the quadrature converges, off kinks.\n"
        "The group has no part in it: a derivative that is wrong alike at θ and at K_gθ shows here. Of a loss likewise."
    ),
    reason_if_vacuous="every segment that was drawn meets kinks, or is too short for the precision of the model",
)

INPUT_DERIVATIVE = Property(
    name="input-derivative",
    order=1,
    statement="the derivative in the inputs adds up to the increment of the outputs, along any short segment",
    formula="∫₀¹ ⟨∂f/∂x(θ, x + tv)ᵀ w, v⟩ dt = ⟨w, f(θ, x + v) − f(θ, x)⟩",
    sides=_input_derivative,
    needs=frozenset({"params", "inputs", "cotangent", "shortness"}),
    hypotheses=(floating_inputs,),
    smooth="C¹ in x, or absolutely continuous on the segment",
    source=SOURCE,
    derivation=(
        "As derivative, for x in place of θ: what a layer hands to the one below it is the cotangent of its inputs.\n"
        "Where X is the identity nothing else differentiates in x. v is irregular, at the scale of each input."
    ),
    reason_if_vacuous="every segment that was drawn meets kinks, or is too short for the precision of the model",
)

HESSIAN_SYMMETRY = Property(
    name="hessian-symmetry",
    order=2,
    statement="the Hessian is symmetric: the gradient's derivative and its transpose, in reverse over reverse, agree",
    formula="H u = Hᵀ u",
    sides=_hessian_symmetry,
    needs=frozenset({"params", "inputs", "tangent", "targets"}),
    hypotheses=(floating_params,),
    source=SOURCE,
    derivation=(
        "∂ᵢ∂ⱼL = ∂ⱼ∂ᵢL. A field that is no gradient of any function shows here, even where it is covariant.\n"
        "H u is forward over reverse where the model allows it, Hᵀ u reverse over reverse: two programs for one vector."
    ),
    empty=straight_objective,
)

HESSIAN_INTEGRAL = Property(
    name="hessian-integral",
    order=2,
    statement="the Hessian adds up to the increment of the gradient, along any short segment",
    formula="∫₀¹ ⟨v, H(θ + tu) u⟩ dt = ⟨v, ∇L(θ + u) − ∇L(θ)⟩",
    sides=_hessian_integral,
    needs=frozenset({"params", "inputs", "tangent", "targets", "shortness"}),
    hypotheses=(floating_params,),
    source=SOURCE,
    derivation=(
        "As derivative, for ∇L in place of f, v irregular; stated where the quadrature converges: at kinks ∇L jumps.\n"
        "The group has no part in it: a second derivative that is wrong alike everywhere, and symmetric, shows here."
    ),
    costly=True,
    reason_if_vacuous=(
        "H vanishes along every segment that was drawn, or it meets kinks, or is too short for the precision"
    ),
)
