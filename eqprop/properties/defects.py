"""Nearly a symmetry: what holds up to a defect, and what is left of it.

δ_ξ = J k_ξ + ∂f/∂x·χ_ξ − τ_ξ(f) is 0 for an equivariance. Of a norm with ε > 0, in front of which a block is scaled, it
is of the size of ε beside the variance; so is that of an activation that is homogeneous far out only. The
transformation says by a bound B how large it may be (``defect=``), and is then not claimed to be exact: what rests on
`equivariance` does not apply. Each bound is compared as the quantity with itself, clipped to what it may be.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, leaf_paths, scaled, subtract, zeros_like
from eqprop.engine import gradient as gradient_of
from eqprop.properties.base import Property
from eqprop.properties.charges import AFFINE, charge_of, drift_size
from eqprop.properties.hypotheses import charged, continuous, near, one_model, symmetry
from eqprop.properties.numerics import combined, integral
from eqprop.properties.parts import Sides, magnitudes, of_numbers, part, uncancelled_together
from eqprop.properties.point import Point

SOURCE = "derived here, by carrying δ through the derivation of the exact statement"

PIECES = 3
"""Of the integral of a bound along an orbit, which is smooth where parameters are scaled."""


def _within(quantity: Tree, bound: Array) -> Tree:
    """The quantity where it is within its bound, else what it may be."""
    return jax.tree.map(lambda leaf: jnp.clip(leaf, -bound, bound), quantity)


def _near_equivariance(point: Point) -> Sides:
    algebra, y, move = point.probe.algebra, point.here.value, point.transformation.on_inputs

    def along(t: Array) -> tuple[Tree, Tree]:
        element = point.exponential(scaled(algebra, t))
        return point.act(element, point.theta), move(element, point.probe.inputs)

    bound = integral(lambda t: point.defect_bound(algebra, *along(t)), pieces=PIECES)
    change = subtract(point.f(*along(jnp.ones_like(bound.value))), y)
    return (
        part(
            [f"output {p}" for p in leaf_paths(y)],
            change,
            _within(change, bound.value),
            magnitudes(y),
            error=bound.error,
        ),
    )


class _Together:
    """Parameters and inputs as one point z, the field (k_ξ, χ_ξ) there, and δ_ξ near it."""

    def __init__(self, point: Point) -> None:
        self.f: Local = point.with_inputs(point.f)
        self._point = point
        self._tau = point.output_field(point.probe.algebra)
        self.field: Local = point.near(lambda z: (point.k.function(z[0]), self._in_inputs(z[1])), self.f.at)
        self.gradient: Local = self.f.gradient_of(point.loss)

    def _in_inputs(self, floats: Tree) -> Tree:
        moved = self._point.transformation.moves_inputs
        return self._point.input_field.function(floats) if moved else zeros_like(floats)

    def defect(self, z: Tree) -> tuple[Tree, Tree]:
        """f and δ_ξ at z."""
        near = self._point.near(self.f.function, z)
        return near.value, subtract(near.push(self.field.function(z)), self._tau(near.value))


def _together(point: Point) -> _Together:
    return point.once("defect", lambda: _Together(point))


def _defect(point: Point) -> Sides:
    both, of_loss = _together(point), point.loss_near(point.here.value).value
    (y, delta), k, slope = both.defect(both.f.at), both.field.value, both.gradient.value
    bound = point.defect_bound(point.probe.algebra, point.theta, point.probe.inputs)
    sizes = uncancelled_together(both.f.push, k, both.f.at)
    along = inner(slope, k) - point.loss_rate.value
    names = [f"output {path}" for path in leaf_paths(y)]
    return (
        part(names, delta, _within(delta, bound), sizes, label="δ"),
        of_numbers(along, inner(of_loss, delta), inner_magnitude(slope, k), label="⟨∇L, k⟩ − s"),
    )


def _defect_curvature(point: Point) -> Sides:
    both, gradient = _together(point), _together(point).gradient
    loss = point.loss  # what it remembers of the probe is not to be traced inside of the gradient

    def excess(z: Tree) -> Array:
        y, delta = both.defect(z)
        return inner(gradient_of(loss)(y), delta)

    near = point.near(excess, both.f.at)
    expected = near.pull(jnp.ones_like(near.value))
    k, turned = both.field.value, both.field.pull(gradient.value)
    rate = both.f.gradient_of(point.loss_rate.function).value
    sizes = add(uncancelled_together(gradient.push, k, both.f.at), add(magnitudes(turned), magnitudes(rate)))
    names = [*point.source.float_paths, *(f"input {path}" for path in leaf_paths(both.f.at[1]))]
    return (part(names, subtract(add(gradient.push(k), turned), rate), expected, sizes),)


def _defect_drift(point: Point) -> Sides:
    charge, theta, slope, step = charge_of(point), point.theta, point.gradient.value, point.probe.rates[0]
    after = combined(1.0, theta, -step, slope)
    exact = charge.value(theta) - step * charge.rate(theta) + 0.5 * step**2 * charge.bend(slope)
    drift = charge.value(after) - exact
    of_loss = sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(point.loss_near(point.here.value).value))
    bound = step * of_loss * point.defect_bound(charge.algebra, theta, point.probe.inputs)
    terms = charge.size(theta) + charge.size(after) + step * inner_magnitude(charge.local.value, slope)
    size = terms + step**2 * drift_size(charge, slope)
    return (of_numbers(drift, _within(drift, bound), size, label="Q after a gradient step, beside an exact one's"),)


NEAR_EQUIVARIANCE = Property(
    name="near-equivariance",
    order=0,
    statement="what a near-symmetry changes of the outputs is at most its defect's bound, added up along the orbit",
    formula="g = exp(ξ), T = id:  |f(K_g θ, X_g x) − f(θ, x)| ≤ ∫₀¹ B_ξ(K_exp(tξ) θ, X_exp(tξ) x) dt  in each output",
    sides=_near_equivariance,
    needs=frozenset({"params", "inputs", "algebra"}),
    hypotheses=(near, continuous, one_model, symmetry),
    rests_on=("group-laws",),
    smooth="C¹ along the orbit",
    source=SOURCE,
    derivation=(
        "exp(tξ) is a one-parameter group, so d/dt f(K_exp(tξ) θ, X_exp(tξ) x) is δ_ξ at the point moved by exp(tξ).\n"
        "The change is its integral over t, and |δ_ξ| ≤ B_ξ at each point."
    ),
)

DEFECT = Property(
    name="defect",
    order=1,
    statement="along the generator of a near-symmetry the outputs move by no more than the bound that is claimed, and "
    "the loss by what that makes of it",
    formula="δ = J k_ξ + ∂f/∂x·χ_ξ − τ_ξ(f):  |δ| ≤ B_ξ(θ, x) in each output,  "
    "⟨∇L, k_ξ⟩ + ⟨∂L/∂x, χ_ξ⟩ − s_ξ = ⟨∇ℓ, δ⟩",
    sides=_defect,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(near, continuous, one_model),
    rests_on=("group-laws", "near-equivariance"),
    source=SOURCE,
    derivation=(
        "The bound is the claim itself; where T = id it is the limit of near-equivariance for exp(tξ), t → 0.\n"
        "⟨∇L, k⟩ + ⟨∂L/∂x, χ⟩ = ⟨∇ℓ, J k + ∂f/∂x·χ⟩ = ⟨∇ℓ, τ + δ⟩ = s + ⟨∇ℓ, δ⟩."
    ),
)

DEFECT_CURVATURE = Property(
    name="defect-curvature",
    order=2,
    statement="along the generator of a near-symmetry the Hessian, and the mixed derivative, are what the gradient "
    "says of an exact one, and how what the defect makes of the loss changes",
    formula="z = (θ, x), k = (k_ξ, χ_ξ):  ∇²_z L·k + Dkᵀ∇_z L − ∇_z(s_ξ∘f) = ∇_z⟨∇ℓ(f), δ_ξ⟩",
    sides=_defect_curvature,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(near, continuous, one_model),
    rests_on=("group-laws", "defect"),
    source=SOURCE,
    derivation=(
        "Differentiate ⟨∇_z L, k⟩ − s = ⟨∇ℓ, δ⟩, which is defect, in z: the product rule on the left.\n"
        "On the right a derivative of J k in x meets one of ∂f/∂x in θ on the left: mixed ones in both orders."
    ),
)

DEFECT_DRIFT = Property(
    name="defect-drift",
    order=1,
    statement="what a near-symmetry conserves is lost no faster than its defect allows: beyond what an exact one's "
    "charge does, a step of gradient descent changes it by at most the defect's bound, at any step size",
    formula="|Q(θ − η∇L) − (Q − ηs + ½η²⟨∇L, A∇L⟩)| ≤ η ‖∇ℓ‖₁ B_ξ(θ, x)",
    sides=_defect_drift,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(near, *AFFINE, charged),
    rests_on=("group-laws", "defect"),
    source=SOURCE,
    derivation=(
        "As charge-drift, Q(θ − η∇L) = Q − η⟨k, ∇L⟩ + ½η²⟨∇L, A∇L⟩, with ⟨k, ∇L⟩ = s + ⟨∇ℓ, δ⟩ by defect.\n"
        "|⟨∇ℓ, δ⟩| ≤ ‖∇ℓ‖₁ max|δ| ≤ ‖∇ℓ‖₁ B."
    ),
    consequence_of=("defect",),
    costly=True,
)
