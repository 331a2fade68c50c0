"""Gauss–Newton matrix and tangent kernel: second-order objects that need only first derivatives of the model."""

from __future__ import annotations

from collections.abc import Callable

from eqprop.engine import Local, Tree, add, scaled, zeros_like
from eqprop.groups import Algebra
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import coisometric, continuous, moving, one_model, still_inputs
from eqprop.properties.parts import Part, Sides, in_image, in_outputs, in_params, magnitudes, uncancelled
from eqprop.properties.point import Point
from eqprop.properties.traits import straight_loss

SOURCE = f"derived here; second-order constraints after {PAPER}"


def _covariance(point: Point) -> Sides:
    u = point.probe.tangent
    there = point.loss_near(point.there.value)
    lhs = point.action.pull(point.there.pull(there.push(point.there.push(point.action.push(u)))))
    if not point.transformation.moves_outputs:
        return (in_params(point, lhs, point.here.pull(point.loss_near(point.here.value).push(point.here.push(u)))),)
    moved = point.output_action
    bent = point.loss_near(moved.value).push(moved.push(point.here.push(u)))
    return (in_params(point, lhs, point.here.pull(moved.pull(bent))),)


def _null_directions(point: Point) -> Sides:
    if not point.transformation.moves_outputs:
        return (_along(point, point.probe.algebra),)
    seen = _along(point, point.probe.algebra, lambda tau, loss: loss.push(tau.value), label="GGN k = Jᵀ∇²ℓ τ")
    part = point.traits.still.loss
    if point.pair.model.loss is None or not part.dimension:
        return (seen,)
    # ∇s = ∇²ℓ τ + Dτᵀ∇ℓ, and s = 0.
    unseen = lambda tau, loss: scaled(tau.pull(loss.value), -1.0)  # noqa: E731
    return (seen, _along(point, part.nearest(point.probe.algebra), unseen, label="GGN k = −JᵀDτᵀ∇ℓ"))


def _along(
    point: Point, algebra: Algebra, of_outputs: Callable[[Local, Local], Tree] | None = None, label: str = ""
) -> Part:
    """GGN k_ξ beside Jᵀ of what is made of τ_ξ and ∇ℓ near the outputs; beside 0 where nothing is."""
    k = point.k.value if algebra is point.probe.algebra else point.field(algebra).value
    loss = point.loss_near(point.here.value)

    def ggn(tangent: Tree) -> Tree:
        return point.here.pull(loss.push(point.here.push(tangent)))

    lhs, sizes = ggn(k), uncancelled(ggn, k, point.theta)
    if of_outputs is None:
        return in_params(point, lhs, zeros_like(lhs), sizes, label=label)
    rhs = point.here.pull(of_outputs(point.near(point.output_field(algebra), point.here.value), loss))
    return in_params(point, lhs, rhs, add(sizes, magnitudes(rhs)), label=label)


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
    statement="the Gauss–Newton matrix at the moved parameters, pulled back on both sides, is, of a symmetry, the "
    "Gauss–Newton matrix; where T moves the outputs, the one with what T makes of J and the loss's curvature there",
    formula="DKᵀ GGN(K_gθ) DK·u = (DT J)ᵀ ∇²ℓ(T_g f) DT J·u  (T = id: GGN(θ)·u),  GGN = Jᵀ ∇²ℓ J",
    sides=_covariance,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    rests_on=("equivariance", "jacobian-covariance"),
    smooth="C¹; ℓ is C²",
    source=SOURCE,
    derivation=(
        "jacobian-covariance: Df(K_gθ) DK u = DT J u, and DKᵀ Df(K_gθ)ᵀ w = Jᵀ DTᵀ w.\n"
        "f(K_gθ) = T_g f(θ), so ∇²ℓ between the two is the same."
    ),
    consequence_of=("equivariance", "jacobian-covariance"),
    empty=straight_loss,
)

GAUSS_NEWTON_NULL = Property(
    name="gauss-newton-null",
    order=2,
    statement="every orbit direction of a symmetry is a null direction of the Gauss–Newton matrix, at critical points "
    "and elsewhere; where T moves the outputs, it is taken to what the loss's curvature makes of that; and where the "
    "model's own loss does not see it, to the slope that T turns",
    formula="GGN(θ) k_ξ = Jᵀ∇²ℓ τ_ξ(f)  (T = id: 0);  s_ξ = 0: GGN(θ) k_ξ = −Jᵀ Dτ_ξᵀ ∇ℓ",
    sides=_null_directions,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model, still_inputs, moving),
    rests_on=("equivariance", "jacobian-generator"),
    smooth="C¹; ℓ is C²",
    source=SOURCE,
    derivation=(
        "jacobian-generator: J k_ξ = τ_ξ(f), so GGN k_ξ = Jᵀ∇²ℓ τ_ξ(f), which is 0 for every loss where T = id.\n"
        "s_ξ = ⟨∇ℓ, τ_ξ⟩ = 0 for all outputs: its gradient ∇²ℓ τ_ξ + Dτ_ξᵀ∇ℓ vanishes."
    ),
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
