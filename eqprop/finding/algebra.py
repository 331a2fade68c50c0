"""The algebra that is spanned by what was found, as vector fields on the parameters: k_ξ(θ) for random ξ and θ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from eqprop.claims import Model, Transformation
from eqprop.engine import each, generator
from eqprop.finding.found import Found
from eqprop.finding.samples import Leaves
from eqprop.groups import DiscretePower, Group, LieGroup
from eqprop.probes import params_of

FEWEST, MOST = 2, 16
"""Points at which fields are compared."""

RANK = 1e-7
"""Singular values below this part of a field's length are zero."""

MOST_NUMBERS = 1 << 25
"""Of all fields together. Beyond it dimensions are added up group by group, and no rank is taken."""

MATRICES = ("linear", "orthogonal", "complex")

MOST_CHARGES = 150
"""Beyond so many dimensions charges are not counted: it takes pairs of fields at many points."""

Fields = Float[np.ndarray, "fields numbers"]


class Algebra(NamedTuple):
    """What the continuous symmetries span.

    Attributes:
        kept: the findings that are not contained in larger ones, each with the number of dimensions that it adds.
        dimension: of the span of all fields.
        rank: of the fields at a generic point: the dimension of an orbit; None where fields are too large to look at.
        charges: how many independent conserved quantities gradient flow has from them: the rank of the fields that are
            gradients themselves, ∇Q = k; None where there are too many to count.
    """

    kept: tuple[tuple[Found, int], ...]
    dimension: int
    rank: int | None
    charges: int | None


def algebra(
    model: Model, found: Sequence[Found], rng: np.random.Generator, preferred: Callable[[Found], bool] = bool
) -> Algebra:
    """Count what is found, the largest first, and leave out what they contain.

    Args:
        model: whose symmetries they are.
        found: continuous ones.
        rng: of the points and of the algebras' elements.
        preferred: which of two that contain each other is kept.
    """
    count = points_for(model, [one.transformation for one in found])
    if model.param_leaves.size * count * sum(_numbers(one.transformation.group) for one in found) > MOST_NUMBERS:
        return _by_size(found)
    points = params_of(model, "gaussian", rng, count)
    spans = [(one, fields(model, one.transformation, points, rng)) for one in found]
    spans = sorted(
        ((one, orthonormal(own), own) for one, own in spans), key=lambda item: (-len(item[1]), -preferred(item[0]))
    )
    basis: Fields = np.zeros((0, sum(leaf[0].size for leaf in points) * count))
    kept: list[tuple[Found, int]] = []
    for one, own, _ in spans:
        rest = orthonormal(own - (own @ basis.T) @ basis)
        if len(rest):
            kept.append((one, len(rest)))
            basis = np.vstack([basis, rest])
    at_first = basis[:, : basis.shape[1] // count]
    return Algebra(tuple(kept), len(basis), _rank(at_first), _charges(model, [one for one, _ in kept], len(basis), rng))


def points_for(model: Model, transformations: Sequence[Transformation]) -> int:
    """How many random points tell all fields apart.

    Of a matrix A with n columns W ↦ A W shows what W spans, which may be narrower than n: then several W are needed.
    The largest tensor says how many, three times over, because it may be moved in parts.
    """
    largest = max((int(np.prod(shape)) for shape in model.param_leaves.float_shapes), default=1)
    needed = [FEWEST]
    for transformation in transformations:
        group = transformation.group
        copies, size = (group.count, group.factor.size) if isinstance(group, DiscretePower) else (1, group.size)
        needed.append(-(-3 * copies * (size or 1) ** 2 // largest))
    return min(MOST, max(needed))


def _numbers(group: Group) -> int:
    """How many numbers an element of the algebra has."""
    assert isinstance(group, LieGroup), "what has no algebra is not continuous"
    return sum(np.size(leaf) for leaf in jax.tree.leaves(group.zero()))


def _by_size(found: Sequence[Found]) -> Algebra:
    """Dimensions added up, where fields are too many: scalings on the tensors of a group of matrices are contained.

    So are those of whole tensors, as far as anybody knows: each is one dimension at most.
    """
    matrices = {one.tensors for one in found if one.kind in MATRICES}
    others = [one for one in found if one.kind not in MATRICES and one.tensors not in matrices]
    kept = [*(one for one in found if one.kind in MATRICES), *(one for one in others if one.kind != "whole")]
    sizes = [_dimension(one) for one in kept]
    return Algebra(tuple(zip(kept, sizes, strict=True)), sum(sizes), None, None)


def _dimension(found: Found) -> int:
    numbers, n = _numbers(found.transformation.group), found.units
    turned = {"orthogonal": n, "fixing": n - 1}.get(found.kind)
    return numbers if turned is None else numbers * turned * (turned - 1) // (2 * n * n)


def fields(model: Model, transformation: Transformation, points: Leaves, rng: np.random.Generator) -> Fields:
    """k_ξ for as many random ξ as the algebra has numbers, at all points side by side."""
    group, leaves = transformation.group, model.param_leaves
    assert isinstance(group, LieGroup), "what has no algebra is not continuous"
    count = max(1, _numbers(group))
    elements = group.sample_algebra_many(rng, count)
    rows = len(points[0]) if points else 0

    def field(element: object, at: Leaves) -> object:
        def move(g: object, floats: Leaves) -> object:
            return leaves.split(transformation.on_params(g, leaves.join(floats)))

        identity = jax.tree.map(jnp.asarray, group.identity())
        return generator(move, identity, group.tangent(element))(at)

    repeated = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf), rows, 0), elements)
    tiled = tuple(np.tile(leaf, (count, *(1 for _ in leaf.shape[1:]))) for leaf in points)
    moved = each("the generator", field, repeated, tiled)
    flat = np.concatenate([np.asarray(leaf, float).reshape(count * rows, -1) for leaf in moved], 1)
    return flat.reshape(count, -1)


