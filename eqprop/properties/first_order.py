"""Order 1: what equivariance implies for Jacobians and gradients."""

from __future__ import annotations

from eqprop.calculus import inner, inner_magnitude
from eqprop.point import Point
from eqprop.properties.base import Property, Sides, in_outputs, in_params, of_numbers, uncancelled
from eqprop.properties.hypotheses import continuous, one_model

SOURCE = "Yang & Ziyin 2025, arXiv 2512.21447 (first order); derived here by differentiating the premise"


def _jacobian_covariance(point: Point) -> Sides:
    u, w = point.probe.tangent, point.probe.cotangent
    pushed = point.there.push(point.action.push(u))
    pulled = point.action.pull(point.there.pull(w))
    return (
        in_outputs(pushed, point.output_action.push(point.here.push(u)), label="pushed forward"),
        in_params(point, pulled, point.here.pull(point.output_action.pull(w)), label="pulled back"),
    )


def _gradient_covariance(point: Point) -> Sides:
    return (in_params(point, point.action.pull(point.gradient_there.value), point.gradient_expected.value),)


def _jacobian_generator(point: Point) -> Sides:
    k = point.k.value
    if point.transformation.moves_inputs:
        moved = point.with_inputs(point.f).push((k, point.chi))
    else:
        moved = point.here.push(k)
    tau = point.output_field(point.probe.algebra)(point.here.value)
    return (in_outputs(moved, tau, uncancelled(point.here.push, k, point.theta)),)


def _noether(point: Point) -> Sides:
    gradient, k = point.gradient.value, point.k.value
    lhs, terms = inner(gradient, k), inner_magnitude(gradient, k)
    if point.transformation.moves_inputs:
        by_inputs = point.with_inputs(point.f).gradient_of(point.loss).value[1]
        lhs, terms = lhs + inner(by_inputs, point.chi), terms + inner_magnitude(by_inputs, point.chi)
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
)
