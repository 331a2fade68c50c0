"""Gauss–Newton matrix and tangent kernel: second-order objects that need only first derivatives of the model."""

from __future__ import annotations

from eqprop.engine import zeros_like
from eqprop.properties.base import PAPER, Property, Sides, in_image, in_outputs, in_params, uncancelled
from eqprop.properties.hypotheses import coisometric, continuous, one_model, still_inputs, symmetry
from eqprop.properties.point import Point
from eqprop.properties.traits import straight_loss

SOURCE = f"derived here; second-order constraints after {PAPER}"


def _covariance(point: Point) -> Sides:
    u = point.probe.tangent
    there = point.loss_near(point.there.value)
    here = point.loss_near(point.here.value)
    lhs = point.action.pull(point.there.pull(there.push(point.there.push(point.action.push(u)))))
    return (in_params(point, lhs, point.here.pull(here.push(point.here.push(u)))),)


def _null_directions(point: Point) -> Sides:
    k = point.k.value
    here = point.loss_near(point.here.value)

    def ggn(tangent: object) -> object:
        return point.here.pull(here.push(point.here.push(tangent)))

    lhs = ggn(k)
    return (in_params(point, lhs, zeros_like(lhs), uncancelled(ggn, k, point.theta)),)


def _tangent_kernel(point: Point) -> Sides:
    u, w = point.probe.tangent, point.probe.cotangent
    lhs = point.there.push(point.there.pull(w))
    rhs = point.output_action.push(point.here.push(point.here.pull(point.output_action.pull(w))))
    moved = point.action.push(u)
    return (
        in_outputs(lhs, rhs),
        in_image(point, point.action.push(point.action.pull(moved)), moved, label="DK DKᵀ = 1"),
    )


GAUSS_NEWTON_COVARIANCE = Property(
    name="gauss-newton-covariance",
    order=2,
    statement="the Gauss–Newton matrix at the moved parameters, pulled back on both sides, is the Gauss–Newton matrix",
    formula="DKᵀ GGN(K_gθ) DK·u = GGN(θ)·u,  GGN = Jᵀ ∇²ℓ J",
    sides=_covariance,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(symmetry,),
    rests_on=("equivariance", "jacobian-covariance"),
    smooth="C¹; ℓ is C²",
    source=SOURCE,
    derivation=(
        "jacobian-covariance with T = id: Df(K_gθ) DK u = J u, and DKᵀ Df(K_gθ)ᵀ w = Jᵀ w.\n"
        "f(K_gθ) = f(θ), so ∇²ℓ between the two is the same."
    ),
    consequence_of=("equivariance", "jacobian-covariance"),
    empty=straight_loss,
)

GAUSS_NEWTON_NULL = Property(
    name="gauss-newton-null",
    order=2,
    statement="every orbit direction is a null direction of the Gauss–Newton matrix, at critical points and elsewhere",
    formula="GGN(θ) k_ξ = 0",
    sides=_null_directions,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model, symmetry, still_inputs),
    rests_on=("equivariance", "jacobian-generator"),
    smooth="C¹; ℓ is C²",
    source=SOURCE,
    derivation=("J k_ξ = 0 by jacobian-generator with T = id.\nSo GGN k_ξ = Jᵀ ∇²ℓ (J k_ξ) = 0, for every loss."),
    consequence_of=("jacobian-generator",),
    empty=straight_loss,
)

TANGENT_KERNEL_COVARIANCE = Property(
    name="tangent-kernel-covariance",
    order=2,
    statement="where DK is orthogonal, or a projection to fewer parameters, the neural tangent kernel moves with the "
    "outputs (and stays, for a symmetry)",
    formula="DK DKᵀ = 1:  (J Jᵀ at K_gθ)·w = DT (J Jᵀ at θ) DTᵀ·w",
    sides=_tangent_kernel,
    needs=frozenset({"params", "inputs", "element", "tangent", "cotangent"}),
    hypotheses=(coisometric,),
    rests_on=("equivariance", "jacobian-covariance"),
    smooth="C¹",
    source=SOURCE,
    derivation=(
        "jacobian-covariance times its transpose: Df(K_gθ) DK DKᵀ Df(K_gθ)ᵀ = DT J Jᵀ DTᵀ, and DK DKᵀ = 1.\n"
        "That DK DKᵀ = 1 is seen of K, or declared; it is compared as well, along v = DK u: DK DKᵀ v = v."
    ),
)
