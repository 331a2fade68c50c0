"""Axes that are folded away: sums, products, extremes, logic, and where an extreme lies."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex, is_inexact
from eqprop.engine.walk.primitives.folding import folding
from eqprop.engine.walk.primitives.operand import NARROW, DType, Rule, Step, dtype_of, require, shape_of


def folded(ufunc: np.ufunc) -> Rule:
    """A sum or product: of floats in a fixed order, of whole numbers in any."""

    def rule(equation: JaxprEqn) -> Step:
        axes, dtype = tuple(sorted(equation.params["axes"])), dtype_of(equation.outvars[0])
        require(ufunc is np.add or not is_complex(dtype), "products of complex numbers along an axis")
        if is_inexact(dtype):
            return folding(ufunc, shape_of(equation.invars[0]), axes)
        return lambda x: ufunc.reduce(x, axis=axes, dtype=dtype)

    return rule


def lowest(dtype: DType) -> np.generic | int:
    """What no number of this type is less than."""
    if is_inexact(dtype):
        return dtype.type(-np.inf)
    return False if dtype == np.bool_ else np.iinfo(dtype).min


def highest(dtype: DType) -> np.generic | int:
    """What no number of this type is greater than."""
    if is_inexact(dtype):
        return dtype.type(np.inf)
    return True if dtype == np.bool_ else np.iinfo(dtype).max


Start = Callable[[DType], np.generic | int]
"""A type's number to start from."""


def extreme(ufunc: np.ufunc, start: Start) -> Rule:
    """The largest or least entry, NaN where there is one."""

    def rule(equation: JaxprEqn) -> Step:
        axes, operand = tuple(equation.params["axes"]), equation.invars[0]
        dtype, shape = dtype_of(operand), shape_of(operand)
        require(not is_complex(dtype), "extremes of complex numbers")
        if math.prod(shape[axis] for axis in axes):
            return lambda x: ufunc.reduce(x, axis=axes)
        left = tuple(size for axis, size in enumerate(shape) if axis not in axes)
        return lambda x: np.full((*left, x.shape[-1]), start(dtype), dtype)

    return rule


def logical(ufunc: np.ufunc) -> Rule:
    """Bit by bit."""

    def rule(equation: JaxprEqn) -> Step:
        axes, dtype = tuple(equation.params["axes"]), dtype_of(equation.invars[0])
        return lambda x: ufunc.reduce(x, axis=axes, dtype=dtype)

    return rule


def place(find: Step) -> Rule:
    """Where the extreme lies; the first of several, of a NaN before all others."""

    def rule(equation: JaxprEqn) -> Step:
        (axis,), dtype = equation.params["axes"], np.dtype(equation.params["index_dtype"])
        require(shape_of(equation.invars[0])[axis] > 0, "the place of an extreme among none")
        if dtype_of(equation.invars[0]) in NARROW:
            return lambda x: find(x.astype(np.float32), axis=axis).astype(dtype)
        return lambda x: find(x, axis=axis).astype(dtype)

    return rule


RULES: dict[str, Rule] = {
    "reduce_sum": folded(np.add),
    "reduce_prod": folded(np.multiply),
    "reduce_max": extreme(np.maximum, lowest),
    "reduce_min": extreme(np.minimum, highest),
    "reduce_and": logical(np.bitwise_and),
    "reduce_or": logical(np.bitwise_or),
    "reduce_xor": logical(np.bitwise_xor),
    "argmax": place(np.argmax),
    "argmin": place(np.argmin),
}
