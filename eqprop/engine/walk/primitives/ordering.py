"""Sorting."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.elementwise import total_order
from eqprop.engine.walk.primitives.operand import NARROW, Array, DType, Rule, Step, dtype_of, require, rows_of, shape_of


def sort(equation: JaxprEqn) -> Step:
    """Operands in the order of the first few, equals as they were; zeros of both signs are equal, NaN come last."""
    axis, count = equation.params["dimension"], equation.params["num_keys"]
    parts = [_keys(dtype_of(v)) for v in equation.invars[:count]]

    def arrange(*operands: Array) -> tuple[Array, ...]:
        keys = [key for split, x in zip(parts, operands[:count], strict=True) for key in split(x)]
        order = keys[0].argsort(axis=axis, kind="stable") if len(keys) == 1 else _by_all(keys, axis)
        rows = rows_of(order, *operands)
        order = np.broadcast_to(order, (*order.shape[:-1], rows))
        wide = (np.broadcast_to(x, (*x.shape[:-1], rows)) for x in operands)
        return tuple(np.take_along_axis(x, order, axis) for x in wide)

    return arrange


def _keys(dtype: DType) -> Step:
    """What numbers of a type are ordered by."""
    if is_complex(dtype):
        return lambda x: (x.real, x.imag)
    if dtype in NARROW:
        return lambda x: (x.astype(np.float32),)
    return lambda x: (x,)


def _by_all(keys: list[Array], axis: int) -> Array:
    rows = rows_of(*keys)
    return np.lexsort([np.broadcast_to(key, (*key.shape[:-1], rows)) for key in reversed(keys)], axis=axis)


def top_k(equation: JaxprEqn) -> Step:
    """The largest entries of an axis and where they were, in total order: 0 before −0, NaN before ∞."""
    count = equation.params["k"]
    rank = len(shape_of(equation.invars[0]))
    axis = equation.params.get("axis", -1) % rank
    places = np.dtype(np.int32)
    require(not is_complex(dtype_of(equation.invars[0])), "top_k of complex numbers")
    first = (slice(None),) * axis + (slice(count),)

    def select(x: Array) -> tuple[Array, Array]:
        order = np.invert(_whole(total_order(x))).argsort(axis=axis, kind="stable")[first]
        return np.take_along_axis(x, order, axis), order.astype(places)

    return select


def _whole(x: Array) -> Array:
    """Truth values as whole numbers: inverting turns the order of these around."""
    return x.astype(np.int8) if x.dtype == np.bool_ else x


RULES: dict[str, Rule] = {"sort": sort, "top_k": top_k}