def orthonormal(rows: Fields) -> Fields:
    """An orthonormal basis of what rows of about unit length span."""
    lengths = np.linalg.norm(rows, axis=1)
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    return vectors[values > RANK * max(1.0, lengths.max(initial=0.0))]


def _rank(rows: Fields) -> int:
    return int(np.linalg.matrix_rank(rows, tol=RANK)) if rows.size else 0


def _charges(model: Model, kept: Sequence[Found], dimension: int, rng: np.random.Generator) -> int | None:
    """How many combinations of fields are gradients, ⟨u, Dk v⟩ = ⟨v, Dk u⟩, counted by their rank at a point.

    Fields of affine actions are affine, so that Dk v = k(v) − k(0).
    """
    if dimension > MOST_CHARGES:
        return None
    if not dimension:
        return 0
    count = 3 + int(np.ceil(np.sqrt(2 * dimension)))
    size = model.param_leaves.float_shapes
    vectors = tuple(rng.standard_normal((count, *shape)) for shape in size)
    origin = tuple(np.concatenate([np.zeros((1, *leaf.shape[1:])), leaf]) for leaf in vectors)
    values = [fields(model, one.transformation, origin, rng) for one in kept]
    along = np.concatenate(values).reshape(-1, count + 1, sum(map(_size, size)))
    independent = _independent(along.reshape(len(along), -1))
    along = np.einsum("bf,fvp->bvp", independent, along)
    slopes = along[:, 1:] - along[:, :1]
    flat = np.concatenate([leaf.reshape(count, -1) for leaf in vectors], 1)
    products = np.einsum("up,bvp->buv", flat, slopes)
    skew = (products - np.swapaxes(products, 1, 2))[:, *np.triu_indices(count, 1)]
    combinations, values_of, _ = np.linalg.svd(skew, full_matrices=True)
    null = combinations[:, int((values_of > RANK * max(1.0, np.abs(products).max())).sum()) :].T
    return _rank(null @ along[:, 1])


def _independent(rows: np.ndarray) -> np.ndarray:
    """Combinations of rows that are orthonormal and span what they span."""
    left, values, _ = np.linalg.svd(rows, full_matrices=False)
    used = values > RANK * max(1.0, values.max(initial=0.0))
    return (left[:, used] / values[used]).T


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))
