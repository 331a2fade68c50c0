"""Order 1: what equivariance implies for Jacobians and gradients."""

from __future__ import annotations

from eqprop.engine import inner, inner_magnitude
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import continuous, one_model
from eqprop.properties.parts import (
    Sides,
    in_outputs,
    in_params,
    of_numbers,
    spread_out,
    uncancelled,
    uncancelled_together,
)
from eqprop.properties.point import Point

SOURCE = f"derived here by differentiating the premise; first-order constraints after {PAPER}"


def _jacobian_covariance(point: Point) -> Sides:
    u, w = point.probe.tangent, point.probe.cotangent
    pulled = point.action.pull(point.there.pull(w))
    back = in_params(point, pulled, point.here.pull(point.output_action.pull(w)), label="pulled back")
    if not (point.here.pushes and point.there.pushes):
        return (back,)
    pushed = point.there.push(point.action.push(u))
    return (in_outputs(pushed, point.output_action.push(point.here.push(u)), label="pushed forward"), back)


def _gradient_covariance(point: Point) -> Sides:
    return (in_params(point, point.action.pull(point.gradient_there.value), point.gradient_expected.value),)


def _jacobian_generator(point: Point) -> Sides:
    k = point.k.value
    tau = point.output_field(point.probe.algebra)(point.here.value)
    if not point.transformation.moves_inputs:
        return (in_outputs(point.here.push(k), tau, uncancelled(point.here.push, k, point.theta)),)
    both = point.with_inputs(point.f)
    moves = (k, point.chi)
    return (in_outputs(both.push(moves), tau, uncancelled_together(both.push, moves, both.at)),)


def _noether(point: Point) -> Sides:
    gradient, k = point.gradient.value, point.k.value
    lhs, terms = inner(gradient, k), inner_magnitude(gradient, spread_out(k, point.theta))
    if point.transformation.moves_inputs:
        by_inputs = point.with_inputs(point.f)
        slope, chi = by_inputs.gradient_of(point.loss).value[1], point.chi
        lhs, terms = lhs + inner(slope, chi), terms + inner_magnitude(slope, spread_out(chi, by_inputs.at[1]))
    return (of_numbers(lhs, point.loss_rate.value, terms),)


JACOBIAN_COVARIANCE = Property(
    name="jacobian-covariance",
    order=1,
    statement="the Jacobian at the moved parameters is the moved Jacobian, along any tangent and against any cotangent",
    formula="Df(K_gθ)·DK_g·u = DT_g·Df(θ)·u  and  DK_gᵀ·Df(K_gθ)ᵀ·w = Df(θ)ᵀ·DT_gᵀ·w",
    sides=_jacobian_covariance,
    needs=frozenset({"params", "inputs", "element", "tangent", "cotangent"}),
    rests_on=("equivariance",),
    source=SOURCE,
    derivation=(
        "Differentiate f(K_gθ, X_g x) = T_g f(θ, x) in θ along u, by the chain rule on both sides.\n"
        "The second is the transpose of the first, against w."
    ),
)

GRADIENT_COVARIANCE = Property(
    name="gradient-covariance",
    order=1,
    statement="the gradient at the moved parameters, pulled back, is the gradient of the loss of the moved outputs",
    formula="DK_gᵀ ∇L(K_gθ) = ∇(ℓ∘T_g∘f)(θ)",
    sides=_gradient_covariance,
    needs=frozenset({"params", "inputs", "element", "targets"}),
    rests_on=("equivariance",),
    source=SOURCE,
    derivation=(
        "DK_gᵀ ∇L(K_gθ) = DK_gᵀ Df(K_gθ)ᵀ ∇ℓ(f(K_gθ)) = Df(θ)ᵀ DT_gᵀ ∇ℓ(f(K_gθ)) by jacobian-covariance.\n"
        "f(K_gθ) = T_g f(θ), so it is the chain rule for ℓ∘T_g∘f."
    ),
    consequence_of=("equivariance", "jacobian-covariance"),
)

JACOBIAN_GENERATOR = Property(
    name="jacobian-generator",
    order=1,
    statement="along the generator the outputs move as the generator on outputs says (not at all for a symmetry)",
    formula="J k_ξ + ∂f/∂x·χ_ξ = τ_ξ(f)",
    sides=_jacobian_generator,
    needs=frozenset({"params", "inputs", "algebra"}),
    hypotheses=(continuous, one_model),
    rests_on=("equivariance",),
    source=SOURCE,
    derivation=(
        "Differentiate f(K_gθ, X_g x) = T_g f(θ, x) with g = exp(tξ) in t at t = 0.\n"
        "K_g gives k_ξ, X_g gives χ_ξ and T_g gives τ_ξ, which vanishes for a symmetry."
    ),
)

NOETHER = Property(
    name="noether",
    order=1,
    statement="the gradient is orthogonal to the orbit, up to the rate at which T changes the loss",
    formula="⟨∇L, k_ξ⟩ + ⟨∂L/∂x, χ_ξ⟩ = s_ξ(f) = ⟨∇ℓ, τ_ξ⟩",
    sides=_noether,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model),
    rests_on=("equivariance",),
    source=SOURCE + "; for symmetries Kunin et al. 2021, arXiv 2012.04728",
    derivation=(
        "⟨∇L, k_ξ⟩ = ⟨Jᵀ∇ℓ, k_ξ⟩ = ⟨∇ℓ, J k_ξ⟩, and likewise ⟨∂L/∂x, χ_ξ⟩ = ⟨∇ℓ, ∂f/∂x·χ_ξ⟩.\n"
        "Their sum is ⟨∇ℓ, τ_ξ(f)⟩ by jacobian-generator."
    ),
    consequence_of=("jacobian-generator",),
)
