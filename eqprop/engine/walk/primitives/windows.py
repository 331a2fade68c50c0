"""Windows folded to a number each, and what the derivatives of that need."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex, is_inexact
from eqprop.engine.jaxprs import Typed
from eqprop.engine.walk.primitives.folding import folding
from eqprop.engine.walk.primitives.operand import Array, Rule, Step, dtype_of, require, rows_of, shape_of
from eqprop.engine.walk.primitives.reductions import Start, highest, lowest
from eqprop.engine.walk.primitives.sliding import Windows


def sliding(equation: JaxprEqn, operand: Typed) -> Windows:
    """The windows of an operation over one of its operands."""
    params = equation.params
    shape = shape_of(operand)
    apart = params.get("base_dilation") or (1,) * len(shape)
    return Windows(
        shape=shape,
        window=tuple(params["window_dimensions"]),
        strides=tuple(params["window_strides"]),
        config=tuple((low, high, by - 1) for (low, high), by in zip(params["padding"], apart, strict=True)),
        dilation=tuple(params.get("window_dilation") or (1,) * len(shape)),
    )


def window_sum(equation: JaxprEqn) -> Step:
    """The sum of each window, in the order of its entries."""
    windows, dtype = sliding(equation, equation.invars[0]), dtype_of(equation.outvars[0])
    fill, view = windows.filled(0), windows.view()
    axes = tuple(range(len(windows.shape), 2 * len(windows.shape)))
    if not is_inexact(dtype):
        return lambda x: np.add.reduce(view(fill(x)), axis=axes, dtype=dtype)
    total = folding(np.add, (*windows.counts, *windows.window), axes)
    return lambda x: total(view(fill(x)))


def window_extreme(ufunc: np.ufunc, start: Start) -> Rule:
    """The largest or least entry of each window."""

    def rule(equation: JaxprEqn) -> Step:
        windows, dtype = sliding(equation, equation.invars[0]), dtype_of(equation.outvars[0])
        require(not is_complex(dtype), "extremes of complex numbers")
        fill, view = windows.filled(start(dtype)), windows.view()
        axes = tuple(range(len(windows.shape), 2 * len(windows.shape)))
        return lambda x: ufunc.reduce(view(fill(x)), axis=axes, initial=start(dtype))

    return rule


def _better(equation: JaxprEqn) -> tuple[Step, Any]:
    """Which of two entries is kept, and what every entry is kept against."""
    name = equation.params["select_prim"].name
    require(name in ("ge", "le"), f"windows that select by {name}")
    return (np.greater_equal, -np.inf) if name == "ge" else (np.less_equal, np.inf)


def _places(windows: Windows) -> list[tuple[int, ...]]:
    """The places inside a window, in their order."""
    return list(itertools.product(*(range(length) for length in windows.window)))


def gather_add(equation: JaxprEqn) -> Step:
    """The tangent at the place of each window's extreme: the first of several; a NaN yields to what comes after it."""
    windows, (keep, start) = sliding(equation, equation.invars[1]), _better(equation)
    dtype = dtype_of(equation.outvars[0])
    require(is_inexact(dtype), "extremes of whole numbers")
    fill_tangents, fill, view = windows.filled(0), windows.filled(start), windows.view()
    outside = view(windows.filled(True)(np.zeros((*windows.shape, 1), np.bool_)))
    counted = (slice(None),) * len(windows.shape)

    def select(tangents: Array, x: Array) -> Array:
        entries, carried = view(fill(x)), view(fill_tangents(tangents))
        best = np.full((*windows.counts, x.shape[-1]), start, dtype)
        found = np.zeros((*windows.counts, rows_of(x, tangents)), dtype)
        for place in _places(windows):
            entry = entries[(*counted, *place)]
            kept = keep(best, entry) | outside[(*counted, *place)]
            best = np.where(kept, best, entry)
            found = np.where(kept, found, carried[(*counted, *place)])
        return found

    return select


def scatter_add(equation: JaxprEqn) -> Step:
    """Each number of the source added where its window's extreme lies."""
    operand = equation.invars[1]
    windows, (keep, start) = sliding(equation, operand), _better(equation)
    dtype, size, count = dtype_of(operand), math.prod(windows.shape), math.prod(windows.counts)
    numbers = np.arange(size).reshape((*windows.shape, 1))
    fill, view = windows.filled(start), windows.view()
    homes = view(windows.filled(-1)(numbers))
    counted = (slice(None),) * len(windows.shape)

    def home(x: Array) -> Array:
        """The number of the entry that is selected in each window, what was put around the entries among them."""
        entries = view(fill(x))
        first, *others = ((*counted, *place) for place in _places(windows))
        best, found = entries[first], np.broadcast_to(homes[first], entries[first].shape)
        for place in others:
            kept = keep(best, entries[place])
            best = np.where(kept, best, entries[place])
            found = np.where(kept, found, homes[place])
        return found

    def step(source: Array, x: Array) -> Array:
        rows = rows_of(source, x)
        places = np.broadcast_to(home(x), (*windows.counts, rows)).reshape((count, rows))
        total = np.zeros((size, rows), dtype)
        added = np.broadcast_to(source, (*windows.counts, rows)).reshape((count, rows))
        hit = places >= 0
        np.add.at(total, (places[hit], np.broadcast_to(np.arange(rows), places.shape)[hit]), added[hit])
        return total.reshape((*windows.shape, rows))

    return step


RULES: dict[str, Rule] = {
    "reduce_window_sum": window_sum,
    "reduce_window_max": window_extreme(np.maximum, lowest),
    "reduce_window_min": window_extreme(np.minimum, highest),
    "select_and_gather_add": gather_add,
    "select_and_scatter_add": scatter_add,
}
