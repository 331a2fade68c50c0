"""Points that a finite group of transformations leaves where they are: what the model does not see near them.

The group S may be all permutations of a few units, a ring of shifts, signs, or products of these; the point is the mean
of K_gθ over S. P₁, the mean of the K_g, projects to what S fixes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Local, Tree, inner, inner_magnitude, subtract, zeros_like
from eqprop.properties.base import Property
from eqprop.properties.consequences import form_size
from eqprop.properties.hypotheses import (
    finite_subgroup,
    keeps_integers,
    one_model,
    orthogonal_action,
    still_inputs,
    still_loss,
    symmetry,
)
from eqprop.properties.parts import (
    GOLDEN_ANGLE,
    Sides,
    in_outputs,
    in_params,
    irregular,
    largest_of,
    magnitudes,
    of_numbers,
    uncancelled,
)
from eqprop.properties.point import Point
from eqprop.properties.traits import Stabiliser, stabiliser_of

SOURCE = "derived here by Schur's lemma; Ziyin 2024, arXiv 2309.16932; Ziyin et al. 2024, arXiv 2408.15495"
HYPOTHESES = (one_model, still_inputs, finite_subgroup, orthogonal_action, keeps_integers)


class _Fixed:
    """The nearest point that S fixes, the K_g there, and f and ∇L near it."""

    def __init__(self, point: Point) -> None:
        found = stabiliser_of(point.pair)
        assert found is not None, "the property has the hypothesis 'finite_subgroup'"
        self.stabiliser: Stabiliser = found
        elements = jax.tree.map(jnp.asarray, found.elements)
        images = jax.vmap(lambda g: point.act(g, point.theta))(elements)
        self.theta: Tree = jax.tree.map(lambda leaf: jnp.mean(leaf, 0), images)
        # All K_gθ, stacked: linear in a tangent of θ, as K is affine.
        self.action: Local = point.near(lambda theta: jax.vmap(lambda g: point.act(g, theta))(elements), self.theta)
        self.f: Local = point.near(point.here.function, self.theta)
        self.gradient: Local = point.near(point.gradient.function, self.theta)

    def weighted(self, u: Tree, weights: Array) -> Tree:
        """Σ c_g K_g u."""
        return jax.tree.map(lambda leaf: jnp.tensordot(weights.astype(leaf.dtype), leaf, 1), self.action.push(u))

    def kept(self, u: Tree) -> Tree:
        """P₁u."""
        return jax.tree.map(lambda leaf: jnp.mean(leaf, 0), self.action.push(u))


def _fixed(point: Point) -> _Fixed:
    return point.once("fixed by a finite group", lambda: _Fixed(point))


def _fixed_jacobian(point: Point) -> Sides:
    m, u, w = _fixed(point), point.probe.tangent, point.probe.cotangent
    away = subtract(u, m.kept(u))
    pushed, pulled = m.f.push(away), m.f.pull(w)
    bent = m.f.against(point.loss_near(m.f.value).value).push(away)
    image = m.gradient.push(away)
    return (
        in_outputs(pushed, zeros_like(pushed), uncancelled(m.f.push, away, m.theta), label="J(1 − P₁)u"),
        in_params(point, m.kept(pulled), pulled, largest_of(magnitudes(pulled)), label="P₁Jᵀw"),
        in_params(point, image, bent, uncancelled(m.gradient.push, away, m.theta), label="H(1 − P₁)u"),
    )


def _isotypic_blocks(point: Point) -> Sides:
    """Z = Σ c_g K_g with c one irregular number for each class: another eigenvalue on each isotypic component."""
    m, u, product = _fixed(point), point.probe.tangent, _fixed(point).gradient.push
    weights = np.cos(GOLDEN_ANGLE * (1 + m.stabiliser.classes)) / np.sqrt(m.stabiliser.order)
    image, size = product(u), largest_of(uncancelled(product, u, m.theta))
    turned = product(m.weighted(u, weights))
    v, away = m.kept(irregular(m.theta, point.unit)), subtract(u, m.kept(u))
    across = product(away)
    sizes = uncancelled(product, away, m.theta)
    return (
        in_params(point, turned, m.weighted(image, weights), size * np.abs(weights).sum(), label="HZ = ZH"),
        of_numbers(inner(v, across), 0 * size, form_size(v, sizes) + inner_magnitude(v, across), label="P₁H(1 − P₁)"),
    )


FIXED_JACOBIAN = Property(
    name="fixed-jacobian",
    order=2,
    statement="at a point that a finite group S fixes the outputs move at first order with what S fixes only: the "
    "ranks of J, of the tangent kernel and of the Gauss–Newton matrix are at most dim Fix(S), and off it H is the "
    "curvature of the outputs alone",
    formula="K_gθ = θ for all g ∈ S, P₁ = Σ K_g/|S|:  J(1 − P₁) = 0,  P₁Jᵀ = Jᵀ,  H(1 − P₁) = Σ_o ∂_oℓ ∇²f_o (1 − P₁)",
    sides=_fixed_jacobian,
    needs=frozenset({"params", "inputs", "tangent", "cotangent", "targets"}),
    hypotheses=(symmetry, *HYPOTHESES),
    rests_on=("equivariance", "jacobian-covariance"),
    source=SOURCE,
    derivation=(
        "jacobian-covariance at K_gθ = θ with T = id: J K_g = J for all g, so J P₁ = J; P₁ = P₁ᵀ for orthogonal K.\n"
        "rank J ≤ rank P₁ = dim Fix(S), and so for JJᵀ and Jᵀ∇²ℓJ; H = Jᵀ∇²ℓJ + Σ_o ∂_oℓ ∇²f_o, the first 0 off it."
    ),
    consequence_of=("jacobian-covariance", "hessian-covariance"),
    costly=True,
)

ISOTYPIC_BLOCKS = Property(
    name="isotypic-blocks",
    order=2,
    statement="at a point that a finite group fixes the Hessian is block diagonal over the isotypic components of the "
    "group, not only over what it fixes and what it reverses",
    formula="K_gθ = θ for all g ∈ S:  P_χ H P_ψ = 0 for χ ≠ ψ;  HZ u = ZH u for Z = Σ c_g K_g, c one number a class",
    sides=_isotypic_blocks,
    needs=frozenset({"params", "inputs", "tangent", "targets"}),
    hypotheses=(still_loss, *HYPOTHESES),
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE,
    derivation=(
        "hessian-covariance at K_gθ = θ, K⁻¹ = Kᵀ: HK_g = K_gH. On the component of χ Z is the number Σ c_g χ(g)/d_χ\n"
        "(Schur), another one for each χ, as characters are independent: HZ = ZH says that H maps each to itself."
    ),
    consequence_of=("hessian-covariance",),
    costly=True,
)
