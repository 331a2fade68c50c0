"""The spectrum of the Hessian along orbits, seen from Krylov spaces: nothing of size P×P is formed."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from eqprop.engine import Tree, inner, norm, repeated, scaled
from eqprop.properties.base import PAPER, Property
from eqprop.properties.carried import form_of
from eqprop.properties.hypotheses import affine_action, elements_leaving_loss, one_model, orthogonal_elements
from eqprop.properties.numerics import depth_for, lanczos
from eqprop.properties.parts import Sides, irregular, of_numbers, only_where
from eqprop.properties.point import Point
from eqprop.properties.subgroups import LEAVING_LOSS, TURNING_ALONE

SOURCE = f"derived here; second-order constraints after {PAPER}"

POWER_STEPS = 6


def _equal_spectra(point: Point) -> Sides:
    u = point.probe.tangent
    depth = depth_for(u)
    here = lanczos(point.gradient.push, u, depth)
    there = lanczos(point.gradient_there.push, point.action.push(u), depth)
    size = jnp.max(jnp.abs(jnp.concatenate([here.diagonal, here.beside])))
    parts = (
        of_numbers(there.diagonal, here.diagonal, size, label="diagonal of Lanczos' matrix"),
        of_numbers(there.beside, here.beside, size, label="secondary diagonal"),
    )
    return only_where(here.whole & there.whole, parts)


def _inertia(point: Point) -> Sides:
    depth = depth_for(point.probe.tangent)
    here = lanczos(point.gradient.push, point.probe.tangent, depth)
    basis = here.basis
    carried = jax.vmap(point.action.push)(basis)
    lhs, there_size = form_of(point.gradient_there.push, carried)
    rhs, here_size = form_of(point.gradient.push, basis)
    return only_where(here.whole, (of_numbers(lhs, rhs, there_size + here_size, label="KᵀHK on a Krylov space"),))


def _sharpness(point: Point) -> Sides:
    """v is nearly the sharpest direction at K_gθ; w = K⁻¹v."""
    group, theta = point.transformation.group, point.action.value
    act = point.acting(point.integers(point.probe.element, point.theta))
    back = point.near(lambda at: act(group.inverse(point.probe.element), at), theta)
    product = point.gradient_there.push
    product(theta)  # once, here: first asked for in the loop it would be linearised in every round

    def turn(_: Tree, v: Tree) -> Tree:
        image = product(v)
        length = norm(image)
        return scaled(image, 1 / jnp.where(length > 0, length, 1))

    v = repeated(range(POWER_STEPS), turn, irregular(theta, point.unit))
    w = back.push(v)
    there, here = product(v), point.gradient.push(w)
    size = norm(v) * norm(there) + norm(w) * norm(here)
    return only_where(norm(there) > 0, (of_numbers(inner(v, there), inner(w, here), size, label="⟨v, H(K_gθ)v⟩"),))


EQUAL_SPECTRA = Property(
    name="equal-spectra",
    order=2,
    statement="along an orbit of orthogonal maps the Hessian keeps its spectrum: Lanczos' tridiagonal matrix, and with "
    "it every Ritz value, is the same from u at θ and from Ku at K_gθ",
    formula="KᵀK = 1, ℓ∘T = ℓ:  spec H(K_gθ) = spec H(θ)",
    sides=_equal_spectra,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(orthogonal_elements,),
    subgroup=TURNING_ALONE,
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE,
    derivation=(
        "hessian-covariance with K⁻¹ = Kᵀ: H(K_gθ) = K H(θ) Kᵀ, so the powers satisfy H(K_gθ)ⁿKu = K H(θ)ⁿu.\n"
        "Lanczos' matrix is a function of ⟨u, Hⁿu⟩; over all u these tell the spectrum."
    ),
    consequence_of=("hessian-covariance",),
    costly=True,
    reason_if_vacuous="the Krylov space ended early at every point that was drawn",
)

INERTIA = Property(
    name="inertia",
    order=2,
    statement="along an orbit of affine maps the Hessian is carried as a bilinear form: on the image of a Krylov space "
    "it has the same matrix, and so the same signature",
    formula="K affine, ℓ∘T = ℓ:  ⟨Kq_i, H(K_gθ) Kq_j⟩ = ⟨q_i, H(θ) q_j⟩",
    sides=_inertia,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(one_model, elements_leaving_loss, affine_action),
    subgroup=LEAVING_LOSS,
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE + "; Sylvester's law of inertia",
    derivation=(
        "hessian-covariance with D²K = 0: KᵀH(K_gθ)K = H(θ), in every basis.\nCongruent matrices have the same inertia."
    ),
    consequence_of=("hessian-covariance",),
    costly=True,
    reason_if_vacuous="the Krylov space ended early at every point that was drawn",
)

SHARPNESS = Property(
    name="sharpness",
    order=2,
    statement="the sharpness is no property of the function: the sharpest direction at K_gθ is as sharp as its "
    "preimage at θ, so λ_max(H(K_gθ)) ≤ ‖K⁻¹‖² λ_max(H(θ)) and not more, where that is not negative",
    formula="K affine, ℓ∘T = ℓ:  ⟨v, H(K_gθ)v⟩ = ⟨K⁻¹v, H(θ) K⁻¹v⟩,  v nearly the top eigenvector at K_gθ",
    sides=_sharpness,
    needs=frozenset({"params", "inputs", "element", "targets"}),
    hypotheses=(one_model, elements_leaving_loss, affine_action),
    subgroup=LEAVING_LOSS,
    rests_on=("equivariance", "group-laws", "hessian-covariance"),
    source=SOURCE + "; Dinh et al. 2017, arXiv 1703.04933",
    derivation=(
        "hessian-covariance with D²K = 0 along u = K⁻¹v; K_(g⁻¹) is the inverse of K_g.\n"
        "⟨w, H(θ)w⟩ ≤ λ_max(H(θ)) ‖w‖² and ‖w‖ ≤ ‖K⁻¹‖ ‖v‖ give the bound for λ_max(H(θ)) ≥ 0."
    ),
    consequence_of=("hessian-covariance", "group-laws"),
    costly=True,
    reason_if_vacuous="H vanishes at every point that was drawn",
)
