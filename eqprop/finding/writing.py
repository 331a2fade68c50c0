"""What was found as calls of the public constructors, to be made here and to be pasted there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count, product
from typing import Any, NamedTuple

import numpy as np

from eqprop import actions
from eqprop.claims import Params, Transformation
from eqprop.finding.blocks import Block
from eqprop.groups import DiscretePower, Group

WIDTH = 110
"""Of a line of code."""

ROLE = 10
"""Room for the name of an argument in front of a mapping."""


class _Example:
    """Stands for the model's own parameters among the arguments of a call."""


EXAMPLE = _Example()

Spelled = int | tuple[int, int] | str
Tensors = dict[str, Spelled]
"""Paths, with slices where parts are meant, → axis, two axes or pattern, as constructors take them."""


@dataclass(frozen=True)
class Call:
    """A call of one of the constructors of ``eqprop``.

    Attributes:
        constructor: its name.
        positional: arguments; calls, groups and the example among them.
        named: likewise, by keyword.
    """

    constructor: str
    positional: tuple[object, ...]
    named: Mapping[str, Any]

    def made(self, params: Params) -> Transformation:
        """The transformation."""

        def value(argument: object) -> object:
            if isinstance(argument, Call):
                return argument.made(params)
            return params if argument is EXAMPLE else argument

        named = {name: value(argument) for name, argument in self.named.items()}
        return getattr(actions, self.constructor)(*map(value, self.positional), **named)

    def code(self, indent: int = 0) -> str:
        """The call as Python, in lines that are not too long."""
        arguments = [(_text(a, indent), _text(a, indent + 4)) for a in self.positional]
        arguments += [(f"{n}={_text(a, indent)}", f"{n}={_text(a, indent + 4)}") for n, a in self.named.items()]
        flat = f"eqprop.{self.constructor}({', '.join(short for short, _ in arguments)})"
        if len(flat) + indent <= WIDTH and "\n" not in flat:
            return flat
        inside = " " * (indent + 4)
        lines = "".join(f"{inside}{long},\n" for _, long in arguments)
        return f"eqprop.{self.constructor}(\n{lines}{' ' * indent})"


def _text(value: object, indent: int) -> str:
    if value is EXAMPLE:
        return "model.params"
    if isinstance(value, Call):
        return value.code(indent)
    if isinstance(value, Group):
        return group_code(value)
    if not isinstance(value, Mapping):
        return repr(value)
    entries = [f"{key!r}: {_text(item, indent + 4)}" for key, item in value.items()]
    flat = f"{{{', '.join(entries)}}}"
    if len(flat) + indent + ROLE <= WIDTH and "\n" not in flat:
        return flat
    inside = " " * (indent + 4)
    return "{\n" + "".join(f"{inside}{entry},\n" for entry in entries) + f"{' ' * indent}}}"


def group_code(group: Group) -> str:
    """A group as Python."""
    if isinstance(group, DiscretePower):
        return f"groups.Power({group_code(group.factor)}, {group.count})"
    given = [getattr(group, field.name) for field in fields(group)]  # pyright: ignore[reportArgumentType] - a dataclass
    return f"groups.{type(group).__name__}({', '.join(map(repr, given))})"


class Unwritable(Exception):  # noqa: N818 - said of a finding, not an error of anyone
    """No axis, pattern or slice says where the units lie."""


class Line(NamedTuple):
    """Along one axis of a tensor: entries, with an axis for each label, ``units``, ``copies`` or nothing."""

    entries: np.ndarray
    labels: tuple[str, ...]


Place = tuple[Line, ...]
"""A part of a tensor: a line along each of its axes."""


def place_of(block: Block, labels: Mapping[int, str], fixed: Mapping[int, int]) -> Place:
    """Where a block lies.

    Args:
        block: what moves.
        labels: of the axes of the block that are moved.
        fixed: an index along some of its other axes, to which the finding is confined.
    """
    lines: list[Line] = []
    first = 0
    for span in block.spans:
        own = range(first, first + len(span.factors))
        first += len(span.factors)
        entries = span.entries[tuple(fixed.get(at, slice(None)) for at in own)]
        lines.append(Line(np.asarray(entries), tuple(labels.get(at, "") for at in own if at not in fixed)))
    return tuple(lines)


