"""Whether a transformation is among others: what was declared among what was found, or the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import jax
import numpy as np

from eqprop.claims import Model, Transformation
from eqprop.engine import equal, numbers_context, separated_caches
from eqprop.finding.algebra import fields, orthonormal, points_for
from eqprop.finding.samples import Leaves
from eqprop.groups import DiscretePower, FixingOnes, GeneralLinear, Group, LieGroup, Orthogonal
from eqprop.probes import params_of
from eqprop.rounding import COPIES, judge, perturbed

MOST_ELEMENTS = 64
"""Simple elements of a discrete group that are compared."""

EPS = float(np.finfo(float).eps)

WITHIN = 1e-6
"""A field of length 1 that is nearer to a span lies in it."""


def covered(model: Model, some: Sequence[Transformation], among: Sequence[Transformation], seed: int = 0) -> list[bool]:
    """For each of some transformations of a model, whether it is among others, alone or together.

    A continuous one is, where its fields lie in the span of theirs. A discrete one, where each of its simple elements
    moves random parameters as one of theirs does, or where theirs are matrices on the tensors that it moves. What is
    done to an entry to which anything may be added is no matter: f does not see it.

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
        told = ~_unseen(basis, points)
        basis = basis if told.all() else orthonormal(_seen(np.vstack(spans), told))
        start = perturbed(tuple(leaf[:1] for leaf in points), COPIES, EPS, rng)
        discrete = [t for t in some if not _is_continuous(t)]
        images = [image for t in among for image in _images(model, t, start, told)] if discrete else []
        groups = [t for t in continuous if _factor(t.group) is not None] if discrete else []
        matrices = [(_moved(model, t, points), t.group) for t in groups]
        found: list[bool] = []
        for one in some:
            if _is_continuous(one):
                found.append(_spanned(_seen(fields(model, one, points, rng), told), basis))
            else:
                moved = _moved(model, one, points)
                inside = any(moved == tensors and _contains(group, one.group) for tensors, group in matrices)
                found.append(inside or _among(_images(model, one, start, told), images))
        return found


def _spanned(own: np.ndarray, basis: np.ndarray) -> bool:
    if not basis.size:
        return not np.any(np.abs(own) > WITHIN)
    rest = own - (own @ basis.T) @ basis
    return bool(np.all(np.linalg.norm(rest, axis=1) <= WITHIN * np.maximum(1.0, np.linalg.norm(own, axis=1))))


def _unseen(basis: np.ndarray, points: Leaves) -> np.ndarray:
    """The entries to which anything may be added: the field that is 1 there and 0 elsewhere lies in the span."""
    rows = len(points[0]) if points else 0
    along = (
        basis.reshape(len(basis), rows, -1).sum(1)
        if len(basis)
        else np.zeros((0, sum(leaf[0].size for leaf in points)))
    )
    return (along**2).sum(0) >= (1 - WITHIN) * rows


def _seen(rows: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Fields, at all points side by side, on the entries that are seen."""
    return rows.reshape(len(rows), -1, len(told))[..., told].reshape(len(rows), -1)


class _Image(NamedTuple):
    """Where an element takes a point, without what is unseen.

    Attributes:
        numbers: of the point moved.
        moved: which of them are others than before.
        copies: the same of the point and of its copies, which are some units in the last place away.
    """

    numbers: np.ndarray
    moved: np.ndarray
    copies: Callable[[], np.ndarray]


def _is_continuous(transformation: Transformation) -> bool:
    return isinstance(transformation.group, LieGroup) and not transformation.group.trivial


def _images(model: Model, transformation: Transformation, start: Leaves, told: np.ndarray) -> Iterator[_Image]:
    """The images of simple elements, without those that are the product of all before them."""
    group = transformation.group
    if isinstance(group, LieGroup):
        return
    point = np.concatenate([leaf[0].reshape(-1) for leaf in start])[told]
    before = group.identity()
    for element in islice(group.simple(), MOST_ELEMENTS):
        if not equal(element, before):

            def at(row: int, element: object = element) -> np.ndarray:
                return _flat(model, transformation, element, start, row)[told]

            numbers = at(0)
            yield _Image(numbers, numbers != point, lambda at=at: np.stack([at(row) for row in range(1 + COPIES)]))
        before = group.compose(before, element)


def _flat(model: Model, transformation: Transformation, element: object, points: Leaves, row: int = 0) -> np.ndarray:
    leaves = model.param_leaves
    whole = leaves.join(tuple(leaf[row] for leaf in points))
    moved = leaves.split(transformation.on_params(jax.tree.map(jax.numpy.asarray, element), whole))
    return np.concatenate([np.asarray(leaf, float).reshape(-1) for leaf in moved])


def _among(own: Iterator[_Image], images: Sequence[_Image]) -> bool:
    return all(_reached(image, images) for image in own)


def _reached(image: _Image, images: Sequence[_Image]) -> bool:
    """By one of the others, or by several that move different entries."""
    left = image.moved.copy()
    for other in images:
        if other.moved.any() and not np.any(other.moved & ~left) and _same(image, other):
            left &= ~other.moved
    return not left.any()


def _same(one: _Image, other: _Image) -> bool:
    """Where the other moves: to the bit, or within rounding floors, as two ways to the same number are."""
    at = other.moved
    if np.array_equal(one.numbers[at], other.numbers[at]):
        return True
    lhs, rhs = (image.copies()[None][..., at] for image in (one, other))
    judged = judge(lhs, rhs, np.zeros_like(lhs), np.arange(lhs.shape[-1] + 1), EPS)
    return bool(judged.floors[0] <= judged.bar.margin)


def _moved(model: Model, transformation: Transformation, points: Leaves) -> frozenset[str]:
    """The tensors that some element moves."""
    group, leaves = transformation.group, model.param_leaves
    before = np.concatenate([leaf[0].reshape(-1) for leaf in points])
    names = np.repeat(leaves.float_paths, [leaf[0].size for leaf in points])
    found: set[str] = set()
    for element in islice(group.simple(), MOST_ELEMENTS):
        found |= set(names[_flat(model, transformation, element, points) != before])
    return frozenset(found)


def _contains(matrices: Group, group: Group) -> bool:
    """Whether matrices on units contain what a discrete group does to them: all of it, or permutations alone."""
    return not isinstance(_factor(matrices), FixingOnes) or group.permutes


def _factor(group: Group) -> Group | None:
    """The group of matrices that acts on each copy; None where that is none."""
    base = group.factor if isinstance(group, DiscretePower) else group
    return base if isinstance(base, FixingOnes | GeneralLinear | Orthogonal) else None
