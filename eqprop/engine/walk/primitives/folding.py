"""Sums and products in an order that neither the layout of an array nor the number of rows has a part in.

NumPy adds along the axis that lies closest in memory by pairs, and along others one by one. Up to 32 entries it is one
by one here, as XLA does it. A longer axis that is closest is summed by pairs, whatever lay closest before; of others
blocks of 32 are folded, and then what came out of the blocks. Products, and the small floats, which NumPy would sum in
a larger one, go by blocks in any case.
"""

from __future__ import annotations

import math

import numpy as np

from eqprop.engine.walk.primitives.operand import Array, Step, apart, rows_behind

BLOCK = 32

BESIDE = 8
"""Numbers beside an axis, from which on it is folded where it lies, all of them at a time."""

MANY = 8
"""Rows from which on that is so of any axis, where they lie side by side."""

PAIRWISE = frozenset("fdFD")
"""The types that NumPy sums by pairs, and in themselves."""


def fold(ufunc: np.ufunc, laid: Array) -> Array:
    """Over the first axis of an array in row-major order, entry by entry."""
    if laid.size == laid.shape[0]:  # nothing beside the axis: NumPy would fold by pairs
        return ufunc(ufunc.accumulate(laid, axis=0, dtype=laid.dtype)[-1], laid.dtype.type(ufunc.identity))
    return ufunc.reduce(laid, axis=0, dtype=laid.dtype)


def fold_along(ufunc: np.ufunc, laid: Array, axis: int, *, blocks: bool) -> Array:
    """Likewise over any axis, which goes by blocks if asked for, and by blocks of blocks."""
    before = (slice(None),) * axis
    while blocks and (length := laid.shape[axis]) > BLOCK:
        whole = length // BLOCK * BLOCK
        cut = laid[(*before, slice(whole))]
        cut = cut.reshape((*laid.shape[:axis], whole // BLOCK, BLOCK, *laid.shape[axis + 1 :]))
        folded = _fold(ufunc, cut, axis + 1)
        rest = [_fold(ufunc, laid[(*before, slice(whole, None))], axis)] if whole < length else []
        laid = np.concatenate([folded, *(np.expand_dims(one, axis) for one in rest)], axis=axis)
    return _fold(ufunc, laid, axis)


def _fold(ufunc: np.ufunc, laid: Array, axis: int) -> Array:
    """One by one: where the axis lies if there is enough beside it, or else laid out anew."""
    if math.prod(laid.shape[axis + 1 :]) >= BESIDE:
        return ufunc.reduce(laid, axis=axis, dtype=laid.dtype)
    return fold(ufunc, np.ascontiguousarray(np.moveaxis(laid, axis, 0)))


def folding(ufunc: np.ufunc, shape: tuple[int, ...], axes: tuple[int, ...]) -> Step:
    """The step that folds these axes of a row of this shape."""
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    left = tuple(shape[axis] for axis in kept)
    count, rank = math.prod(shape[axis] for axis in axes), len(shape)
    long = any(shape[axis] > BLOCK for axis in axes)
    if not axes:
        return lambda x: x
    if count == 0:
        return lambda x: np.full((*left, x.shape[-1]), ufunc.identity, x.dtype)
    pairs = ufunc is np.add and long and (rank - 1 in axes or math.prod(left) < BESIDE)

    def lay_out(x: Array) -> Array:
        rows = x.shape[-1]
        if pairs and x.dtype.char in PAIRWISE:
            closest = np.ascontiguousarray(x.transpose((rank, *kept, *axes))).reshape((rows, *left, count))
            found = rows_behind(np.add.reduce(closest, axis=-1))
            return found if apart(x) else np.ascontiguousarray(found)
        if apart(x):
            laid = np.ascontiguousarray(x.transpose((rank, *axes, *kept))).reshape((rows, count, *left))
            return rows_behind(fold_along(ufunc, laid, 1, blocks=long))
        if not long and rows >= MANY and x.flags.c_contiguous:
            return ufunc.reduce(x, axis=axes)
        laid = np.ascontiguousarray(x.transpose((*axes, *kept, rank))).reshape((count, *left, rows))
        return fold_along(ufunc, laid, 0, blocks=long)

    return lay_out