def merged(places: Sequence[Place]) -> list[Place]:
    """The same, with parts joined that are one evenly spaced part together: halves of a rotary query, all layers."""
    left, done = list(places), list[Place]()
    while left:
        one = left.pop(0)
        for other in left:
            both = _both(one, other)
            if both is not None:
                left = [both, *(place for place in left if place is not other)]
                break
        else:
            done.append(one)
    return done


def _both(one: Place, other: Place) -> Place | None:
    different = [at for at, pair in enumerate(zip(one, other, strict=True)) if not _same(*pair)]
    if len(different) != 1:
        return None
    at = different[0]
    line = _joined(one[at], other[at])
    return None if line is None else (*one[:at], line, *one[at + 1 :])


def _same(a: Line, b: Line) -> bool:
    return a.labels == b.labels and np.array_equal(a.entries, b.entries)


def _joined(a: Line, b: Line) -> Line | None:
    if not any((*a.labels, *b.labels)):
        line = Line(np.sort(np.concatenate([a.entries.reshape(-1), b.entries.reshape(-1)])), ("",))
        return line if _is_even(line) else None
    if a.labels != b.labels:
        return None
    ways = [(axis, label) for axis, label in enumerate(a.labels) if not label]
    tried = [Line(np.concatenate([a.entries, b.entries], axis), a.labels) for axis, _ in ways if _fit(a, b, axis)]
    if a.entries.shape == b.entries.shape:
        for axis in range(len(a.labels) + 1):
            labels = (*a.labels[:axis], "", *a.labels[axis:])
            tried.append(Line(np.stack([a.entries, b.entries], axis), labels))
    return next(filter(_is_even, tried), None)


def _fit(a: Line, b: Line, axis: int) -> bool:
    return np.delete(a.entries.shape, axis).tolist() == np.delete(b.entries.shape, axis).tolist()


def _is_even(line: Line) -> bool:
    steps = np.diff(line.entries.reshape(-1))
    return len(steps) == 0 or bool(steps[0] > 0 and np.all(steps == steps[0]))


def spelled(path: str, shape: tuple[int, ...], place: Place) -> Tensors:
    """Path, with slices where a part of the tensor is meant, → axis or pattern, as the constructors take them.

    Args:
        path: of the tensor.
        shape: of it.
        place: where the units lie in it.

    Raises:
        Unwritable: where the units of one copy are not evenly spaced.
    """
    return {_key(path, shape, pieces): _axis(pieces) for pieces in product(*map(_pieces, place))}


def _pieces(line: Line) -> list[Line]:
    """The line, or its parts, each evenly spaced: other axes are written out where they must be."""
    if _is_even(line):
        return [line]
    others = [axis for axis, label in enumerate(line.labels) if not label]
    if not others:
        raise Unwritable
    labels = tuple(label for axis, label in enumerate(line.labels) if axis != others[0])
    return [piece for entries in np.moveaxis(line.entries, others[0], 0) for piece in _pieces(Line(entries, labels))]


def _key(path: str, shape: tuple[int, ...], pieces: Sequence[Line]) -> str:
    slices = [_slice(piece.entries.reshape(-1), size) for piece, size in zip(pieces, shape, strict=True)]
    while slices and slices[-1] == ":":
        slices.pop()
    return f"{path}[{', '.join(slices)}]" if slices else path


def _slice(entries: np.ndarray, size: int) -> str:
    if len(entries) == size:
        return ":"
    step = int(entries[1] - entries[0]) if len(entries) > 1 else 1
    every = f":{step}" if step > 1 else ""
    return f"{entries[0]}:{entries[-1] + 1}{every}"


def _axis(pieces: Sequence[Line]) -> Spelled:
    """A number, a pair of numbers, or a pattern."""
    if all(len(piece.labels) <= 1 for piece in pieces):
        at = {label: axis for axis, piece in enumerate(pieces) for label in piece.labels}
        return (at["copies"], at["units"]) if "copies" in at else at["units"]
    free = (f"d{number}" for number in count())
    return " ".join(_named(piece, free) for piece in pieces)


def _named(piece: Line, free: Iterator[str]) -> str:
    with_length = piece.labels.count("") > 1
    sizes = zip(piece.labels, piece.entries.shape, strict=True)
    names = [label or f"{next(free)}{f':{size}' if with_length else ''}" for label, size in sizes]
    return names[0] if len(names) == 1 else f"({' '.join(names)})" if names else "1"
