"""Parts of an operand changed where indices say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.gathering import MODES, box, together
from eqprop.engine.walk.primitives.indexing import Slices, as_one, in_memory, listed, signed, taken_along
from eqprop.engine.walk.primitives.operand import (
    Array,
    Rule,
    Step,
    apart,
    blank,
    dtype_of,
    is_key,
    require,
    rows_ahead,
    rows_behind,
    rows_of,
    shape_of,
)


def scatter(ufunc: np.ufunc | None) -> Rule:
    """``lax.scatter`` and its kin: updates one after the other, in the order of the indices; the last one stays."""

    def rule(equation: JaxprEqn) -> Step:
        params, names = equation.params, equation.params["dimension_numbers"]
        operand, indices, updates = equation.invars
        mode = params["mode"].name
        require(mode in MODES and not is_key(operand), f"scatter {mode}")
        require(ufunc is not None or _replaces(params), "scatter with a function")
        require(
            not is_complex(dtype_of(operand)) or ufunc not in (np.maximum, np.minimum), "extremes of complex numbers"
        )
        slices = _slices(names, shape_of(operand), shape_of(indices), shape_of(updates))
        window = list(names.update_window_dims)
        places = [axis for axis in range(len(shape_of(updates))) if axis not in window]
        change = changing(slices, ufunc, clipped=mode == "CLIP")
        order = (*places, *window, len(shape_of(updates)))
        return lambda x, starts, new: change(x, signed(starts), new.transpose(order))

    return rule


def _slices(names: Any, shape: tuple[int, ...], indices: tuple[int, ...], updates: tuple[int, ...]) -> Slices:
    dropped = {*names.inserted_window_dims, *names.operand_batching_dims}
    lengths = iter([updates[axis] for axis in names.update_window_dims])
    return Slices(
        shape=shape,
        sizes=tuple(1 if axis in dropped else next(lengths) for axis in range(len(shape))),
        mapped=tuple(names.scatter_dims_to_operand_dims),
        own=(tuple(names.operand_batching_dims), tuple(names.scatter_indices_batching_dims)),
        batch=indices[:-1],
        dropped=tuple(dropped),
    )


def _replaces(params: Any) -> bool:
    """Whether an update takes the place of what was there."""
    inner = params.get("update_jaxpr")
    return inner is None or (not inner.eqns and inner.outvars == inner.invars[1:])


def changing(slices: Slices, ufunc: np.ufunc | None, *, clipped: bool) -> Step:
    """The step from operand, starts and updates (batch + window + rows) to the changed operand.

    Args:
        slices: which entries are meant.
        ufunc: how an update meets what was there; replaces it if None.
        clipped: whether slices are moved inside; else those that reach out change nothing.
    """
    fixed, last, size, axis = slices.fixed, slices.last, math.prod(slices.shape), slices.axis
    shape = (*slices.batch, *slices.window)

    def change(x: Array, starts: Array, new: Array) -> Array:
        rows = rows_of(x, starts, new)
        if axis is not None and starts.shape[-1] > 1 and apart(new):
            sources = inverses(listed(starts), slices.shape[axis])
            if sources is not None:
                return rows_behind(_met(ufunc, rows_ahead(x), np.moveaxis(rows_ahead(new), 1, 1 + axis), sources, axis))
        result = blank(slices.shape, rows, x.dtype, ahead=apart(x, new))
        result[...] = x
        entries = result.reshape((size, rows))
        starts = as_one(starts, shape)
        inside = None if clipped else slices.inside(starts)
        if clipped:
            starts = np.minimum(np.maximum(starts, 0), last)
        numbers = fixed() + slices.begins(starts)
        if inside is not None and not inside.all():
            _change_some(ufunc, entries, numbers, new, inside)
        elif numbers.shape[-1] == 1:
            _change(ufunc, entries, numbers.reshape(-1), np.broadcast_to(new, (*shape, rows)).reshape((-1, rows)))
        else:
            vector, places, ahead = in_memory(entries, np.broadcast_to(numbers, (*shape, rows)))
            new = np.broadcast_to(new, (*shape, rows))
            _change(ufunc, vector, places.reshape(-1), (rows_ahead(new) if ahead else new).reshape(-1))
        return result

    return change


def inverses(places: Array, length: int) -> Array | None:
    """The permutation that undoes each row's; None where a row is no permutation of an axis of this length."""
    if places.shape[1] != length or (places < 0).any() or (places >= length).any():
        return None
    sources, straight = np.zeros_like(places), np.broadcast_to(np.arange(length), places.shape)
    np.put_along_axis(sources, places, straight, axis=1)
    return sources if (np.take_along_axis(places, sources, axis=1) == straight).all() else None


def _met(ufunc: np.ufunc | None, x: Array, new: Array, sources: Array, axis: int) -> Array:
    """Rows that updates of a whole axis meet, each place once, so that their order says nothing."""
    updates = taken_along(new, sources, axis)
    return updates if ufunc is None else ufunc(x, updates, out=updates)


def _change(ufunc: np.ufunc | None, entries: Array, where: Array | tuple[Array, ...], new: Array) -> None:
    if ufunc is None:
        entries[where] = new
    else:
        ufunc.at(entries, where, new)


def _change_some(ufunc: np.ufunc | None, entries: Array, numbers: Array, new: Array, inside: Array) -> None:
    """Entry by entry of those inside."""
    rows = entries.shape[-1]
    shape = (*numbers.shape[:-1], rows)
    hit = np.broadcast_to(inside, shape)
    columns = np.broadcast_to(np.arange(rows), shape)[hit]
    _change(ufunc, entries, (np.broadcast_to(numbers, shape)[hit], columns), np.broadcast_to(new, shape)[hit])


def dynamic_update_slice(equation: JaxprEqn) -> Step:
    """A box whose corner is computed, replaced; moved inside where it would reach out."""
    operand, update, *corner = equation.invars
    shape, sizes = shape_of(operand), shape_of(update)
    require(len(corner) == len(sizes) and not is_key(operand), "dynamic_update_slice")
    slices = Slices(shape, sizes, tuple(range(len(shape))), ((), ()), (), ())
    change = changing(slices, None, clipped=True)
    last = [size - length for size, length in zip(shape, sizes, strict=True)]

    def replace(x: Array, new: Array, *starts: Array) -> Array:
        if any(start.shape[-1] != 1 for start in starts):
            return change(x, together(starts), new)
        result = blank(shape, rows_of(x, new), x.dtype, ahead=apart(x, new))
        result[...] = x
        result[box(starts, last, sizes)] = new
        return result

    return replace


RULES: dict[str, Rule] = {
    "scatter": scatter(None),
    "scatter-add": scatter(np.add),
    "scatter-sub": scatter(np.subtract),
    "scatter-mul": scatter(np.multiply),
    "scatter-min": scatter(np.minimum),
    "scatter-max": scatter(np.maximum),
    "dynamic_update_slice": dynamic_update_slice,
}
