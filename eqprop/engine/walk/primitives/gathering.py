"""Parts of an operand that begin where indices say: gathers and dynamic slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_inexact
from eqprop.engine.walk.primitives.indexing import Slices, as_one, in_memory, listed, signed, taken_along
from eqprop.engine.walk.primitives.operand import (
    Array,
    DType,
    Rule,
    Step,
    apart,
    dtype_of,
    is_key,
    require,
    rows_ahead,
    rows_behind,
    rows_of,
    shape_of,
)
from eqprop.engine.walk.primitives.reductions import highest, lowest


def gather(equation: JaxprEqn) -> Step:
    """``lax.gather``: slices that begin outside are moved inside, or filled with what marks them."""
    params, names = equation.params, equation.params["dimension_numbers"]
    operand, indices = equation.invars
    mode = params["mode"].name
    require(mode in MODES and not is_key(operand), f"gather {mode}")
    slices = Slices(
        shape=shape_of(operand),
        sizes=tuple(params["slice_sizes"]),
        mapped=tuple(names.start_index_map),
        own=(tuple(names.operand_batching_dims), tuple(names.start_indices_batching_dims)),
        batch=shape_of(indices)[:-1],
        dropped=(*names.collapsed_slice_dims, *names.operand_batching_dims),
    )
    look_up = looking_up(slices, filler(params["fill_value"], dtype_of(operand)) if mode == "FILL_OR_DROP" else None)
    rank = len(slices.batch) + len(slices.window)
    offsets = list(names.offset_dims)
    others = [axis for axis in range(rank) if axis not in offsets]
    order = [0] * rank
    for number, axis in enumerate((*others, *offsets)):
        order[axis] = number
    order.append(rank)
    return lambda x, starts: look_up(x, signed(starts)).transpose(order)


MODES = ("CLIP", "FILL_OR_DROP", "PROMISE_IN_BOUNDS")


def filler(value: object, dtype: DType) -> Array:
    """What stands for entries outside, where nothing else was asked for."""
    if value is not None:
        return np.array(value, dtype)
    if is_inexact(dtype):
        return np.array(np.nan, dtype)
    return np.array(lowest(dtype) if dtype.kind == "i" else highest(dtype), dtype)


def looking_up(slices: Slices, fill: Any) -> Step:
    """The step from operand and starts to the slices: batch + window + rows; inside, unless ``fill`` marks others."""
    fixed, last, size, axis = slices.fixed, slices.last, int(np.prod(slices.shape)), slices.axis
    shape = (*slices.batch, *slices.window)

    def look_up(x: Array, starts: Array) -> Array:
        starts = as_one(starts, shape)
        inner = np.minimum(np.maximum(starts, 0), last)
        if axis is not None and starts.shape[-1] > 1 and apart(x):
            found = rows_behind(np.moveaxis(taken_along(rows_ahead(x), listed(inner), axis), 1 + axis, 1))
        else:
            found = entries_at(x.reshape((size, x.shape[-1])), fixed() + slices.begins(inner))
        if fill is None or (inside := slices.inside(starts)).all():
            return found
        return np.where(inside, found, fill)

    def entries_at(entries: Array, numbers: Array) -> Array:
        if numbers.shape[-1] == 1:
            return _taken(entries, numbers.reshape(-1)).reshape((*shape, entries.shape[-1]))
        vector, places, ahead = in_memory(entries, numbers)
        return rows_behind(vector.take(places)) if ahead else vector.take(places)

    return look_up


def _taken(entries: Array, numbers: Array) -> Array:
    """The same entries of each row."""
    return rows_behind(rows_ahead(entries).take(numbers, axis=1)) if apart(entries) else entries.take(numbers, axis=0)


def dynamic_slice(equation: JaxprEqn) -> Step:
    """A box whose corner is computed, moved inside where it would reach out."""
    operand, *corner = equation.invars
    shape, sizes = shape_of(operand), tuple(equation.params["slice_sizes"])
    require(len(corner) == len(sizes) and not is_key(operand), "dynamic_slice")
    axes = tuple(range(len(shape)))
    slices = Slices(shape, sizes, axes, ((), ()), (), ())
    look_up = looking_up(slices, None)
    last = [size - length for size, length in zip(shape, sizes, strict=True)]

    def cut(x: Array, *starts: Array) -> Array:
        if all(start.shape[-1] == 1 for start in starts):
            return x[box(starts, last, sizes)]
        return look_up(x, together(starts))

    return cut


def box(starts: tuple[Array, ...], last: Sequence[int], sizes: Sequence[int]) -> tuple[slice, ...]:
    """The index of a box that begins at the same place in each row."""
    firsts = (min(max(int(start[0]), 0), most) for start, most in zip(starts, last, strict=True))
    return tuple(slice(first, first + size) for first, size in zip(firsts, sizes, strict=True))


def together(starts: tuple[Array, ...]) -> Array:
    """Scalars of each row as one array of indices."""
    return np.stack([signed(np.broadcast_to(start, (rows_of(*starts),))) for start in starts])


RULES: dict[str, Rule] = {"gather": gather, "dynamic_slice": dynamic_slice}
