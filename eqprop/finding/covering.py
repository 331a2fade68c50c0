"""Whether a transformation is among others: what was declared among what was found, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import jax
import numpy as np

from eqprop.claims import Model, Transformation
from eqprop.engine import equal, numbers_context, separated_caches
from eqprop.finding.algebra import fields, orthonormal, points_for
from eqprop.finding.samples import Leaves
from eqprop.groups import DiscretePower, GeneralLinear, Group, LieGroup, Orthogonal
from eqprop.probes import params_of

MOST_ELEMENTS = 64
"""Simple elements of a discrete group that are compared."""

WITHIN = 1e-6
"""A field of length 1 that is nearer to a span lies in it."""

SAME = 1e-12
"""Images of a point under one element, which two declarations reach by other operations, differ by a few units in the
last place; those under different elements by parts of the point's own size."""


def covered(model: Model, some: Sequence[Transformation], among: Sequence[Transformation], seed: int = 0) -> list[bool]:
    """For each of some transformations of a model, whether it is among others, alone or together.

    A continuous one is, where its fields lie in the span of theirs. A discrete one, where each of its simple elements
    moves random parameters as one of theirs does, or where theirs are matrices on the tensors that it moves.

    Args:
        model: whose parameters they move.
        some: those that are asked about.
        among: the others.
        seed: of the points.
    """
    rng = np.random.default_rng(seed)
    with separated_caches("float64"), numbers_context("float64"):
        points = params_of(model, "gaussian", rng, points_for(model, [*some, *among]))
        continuous = [t for t in among if isinstance(t.group, LieGroup)]
        spans = [fields(model, t, points, rng) for t in continuous]
        basis = orthonormal(np.vstack(spans)) if spans else np.zeros((0, 0))
        images = [image for t in among for image in _images(model, t, points)]
        matrices = [_moved(model, t, points) for t in continuous if _is_matrix_group(t.group)]
        found: list[bool] = []
        for one in some:
            if isinstance(one.group, LieGroup) and not one.group.trivial:
                found.append(_spanned(fields(model, one, points, rng), basis))
            else:
                moved = _moved(model, one, points)
                found.append(moved in matrices or _among(_images(model, one, points), images))
        return found


def _spanned(own: np.ndarray, basis: np.ndarray) -> bool:
    if not basis.size:
        return not np.any(np.abs(own) > WITHIN)
    rest = own - (own @ basis.T) @ basis
    return bool(np.all(np.linalg.norm(rest, axis=1) <= WITHIN * np.maximum(1.0, np.linalg.norm(own, axis=1))))


def _images(model: Model, transformation: Transformation, points: Leaves) -> Iterator[np.ndarray]:
    """Where simple elements take the first point, without those that are the product of all before them."""
    group = transformation.group
    if isinstance(group, LieGroup):
        return
    before = group.identity()
    for element in islice(group.simple(), MOST_ELEMENTS):
        if not equal(element, before):
            yield _flat(model, transformation, element, points)
        before = group.compose(before, element)


def _flat(model: Model, transformation: Transformation, element: object, points: Leaves) -> np.ndarray:
    leaves = model.param_leaves
    whole = leaves.join(tuple(leaf[0] for leaf in points))
    moved = leaves.split(transformation.on_params(jax.tree.map(jax.numpy.asarray, element), whole))
    return np.concatenate([np.asarray(leaf, float).reshape(-1) for leaf in moved])


def _among(own: Iterator[np.ndarray], images: Sequence[np.ndarray]) -> bool:
    return all(any(np.allclose(image, other, rtol=SAME, atol=SAME) for other in images) for image in own)


def _moved(model: Model, transformation: Transformation, points: Leaves) -> frozenset[str]:
    """The tensors that some element moves."""
    group, leaves = transformation.group, model.param_leaves
    before = np.concatenate([leaf[0].reshape(-1) for leaf in points])
    names = np.repeat(leaves.float_paths, [leaf[0].size for leaf in points])
    found: set[str] = set()
    for element in islice(group.simple(), MOST_ELEMENTS):
        found |= set(names[_flat(model, transformation, element, points) != before])
    return frozenset(found)


def _is_matrix_group(group: Group) -> bool:
    base = group.factor if isinstance(group, DiscretePower) else group
    return isinstance(base, GeneralLinear | Orthogonal)
