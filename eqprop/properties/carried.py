"""What an affine K carries of the Hessian's signs and of its volume, also from one model into another.

Seen on a Krylov space of H(θ) that begins in its range, with basis q_1 … q_d: the counts and the determinants are those
of small symmetric matrices, by elimination. Nothing of size P×P is formed.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Tree
from eqprop.properties.base import Property
from eqprop.properties.hypotheses import affine_action, elements_leaving_loss, still_loss, stretching, two_models
from eqprop.properties.numerics import Lanczos, depth_for, eliminated, lanczos, orthonormalising
from eqprop.properties.parts import Sides, of_numbers, only_where
from eqprop.properties.point import Point
from eqprop.properties.subgroups import LEAVING_LOSS

SOURCE = "derived here"
NOWHERE = "the Krylov space ended early at every point that was drawn"


def _space(point: Point) -> Lanczos:
    """From Hu, so that no direction of it is one that H does not see."""
    start = point.gradient.push(point.probe.tangent)
    return lanczos(point.gradient.push, start, depth_for(start))


def _space_of(point: Point) -> Lanczos:
    return point.once("krylov space in the range", lambda: _space(point))


def form_of(product: Callable[[Tree], Tree], basis: Tree) -> tuple[Array, Array]:
    """The matrix ⟨q_i, H q_j⟩ over the rows of a stacked tree, and the size of the terms in its entries."""
    given, images = _leaf_rows(basis), _leaf_rows(jax.vmap(product)(basis))
    form = sum((a @ b.T for a, b in zip(given[1:], images[1:], strict=True)), given[0] @ images[0].T)
    return form, _longest(given) * _longest(images)


def _leaf_rows(stacked: Tree) -> list[Array]:
    """Each leaf as a matrix, a row of the tree in each of its rows."""
    return [leaf.reshape((leaf.shape[0], -1)) for leaf in jax.tree.leaves(stacked)]


def _longest(leaves: list[Array]) -> Array:
    """The norm of the longest row over all leaves."""
    squares = [jnp.sum(leaf * leaf, axis=1) for leaf in leaves]
    return jnp.sqrt(jnp.max(sum(squares[1:], squares[0])))


def _counts(form: Array) -> Array:
    """How many eigenvalues are positive, and how many negative, by Sylvester's law: the signs of the pivots."""
    pivots = eliminated(form)[1]
    return jnp.stack([jnp.sum(jnp.where(pivots > 0, 1.0, 0.0)), jnp.sum(jnp.where(pivots < 0, 1.0, 0.0))])


def _carried_inertia(point: Point) -> Sides:
    here = _space_of(point)
    (lhs, there_size), (rhs, here_size) = (
        form_of(point.gradient_there.push, jax.vmap(point.action.push)(here.basis)),
        form_of(point.gradient.push, here.basis),
    )
    counted = of_numbers(_counts(lhs), _counts(rhs), 0 * here_size, label="n₊ and n₋ on a Krylov space, counted")
    form = of_numbers(lhs, rhs, there_size + here_size, label="KᵀH′K on a Krylov space")
    return only_where(here.whole & jnp.all(eliminated(rhs)[1] != 0), (form, counted))


def _volume(point: Point) -> Sides:
    """H′ is evaluated along an orthonormal basis of the image, and not along K q_j."""
    here, push = _space_of(point), point.action.push
    carried = jax.vmap(push)(here.basis)
    gram = form_of(lambda q: q, carried)[0]
    lengths, weights = eliminated(gram)[1], orthonormalising(gram)
    basis = jax.tree.map(lambda leaf: jnp.tensordot(weights.astype(leaf.dtype), leaf, 1), carried)
    there = eliminated(form_of(point.gradient_there.push, basis)[0])[1]
    pivots = eliminated(form_of(point.gradient.push, here.basis)[0])[1]
    met = here.whole & jnp.all(pivots != 0) & jnp.all(there != 0) & jnp.all(lengths > 0)
    logs = [jnp.log(jnp.where(met, jnp.abs(of), 1)) for of in (there, pivots, lengths)]
    size = sum(jnp.sum(jnp.abs(of)) for of in logs)
    there_log, here_log, stretch = (jnp.sum(of) for of in logs)
    return only_where(met, (of_numbers(there_log, here_log - stretch, size, label="log|det H′| on the image"),))


CARRIED_INERTIA = Property(
    name="carried-inertia",
    order=2,
    statement="of a conversion by an affine map the target's Hessian has at least as many positive, and as many "
    "negative, eigenvalues as the source's: on the image of a Krylov space it has the same matrix, and as many of "
    "each sign, which are counted",
    formula="K affine, ℓ∘T = ℓ:  H(θ) = KᵀH′(Kθ)K,  n₊(H) ≤ n₊(H′),  n₋(H) ≤ n₋(H′)",
    sides=_carried_inertia,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(two_models, still_loss, affine_action),
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE + "; Sylvester's law of inertia, Cauchy's interlacing",
    derivation=(
        "hessian-covariance with D²K = 0: H = KᵀH′K. Where H is positive on a space so is H′ on its image, as large\n"
        "a space, for ⟨Ku, H′Ku⟩ > 0 forbids Ku = 0; likewise where it is negative. H′ may have more of either sign."
    ),
    consequence_of=("hessian-covariance",),
    costly=True,
    reason_if_vacuous=NOWHERE,
)

VOLUME = Property(
    name="volume",
    order=2,
    statement="the volume that the Hessian measures is no property of the function: an affine map that stretches the "
    "parameters changes the determinant by its own, on a Krylov space and its image, seen in orthonormal bases",
    formula="K affine, ℓ∘T = ℓ:  log|det H′(Kθ)| = log|det H(θ)| − 2 log|det DK|,  "
    "on a span: |det DK|² = det⟨Kq_i, Kq_j⟩",
    sides=_volume,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(elements_leaving_loss, affine_action, stretching),
    subgroup=LEAVING_LOSS,
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE + "; volumes of minima: Dinh et al. 2017, arXiv 1703.04933",
    derivation=(
        "hessian-covariance with D²K = 0: QᵀHQ = (KQ)ᵀH′(KQ). With KQ = Q′R, Q′ orthonormal, it is Rᵀ(Q′ᵀH′Q′)R, of\n"
        "determinant det(R)² det(Q′ᵀH′Q′), det(R)² = det (KQ)ᵀKQ; where Q is square that is det(DK)²."
    ),
    consequence_of=("hessian-covariance",),
    costly=True,
    reason_if_vacuous=NOWHERE,
)
