"""Tensors, or entries of one along an axis, of which only a sum is seen: what reads a unit and its copy, two kernels.

f is a function of a sum alone where the gradients of its terms are proportional, at all points, entry by entry. Lines
are matched by two random sums of their gradients, not each with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from eqprop.finding.found import Found
from eqprop.finding.moments import DENOMINATORS, Terms
from eqprop.finding.samples import Leaves
from eqprop.finding.scalings import plain
from eqprop.finding.subject import Subject
from eqprop.finding.writing import Call

MATCH = 1e-7
"""Quotients of random sums that differ by less, relative to themselves, are compared entry by entry."""


class Line(NamedTuple):
    """Entries of a leaf, along an axis of it or without one the whole leaf."""

    leaf: int
    axis: int
    start: int
    stop: int


class Twins(NamedTuple):
    """Two lines of the same shape, with g = c g of the first and the second."""

    one: Line
    other: Line
    number: float


def copies(subject: Subject) -> Iterator[Found]:
    """Shifts of one against the other, entry by entry."""
    for one, other, number in _all_twins(subject):
        width = int(np.prod(_rows(subject.points.gradients, one).shape[1:], dtype=int))
        shifts = {1: {_key(subject, one): None}, plain(-number): {_key(subject, other): None}}
        if number == -1:
            shifts = {1: {_key(subject, line): None for line in (one, other)}}
        blocks = [block for block in subject.blocks if block.leaf in (one.leaf, other.leaf)]
        text = f"R^{width}, joint, times 1, {-number:g}"
        yield subject.found("joint", text, blocks, width, Call("joint_shift", (width, shifts), {}))


def _all_twins(subject: Subject) -> Iterator[Twins]:
    idle = {block.leaf for block in subject.idle}
    seen = [leaf for leaf, shape in enumerate(subject.shapes) if leaf not in idle and shape and np.prod(shape)]
    for alike in subject.by_shape.values():
        yield from _twins(subject, [Line(leaf, -1, 0, 0) for leaf in alike if leaf in seen])
    for leaf in seen:
        for axis, size in enumerate(subject.shapes[leaf]):
            yield from _side_by_side(_twins(subject, [Line(leaf, axis, i, i + 1) for i in range(size)]))


def _twins(subject: Subject, lines: Sequence[Line]) -> Iterator[Twins]:
    """Each line with the first one that it is a copy of."""
    if len(lines) < 2:
        return
    sums = _sums(subject.points.gradients, lines)
    quotients = np.divide(sums[1], sums[0], out=np.full(len(lines), np.nan), where=sums[0] != 0)
    near: list[int] = []
    for i in (int(i) for i in np.argsort(quotients) if np.isfinite(quotients[i])):
        near = [j for j in near if quotients[i] - quotients[j] <= MATCH * abs(quotients[i])]
        for j in near:
            one, other = sorted((i, j))
            twins = Twins(lines[one], lines[other], _simple(sums[0, one] / sums[0, other]))
            if _proportional(subject, twins):
                yield twins
                break
        else:
            near.append(i)


def _sums(gradients: Leaves, lines: Sequence[Line]) -> Float[np.ndarray, "2 lines"]:
    """Two random sums of the gradient of each line, over all points."""
    first = _rows(gradients, lines[0])
    weights = np.random.default_rng(0).standard_normal((2, *first.shape))
    axes = range(1, weights.ndim)
    if lines[0].axis < 0:
        return np.stack([np.tensordot(weights, gradients[line.leaf], (axes, range(first.ndim))) for line in lines], 1)
    at = lines[0].axis + 1
    others = [axis for axis in range(first.ndim) if axis != at]
    return np.tensordot(weights.squeeze(at + 1), gradients[lines[0].leaf], (axes[:-1], others))


def _simple(number: float) -> float:
    """The nearest simple fraction: what is a sum of two things by construction has such weights."""
    return float(np.round(number * DENOMINATORS) / DENOMINATORS)


def _proportional(subject: Subject, twins: Twins) -> bool:
    one, other, number = twins
    if not number:
        return False
    for gradients in (subject.points.gradients, subject.held_out.gradients):
        g, h = _rows(gradients, one), number * _rows(gradients, other)
        if not Terms(g - h, np.abs(g) + np.abs(h)).vanishes.all():
            return False
    return True


def _rows(leaves: Leaves, line: Line) -> np.ndarray:
    leaf = leaves[line.leaf]
    return leaf if line.axis < 0 else leaf[(slice(None),) * (line.axis + 1) + (slice(line.start, line.stop),)]


def _side_by_side(twins: Iterable[Twins]) -> list[Twins]:
    """Neighbours whose copies are neighbours, as one line each."""
    found: list[Twins] = []
    for one, other, number in sorted(twins):
        if found:
            before, its, same = found[-1]
            if same == number and (before.stop, its.stop) == (one.start, other.start) and before.start != its.stop:
                found[-1] = Twins(before._replace(stop=one.stop), its._replace(stop=other.stop), number)
                continue
        found.append(Twins(one, other, number))
    return found


def _key(subject: Subject, line: Line) -> str:
    path = subject.paths[line.leaf]
    return path if line.axis < 0 else f"{path}[{', '.join([*[':'] * line.axis, f'{line.start}:{line.stop}'])}]"
