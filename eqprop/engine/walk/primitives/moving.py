"""Entries that change their place and nothing else. Most results are views."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.jaxprs import aval_of
from eqprop.engine.walk.primitives.operand import (
    Array,
    Rule,
    Step,
    apart,
    blank,
    dtype_of,
    key_shape,
    require,
    rows_ahead,
    rows_behind,
    rows_of,
    shape_of,
)

ALL = slice(None)
SMALL = 4096
"""Up to so many entries it takes less time to repeat them than to have NumPy make a view that repeats them."""


def identity(_: JaxprEqn) -> Step:
    """The operand."""
    return lambda x: x


def identities(_: JaxprEqn) -> Step:
    """The operands."""
    return lambda *operands: operands


def transpose(equation: JaxprEqn) -> Step:
    """Axes in another order."""
    first = tuple(equation.params["permutation"])
    order = (*first, *range(len(first), len(shape_of(equation.invars[0])) + 1))
    return lambda x: x.transpose(order)


def reshape(equation: JaxprEqn) -> Step:
    """The same entries, row-major, on other axes."""
    require(equation.params.get("dimensions") is None, "reshape with dimensions")
    shape = shape_of(equation.outvars[0])

    def reshaped(x: Array) -> Array:
        if apart(x):
            return rows_behind(rows_ahead(x).reshape((x.shape[-1], *shape)))
        return x.reshape((*shape, x.shape[-1]))

    return reshaped


def squeeze(equation: JaxprEqn) -> Step:
    """Without axes of length one."""
    dropped = {d % aval_of(equation.invars[0]).ndim for d in equation.params["dimensions"]}
    index = tuple(0 if axis in dropped else ALL for axis in range(aval_of(equation.invars[0]).ndim))
    return lambda x: x[index]


def broadcast(equation: JaxprEqn) -> Step:
    """New axes, and those of length one repeated."""
    operand, shape = equation.invars[0], shape_of(equation.outvars[0])
    require(len(equation.invars) == 1, "broadcast to a dynamic shape")
    kept = {*equation.params["broadcast_dimensions"], *range(len(shape) - len(key_shape(operand)), len(shape))}
    index = tuple(ALL if axis in kept else None for axis in range(len(shape)))
    size, dtype = math.prod(shape), dtype_of(operand)
    if size and size == math.prod(shape_of(operand)):
        return lambda x: x[index]

    def repeat(x: Array) -> Array:
        rows = x.shape[-1]
        if size * rows > SMALL:
            return np.broadcast_to(x[index], (*shape, rows))
        result = blank(shape, rows, dtype, ahead=apart(x))
        result[...] = x[index]
        return result

    return repeat


def tile(equation: JaxprEqn) -> Step:
    """The whole repeated along each axis."""
    shape, times = shape_of(equation.invars[0]), tuple(equation.params["reps"])
    result = shape_of(equation.outvars[0])
    index = tuple(part for _ in shape for part in (None, ALL))
    wide = tuple(itertools.chain.from_iterable(zip(times, shape, strict=True)))
    return lambda x: np.broadcast_to(x[index], (*wide, x.shape[-1])).reshape((*result, x.shape[-1]))


def cut(equation: JaxprEqn) -> Step:
    """A part of each axis, at steps."""
    starts, stops = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    index = tuple(slice(*limits) for limits in zip(starts, stops, steps, strict=True))
    return lambda x: x[index]


def reverse(equation: JaxprEqn) -> Step:
    """Some axes backwards."""
    turned = set(equation.params["dimensions"])
    backwards = slice(None, None, -1)
    index = tuple(backwards if axis in turned else ALL for axis in range(aval_of(equation.invars[0]).ndim))
    return lambda x: x[index]


def _pieces(axis: int, sizes: Sequence[int]) -> list[tuple[slice, ...]]:
    """The index of each of several pieces that follow each other on an axis."""
    ends = list(itertools.accumulate(sizes))
    return [(ALL,) * axis + (slice(end - size, end),) for end, size in zip(ends, sizes, strict=True)]


def split(equation: JaxprEqn) -> Step:
    """Pieces of an axis."""
    places = _pieces(equation.params["axis"], equation.params["sizes"])
    return lambda x: tuple(x[place] for place in places)


def unstack(equation: JaxprEqn) -> Step:
    """The entries of an axis, apart."""
    axis = equation.params["axis"]
    places = [(ALL,) * axis + (number,) for number in range(len(equation.outvars))]
    return lambda x: tuple(x[place] for place in places)


def _assembled(equation: JaxprEqn, places: list[tuple[Any, ...]]) -> Step:
    """Each operand at its place in the result."""
    shape, dtype = shape_of(equation.outvars[0]), dtype_of(equation.outvars[0])

    def assemble(*operands: Array) -> Array:
        result = blank(shape, rows_of(*operands), dtype, ahead=apart(*operands))
        for place, operand in zip(places, operands, strict=True):
            result[place] = operand
        return result

    return assemble


def concatenate(equation: JaxprEqn) -> Step:
    """Operands one after the other on an axis."""
    axis = equation.params["dimension"]
    return _assembled(equation, _pieces(axis, [aval_of(v).shape[axis] for v in equation.invars]))


def stack(equation: JaxprEqn) -> Step:
    """Operands side by side on a new axis."""
    axis = equation.params["axis"]
    return _assembled(equation, [(ALL,) * axis + (number,) for number in range(len(equation.invars))])


def padding(
    shape: tuple[int, ...], config: Sequence[tuple[int, int, int]]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Which part of an operand is left by (low, high, interior) for each axis, and where in the result it comes to lie.

    Negative low and high cut entries off, those between entries included.
    """
    source, target = [], []
    for size, (low, high, interior) in zip(shape, config, strict=True):
        step = interior + 1
        length = low + high + max(size + (size - 1) * interior, 0)
        first = max(0, -(low // step))  # of the operand's entries, the first at a place of at least zero
        last = min(size, (length - 1 - low) // step + 1) if length > 0 else 0
        last = max(first, last)
        source.append(slice(first, last))
        begin = low + first * step
        target.append(slice(begin, begin + (last - first - 1) * step + 1, step) if last > first else slice(0, 0))
    return tuple(source), tuple(target)


def pad(equation: JaxprEqn) -> Step:
    """Entries moved apart and away from the edges, with a number between."""
    source, target = padding(aval_of(equation.invars[0]).shape, equation.params["padding_config"])
    shape, dtype = shape_of(equation.outvars[0]), dtype_of(equation.outvars[0])

    def fill(x: Array, number: Array) -> Array:
        result = blank(shape, rows_of(x, number), dtype, ahead=apart(x))
        result[...] = number
        result[target] = x[source]
        return result

    return fill


def iota(equation: JaxprEqn) -> Step:
    """0, 1, 2, … along an axis."""
    require(not equation.invars, "iota of a dynamic shape")
    shape, axis = equation.params["shape"], equation.params["dimension"]
    dtype = dtype_of(equation.outvars[0])
    index = tuple(ALL if number == axis else None for number in range(len(shape) + 1))
    return lambda: np.broadcast_to(np.arange(shape[axis]).astype(dtype)[index], (*shape, 1))


def empty(equation: JaxprEqn) -> Step:
    """What JAX leaves open: zeros."""
    whole = np.zeros((*shape_of(equation.outvars[0]), 1), dtype_of(equation.outvars[0]))
    return lambda: whole


RULES: dict[str, Rule] = {
    "copy": identity,
    "copy_p": identity,
    "name": identity,
    "stage": identity,
    "stop_gradient": identity,
    "reduced_vary_cast": identity,
    "pvary": identity,
    "device_put": identities,
    "optimization_barrier": identities,
    "tie": lambda _: lambda first, second: second,
    "transpose": transpose,
    "reshape": reshape,
    "squeeze": squeeze,
    "broadcast_in_dim": broadcast,
    "tile": tile,
    "slice": cut,
    "rev": reverse,
    "split": split,
    "unstack": unstack,
    "concatenate": concatenate,
    "stack": stack,
    "pad": pad,
    "iota": iota,
    "empty": empty,
    "empty2": empty,
}
"""Typed keys move like numbers."""
