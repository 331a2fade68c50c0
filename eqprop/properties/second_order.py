"""Order 2: what equivariance implies for Hessians and second derivatives of the model."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.engine import Tree, add, inner, inner_magnitude, zeros_like
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import continuous, one_model, still_inputs
from eqprop.properties.parts import (
    Sides,
    in_outputs,
    in_params,
    magnitudes,
    of_numbers,
    spread_out,
    uncancelled,
    uncancelled_together,
)
from eqprop.properties.point import Point
from eqprop.properties.traits import straight_model, straight_objective

SOURCE = f"derived here by differentiating the premise twice; second-order constraints after {PAPER}"


def _hessian_covariance(point: Point) -> Sides:
    u = point.probe.tangent
    carried = point.action.pull(point.gradient_there.push(point.action.push(u)))
    curvature_of_k = point.action.against(point.gradient_there.value).push(u)
    return (in_params(point, add(carried, curvature_of_k), point.gradient_expected.push(u)),)


def _model_second_order(point: Point) -> Sides:
    u, v = point.probe.tangent, point.probe.tangent2
    lhs = add(
        point.there.along(point.action.push(u)).push(point.action.push(v)),
        point.there.push(point.action.along(u).push(v)),
    )
    second = point.here.along(u).push(v)
    if not point.transformation.moves_outputs:
        return (in_outputs(lhs, second),)
    ju, jv = point.here.push(u), point.here.push(v)
    rhs = add(point.output_action.along(ju).push(jv), point.output_action.push(second))
    return (in_outputs(lhs, rhs),)


def _hessian_along_orbit(point: Point) -> tuple[Tree, Tree, Tree, Tree]:
    """H k_ξ (with the mixed derivative where inputs move), Dk_ξᵀ∇L, Jᵀ∇s, and the size of the terms in H k_ξ."""
    return point.once("hessian along orbit", lambda: _along_orbit(point))


def _along_orbit(point: Point) -> tuple[Tree, Tree, Tree, Tree]:
    k = point.k.value
    if point.transformation.moves_inputs:
        loss = point.loss  # what it remembers of the probe is not to be traced inside of the gradient
        gradient = point.near(lambda both: _gradient_at(point, loss, both), point.with_inputs(point.f).at)
        moves = (k, point.chi)
        hk, terms = gradient.push(moves), uncancelled_together(gradient.push, moves, gradient.at)
    else:
        hk, terms = point.gradient.push(k), uncancelled(point.gradient.push, k, point.theta)
    drift = point.k.pull(point.gradient.value)
    rate = point.here.gradient_of(point.loss_rate.function).value if point.transformation.moves_outputs else None
    return hk, drift, rate, terms


def _gradient_at(point: Point, loss: Callable[[Tree], Tree], both: tuple[object, tuple[object, ...]]) -> object:
    theta, floats = both
    return point.near(lambda at: point.f(at, point.join_inputs(floats)), theta).gradient_of(loss).value


def _hessian_generator(point: Point) -> Sides:
    hk, drift, rate, terms = _hessian_along_orbit(point)
    lhs = add(hk, drift)
    rhs = rate if rate is not None else zeros_like(lhs)
    scale = tuple(t + d for t, d in zip(terms, magnitudes(drift), strict=True))
    return (in_params(point, lhs, rhs, scale),)


def _orbit_curvature(point: Point) -> Sides:
    eta = point.k2.value
    hk, drift, rate, terms = _hessian_along_orbit(point)
    along, turned = inner(eta, hk), inner(eta, drift)
    lengths = jax.tree.map(jnp.sum, spread_out(eta, point.theta))
    size = inner(lengths, terms) + inner_magnitude(eta, drift)
    if rate is None:
        return (of_numbers(along, -turned, size),)
    tau = point.output_field(point.probe.algebra2)(point.here.value)
    push = point.loss_rate.pull(1.0 + 0 * point.loss_rate.value)
    return (of_numbers(along, inner(push, tau) - turned, size + inner_magnitude(push, tau)),)


HESSIAN_COVARIANCE = Property(
    name="hessian-covariance",
    order=2,
    statement="the Hessian at the moved parameters, pulled back on both sides, is that of the moved outputs' loss",
    formula="DKᵀ H(K_gθ) DK·u + Σᵢ ∂ᵢL(K_gθ) ∇²Kᵢ·u = ∇²(ℓ∘T_g∘f)(θ)·u",
    sides=_hessian_covariance,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    rests_on=("equivariance", "gradient-covariance"),
    source=SOURCE,
    derivation=(
        "Differentiate gradient-covariance in θ along u: H(K_gθ) moves by DK u, and DKᵀ itself by ∇²Kᵢ u.\n"
        "By the chain rule for ∇²(ℓ∘f∘K): jacobian-covariance on both sides of ∇²ℓ, model-second-order against ∇ℓ."
    ),
    consequence_of=("equivariance", "jacobian-covariance", "model-second-order"),
    empty=straight_objective,
)

MODEL_SECOND_ORDER = Property(
    name="model-second-order",
    order=2,
    statement="the model's own second derivative is carried over, whatever the loss",
    formula="D²f(Kθ)[DK u, DK v] + Df(Kθ) D²K[u, v] = D²T(f)[Ju, Jv] + DT·D²f(θ)[u, v]",
    sides=_model_second_order,
    needs=frozenset({"params", "inputs", "element", "tangent", "tangent2"}),
    rests_on=("equivariance", "jacobian-covariance"),
    source=SOURCE,
    derivation=(
        "Differentiate Df(K_gθ)·DK·v = DT(f)·Df(θ)·v, which is jacobian-covariance, in θ along u.\n"
        "The product rule gives two terms a side: of D²f and D²K on the left, of D²T and D²f on the right."
    ),
    empty=straight_model,
)

HESSIAN_GENERATOR = Property(
    name="hessian-generator",
    order=2,
    statement="the Hessian along the orbit is fixed by the gradient: flat where that or Dk vanishes, for a symmetry",
    formula="H k_ξ + ∂²L/∂θ∂x·χ_ξ + Dk_ξᵀ ∇L = Jᵀ ∇s_ξ(f)",
    sides=_hessian_generator,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model),
    rests_on=("equivariance", "noether"),
    source=SOURCE,
    derivation=(
        "Differentiate noether in θ: ∇⟨∇L, k_ξ⟩ = H k_ξ + Dk_ξᵀ ∇L, and ∇(s_ξ∘f) = Jᵀ ∇s_ξ(f).\n"
        "χ_ξ does not depend on θ, so ∇⟨∂L/∂x, χ_ξ⟩ is the mixed derivative along it."
    ),
)

ORBIT_CURVATURE = Property(
    name="orbit-curvature",
    order=2,
    statement="the curvature of the loss between two orbit directions is fixed by the gradient",
    formula="⟨k_η, H k_ξ⟩ = ⟨∇s_ξ(f), τ_η(f)⟩ − ⟨∇L, Dk_ξ k_η⟩",
    sides=_orbit_curvature,
    needs=frozenset({"params", "inputs", "algebra", "algebra2", "targets"}),
    hypotheses=(continuous, one_model, still_inputs),
    rests_on=("equivariance", "noether"),
    source=SOURCE,
    derivation=(
        "hessian-generator against k_η: ⟨k_η, H k_ξ⟩ + ⟨k_η, Dk_ξᵀ ∇L⟩ = ⟨k_η, Jᵀ ∇s_ξ(f)⟩.\n"
        "⟨k_η, Dk_ξᵀ ∇L⟩ = ⟨∇L, Dk_ξ k_η⟩, and J k_η = τ_η(f) by jacobian-generator."
    ),
    consequence_of=("jacobian-generator", "hessian-generator"),
)
