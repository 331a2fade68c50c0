"""Sums and products in an order that neither the layout of an array nor the number of rows has a part in.

NumPy adds along the axis that lies closest in memory by pairs, and along others one by one. Here the axes to be folded
are laid out first, so that it is always one by one: as XLA does it up to 32 entries. Of longer axes blocks of 32 are
folded, and then what came out of the blocks; XLA does so too, with its blocks centred.
"""

from __future__ import annotations

import math

import numpy as np

from eqprop.engine.walk.primitives.operand import Array, Step, apart, rows_behind

BLOCK = 32
IN_CACHE = 1 << 14
"""Numbers that are laid out anew at a time."""

MANY = 8
"""From so many rows on, folding an axis where it lies is faster than laying it out anew."""


def fold(ufunc: np.ufunc, laid: Array) -> Array:
    """Over the first axis of an array in row-major order, entry by entry."""
    if laid.size == laid.shape[0]:  # nothing beside the axis: NumPy would fold by pairs
        return ufunc(ufunc.accumulate(laid, axis=0, dtype=laid.dtype)[-1], laid.dtype.type(ufunc.identity))
    return ufunc.reduce(laid, axis=0, dtype=laid.dtype)


def fold_blocks(ufunc: np.ufunc, laid: Array) -> Array:
    """Likewise, by blocks, and blocks of blocks."""
    while len(laid) > BLOCK:
        blocks = -(-len(laid) // BLOCK)
        lead = (blocks * BLOCK - len(laid)) // 2
        padded = np.full((blocks * BLOCK, *laid.shape[1:]), ufunc.identity, laid.dtype)
        padded[lead : lead + len(laid)] = laid
        across = padded.reshape((blocks, BLOCK, *laid.shape[1:])).swapaxes(0, 1)
        laid = fold(ufunc, np.ascontiguousarray(across))
    return fold(ufunc, laid)


def fold_apart(ufunc: np.ufunc, laid: Array, *, blocks: bool) -> Array:
    """The same sums over the second axis of an array whose first one is that of rows, in row-major order."""
    while blocks and laid.shape[1] > BLOCK:
        laid = _blocks_apart(ufunc, laid)
    return fold(ufunc, np.ascontiguousarray(laid.swapaxes(0, 1)))


def _blocks_apart(ufunc: np.ufunc, laid: Array) -> Array:
    """The blocks of the second axis, each folded; so many at a time that they stay in the processor's cache."""
    rows, length, *left = laid.shape
    count = -(-length // BLOCK)
    lead = (count * BLOCK - length) // 2
    at_once = max(2, IN_CACHE // (rows * BLOCK * math.prod(left)))
    found = np.empty((rows, count, *left), laid.dtype)
    for first in range(0, count, at_once):
        some = min(at_once, count - first)
        start = first * BLOCK - lead
        piece = laid[:, max(start, 0) : start + some * BLOCK]
        if piece.shape[1] != some * BLOCK:
            padded = np.full((rows, some * BLOCK, *left), ufunc.identity, laid.dtype)
            padded[:, max(-start, 0) :][:, : piece.shape[1]] = piece
            piece = padded
        across = np.moveaxis(piece.reshape((rows, some, BLOCK, *left)), 2, 0)
        found[:, first : first + some] = fold(ufunc, np.ascontiguousarray(across))
    return found


def folding(ufunc: np.ufunc, shape: tuple[int, ...], axes: tuple[int, ...]) -> Step:
    """The step that folds these axes of a row of this shape."""
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    order = (*axes, *kept, len(shape))
    left = tuple(shape[axis] for axis in kept)
    count = math.prod(shape[axis] for axis in axes)
    long = any(shape[axis] > BLOCK for axis in axes)
    whole = fold_blocks if long else fold
    if not axes:
        return lambda x: x
    if count == 0:
        return lambda x: np.full((*left, x.shape[-1]), ufunc.identity, x.dtype)

    def lay_out(x: Array) -> Array:
        if apart(x):
            laid = np.ascontiguousarray(x.transpose((len(shape), *axes, *kept))).reshape((x.shape[-1], count, *left))
            return rows_behind(fold_apart(ufunc, laid, blocks=long))
        if whole is fold and x.shape[-1] >= MANY and x.flags.c_contiguous:
            return ufunc.reduce(x, axis=axes)
        return whole(ufunc, np.ascontiguousarray(x.transpose(order)).reshape((count, *left, x.shape[-1])))

    return lay_out
