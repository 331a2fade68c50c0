"""What may be added: the same along an axis, anything where no gradient is, and biases that others absorb."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.matrices import FEW
from eqprop.finding.moments import Terms, null_space, view
from eqprop.finding.samples import Points
from eqprop.finding.scalings import HELD, plain
from eqprop.finding.subject import Subject
from eqprop.finding.writing import EXAMPLE, Call, Unwritable


def free_tensors(subject: Subject) -> Iterator[Found]:
    """Tensors, or parts of them, of which the outputs see nothing at any point."""
    idle = [block for block in subject.idle if block.positions.size]
    for leaf, path in enumerate(subject.paths):
        own = [block for block in idle if block.leaf == leaf]
        if not own:
            continue
        keys = [path]
        if not _idle(subject, leaf):
            keys = [key for block in own for key in subject.axes([Occurrence(block, 0, 1)])]
        size = sum(block.positions.size for block in own)
        call = Call("translations", (EXAMPLE, dict.fromkeys(keys)), {})
        yield subject.found("unseen", f"R^{size}", own, size, call)


def shifts_along(subject: Subject, occurrence: Occurrence) -> bool:
    """Whether the same may be added to all units of a tensor: the gradient sums to zero along their axis."""
    block = occurrence.block
    if block.positions.shape[occurrence.place] < 2:
        return False
    looks = (subject.points.rows(0, FEW), subject.points, subject.held_out)
    return all(_sums_vanish(points, occurrence) for points in looks)


def _sums_vanish(points: Points, occurrence: Occurrence) -> bool:
    gradients = view(points.gradients, occurrence)
    return bool(Terms(gradients.sum(2), np.abs(gradients).sum(2)).vanishes.all())


def shift_group(subject: Subject, occurrence: Occurrence) -> Found:
    """The finding.

    Raises:
        Unwritable: where the units are not the last of the axes that a tensor's axis is made of.
    """
    block, place = occurrence.block, occurrence.place
    axes: dict[str, object] = {}
    at = place
    for number, span in enumerate(block.spans):
        if at < len(span.factors):
            if at != len(span.factors) - 1:
                raise Unwritable
            parts = int(np.prod(span.entries.shape[:-1], dtype=int))
            axes = dict.fromkeys(subject.axes([occurrence]), number if parts == 1 else (number, parts))
            break
        at -= len(span.factors)
    size = block.positions.size // block.positions.shape[place]
    text = f"R^{size}, the same along {block.positions.shape[place]}"
    return subject.found(
        "shift", text, [block], block.positions.shape[place], Call("translations", (EXAMPLE, axes), {})
    )


def joint_shifts(subject: Subject, interface: Interface) -> Iterator[Found]:
    """What may be added to several tensors at once, each with a number of its own: Σ c g vanishes for each unit.

    Raises:
        Unwritable: as ``Subject.call``.
    """
    told = [o for o in interface.occurrences if not shifts_along(subject, o)]
    for numbers in null_space([_sum_for_each(subject.points, o) for o in told]) if len(told) > 1 else ():
        moved = [(o, plain(c)) for o, c in zip(told, numbers, strict=True) if c]
        held = [_sum_for_each(subject.held_out, o) for o, _ in moved]
        total = sum(c * terms.total for (_, c), terms in zip(moved, held, strict=True))
        size = sum(abs(c) * terms.size for (_, c), terms in zip(moved, held, strict=True))
        if len(moved) > 1 and np.all(np.abs(total) <= HELD * size):
            roles: dict[float, list[Occurrence]] = {}
            for occurrence, c in sorted(moved, key=lambda item: -item[1]):
                roles.setdefault(c, []).append(occurrence)
            shifts = {c: subject.axes(given) for c, given in roles.items()}
            text = f"R^{interface.size}, joint, times {', '.join(f'{c:g}' for c in roles)}"
            call = Call("joint_shift", (interface.size, shifts), {})
            yield subject.found("joint", text, [o.block for o, _ in moved], interface.size, call)


def _sum_for_each(points: Points, occurrence: Occurrence) -> Terms:
    gradients = view(points.gradients, occurrence)
    return Terms(gradients.sum((1, 3)), np.abs(gradients).sum((1, 3)))


Reader = tuple[int, tuple[int, ...], int]
"""A tensor, its axes of the units, and the bias behind it."""


def bias_shifts(subject: Subject) -> Iterator[Found]:
    """Biases b whose gradient is that of the biases behind the tensors that read them: g_b = Σ R g_c."""
    for bias, shape in enumerate(subject.shapes):
        readers = list(_readers(subject, bias)) if 0 < len(shape) < 3 and not _idle(subject, bias) else []
        if not readers:
            continue
        columns = [_column(subject.points, bias, None), *(_column(subject.points, bias, r) for r in readers)]
        for combination in null_space(columns):
            weights = combination[1:] / combination[0] if combination[0] else combination[1:]
            used = [r for r, weight in zip(readers, weights, strict=True) if weight]
            reads = {subject.paths[r]: (axes[0] if len(axes) == 1 else axes, subject.paths[c]) for r, axes, c in used}
            if not (combination[0] and used and np.all(np.isin(weights, (0, -1))) and len(reads) == len(used)):
                continue
            if _absorbed(subject.held_out, bias, used):
                width = int(np.prod(shape))
                call = Call("bias_shift", (width,), {"bias": subject.paths[bias], "reads": reads})
                moved = [block for block in subject.blocks if block.leaf in {bias, *(c for _, _, c in used)}]
                yield subject.found("bias", f"R^{width}, into the next bias", moved, width, call)


def _idle(subject: Subject, leaf: int) -> bool:
    return all(block in subject.idle for block in subject.blocks if block.leaf == leaf)


def _readers(subject: Subject, bias: int) -> Iterator[Reader]:
    """Tensors with axes as a bias has them, and biases of the shape that is left."""
    units, places = subject.shapes[bias], subject.by_shape
    for reader, shape in enumerate(subject.shapes):
        if reader == bias or len(shape) <= len(units):
            continue
        for first in range(len(shape) - len(units) + 1):
            last = first + len(units)
            if shape[first:last] == units:
                behind = places.get((*shape[:first], *shape[last:]), ())
                yield from (
                    (reader, tuple(range(first, last)), after) for after in behind if after not in (reader, bias)
                )


def _column(points: Points, bias: int, reader: Reader | None) -> Terms:
    own = points.gradients[bias]
    if reader is None:
        return Terms(own, np.abs(own))
    tensor, axes, after = reader
    front = range(1, 1 + len(axes))
    flat = np.moveaxis(points.params[tensor], [axis + 1 for axis in axes], front).reshape(*own.shape, -1)
    flat = flat.reshape(len(own), own[0].size, -1)
    g = points.gradients[after].reshape(len(own), -1)
    total, size = np.einsum("pur,pr->pu", flat, g), np.einsum("pur,pr->pu", np.abs(flat), np.abs(g))
    return Terms(total.reshape(own.shape), size.reshape(own.shape))


def _absorbed(points: Points, bias: int, readers: list[Reader]) -> bool:
    own, *others = [_column(points, bias, None), *(_column(points, bias, r) for r in readers)]
    total = own.total - sum(o.total for o in others)
    return Terms(total, own.size + np.asarray(sum(o.size for o in others))).vanishes.all().item()
