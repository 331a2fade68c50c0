"""Which entries of an operand gathers and scatters are about."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eqprop.engine.walk.primitives.operand import Array, apart, rows_ahead

KEPT = 1 << 16
"""So many numbers of entries are kept between walks."""


@dataclass(frozen=True)
class Slices:
    """Slices of an operand that begin where indices say.

    An index array has the shape batch + (d,), its last axis saying where the slice begins on the axes ``mapped``. Each
    slice is a box of the operand. Entries are named by their row-major number, so that one lookup finds all.

    Attributes:
        shape: of the operand.
        sizes: of a slice, on each axis of the operand.
        mapped: which axes the indices are for.
        own: the operand's axes along which each place of the batch has its own part, and which axes of the batch
            these belong to.
        batch: the shape of the indices, without their last axis.
        dropped: axes of the operand, of length one in the slice, that the result does not have.
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    mapped: tuple[int, ...]
    own: tuple[tuple[int, ...], tuple[int, ...]]
    batch: tuple[int, ...]
    dropped: tuple[int, ...]

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart neighbours on each axis are in row-major order."""
        return tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    @property
    def window(self) -> tuple[int, ...]:
        """The shape of a slice as the result has it."""
        return tuple(size for axis, size in enumerate(self.sizes) if axis not in self.dropped)

    @property
    def axis(self) -> int | None:
        """The axis of which places are listed, where a slice is all that lies at one of them, as for ``x[:, p]``."""
        if len(self.mapped) != 1 or len(self.batch) != 1 or self.own != ((), ()) or self.dropped != self.mapped:
            return None
        (axis,) = self.mapped
        return axis if self.sizes == (*self.shape[:axis], 1, *self.shape[axis + 1 :]) else None

    @property
    def last(self) -> Array:
        """The largest start at which a slice is inside, for each mapped axis."""
        return np.array([self.shape[axis] - self.sizes[axis] for axis in self.mapped], np.int64)[:, None]

    @property
    def fixed(self) -> Callable[[], Array]:
        """The part of each entry's number that indices have no part in: batch + window + (1,).

        As a function: where there are many entries, it is worked out each time, and not kept.
        """
        if math.prod((*self.batch, *self.window)) > KEPT:
            return self._fixed
        fixed = self._fixed()
        return lambda: fixed

    def _fixed(self) -> Array:
        number = np.zeros((*self.batch, *self.window, 1), np.int64)
        kept = [axis for axis in range(len(self.shape)) if axis not in self.dropped]
        for position, axis in enumerate(kept):
            number += _along(np.arange(self.sizes[axis]) * self.strides[axis], len(self.batch) + position, number.ndim)
        for axis, position in zip(*self.own, strict=True):
            number += _along(np.arange(self.batch[position]) * self.strides[axis], position, number.ndim)
        return number

    def begins(self, starts: Array) -> Array:
        """The number of the entry that each slice begins with: batch + ones for the window + rows."""
        steps = np.array([self.strides[axis] for axis in self.mapped], np.int64)[:, None]
        first = (starts * steps).sum(axis=-2)
        return first.reshape((*self.batch, *(1,) * len(self.window), first.shape[-1]))

    def inside(self, starts: Array) -> Array:
        """Whether a slice lies within the operand: batch + ones for the window + rows."""
        within: Array = np.all((starts >= 0) & (starts <= self.last), axis=-2)
        return within.reshape((*self.batch, *(1,) * len(self.window), within.shape[-1]))


def as_one(starts: Array, entries: tuple[int, ...]) -> Array:
    """Starts of slices with so many entries, of one row where they are many and the same in all rows."""
    many = starts.shape[-1] > 1 and math.prod(entries) > KEPT
    return starts[..., :1] if many and (starts == starts[..., :1]).all() else starts


def in_memory(entries: Array, numbers: Array) -> tuple[Array, Array, bool]:
    """Entries of all rows as one vector in the order of memory: by one index NumPy finds them several times as fast.

    Args:
        entries: shape (entries, rows).
        numbers: of entries, in each row: its last axis is that of rows, too.

    Returns:
        The vector, a view where one is possible; the places in it; and whether their axis of rows is the first one, as
        it is where each row lies as a whole.
    """
    size, rows = entries.shape
    if not apart(entries):
        return entries.reshape(-1), numbers * rows + np.arange(rows), False
    places = rows_ahead(numbers)
    firsts = size * np.arange(rows).reshape((rows, *(1,) * (places.ndim - 1)))
    return rows_ahead(entries).reshape(-1), places + firsts, True


def listed(starts: Array) -> Array:
    """The places on an axis that each row has listed (``Slices.axis``), shape (rows, places)."""
    return np.ascontiguousarray(starts[:, 0].T)


def taken_along(rows: Array, places: Array, axis: int) -> Array:
    """Of each row what lies at its places of an axis: whole pieces of memory, where entries one by one take long.

    Args:
        rows: of any shape, their axis first.
        places: all of them inside, shape (rows, places).
        axis: of a row.
    """
    count, length = places.shape
    found = np.empty((count, *rows.shape[1 : 1 + axis], length, *rows.shape[2 + axis :]), rows.dtype)
    for row, at, out in zip(rows, places, found, strict=True):
        row.take(at, axis, out, mode="clip")  # other modes make one more copy
    return found


def _along(line: Array, axis: int, rank: int) -> Array:
    """A line of numbers as the axis of an array of some rank."""
    return line.reshape(tuple(-1 if number == axis else 1 for number in range(rank)))


def signed(indices: Array) -> Array:
    """Indices as 64-bit integers; those that do not fit are beyond every axis either way."""
    if indices.dtype == np.uint64:
        indices = np.minimum(indices, np.uint64(np.iinfo(np.int64).max))
    return indices.astype(np.int64)
