"""Which operations round: both evaluators put their errors behind these, and behind no other."""

from __future__ import annotations

from functools import cache

import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import JaxprEqn
from jax.typing import DTypeLike

from eqprop.engine.jaxprs import aval_of
from eqprop.engine.trees import Array

EXACT = frozenset({
    # moved and copied
    "bitcast_convert_type", "broadcast_in_dim", "concatenate", "copy", "copy_p", "device_put", "dynamic_slice",
    "dynamic_update_slice", "empty", "empty2", "gather", "iota", "name", "optimization_barrier", "pad", "reshape",
    "rev", "scatter", "slice", "split", "squeeze", "stack", "stop_gradient", "tile", "transpose", "unstack",
    # chosen from what is there
    "clamp", "cummax", "cummin", "max", "min", "reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min",
    "scatter-max", "scatter-min", "select_n", "sort", "top_k",
    # signs, parts and whole numbers
    "abs", "ceil", "complex", "conj", "floor", "imag", "neg", "nextafter", "real", "round", "sign",
})  # fmt: skip
"""Operations on floating-point numbers that do not round, by the names that programs have."""

OF_PARTS = frozenset({"abs", "sign"})
"""Of a complex number these are made of a square root, which rounds."""


OF_THE_WHOLE = frozenset({"eig", "eigh", "hessenberg", "schur", "svd", "tridiagonal"})
"""Decompositions whose errors are those of a matrix that is off by a unit in the last place of its largest entry: a
small eigenvalue beside large ones has few digits, and zeros do not stay zero."""

POWERS = frozenset({"integer_pow", "pow"})
UNDERFLOWING = POWERS | {"mul", "div"}
"""Operations whose result may be smaller than any number there is though it matters what it is: JAX's derivative of
x / y multiplies by y⁻², the next one by y⁻³, and then by a large x; that of a root divides by one root more."""


def underflows(equation: JaxprEqn) -> bool:
    """Whether a result of 0, or one that XLA takes for 0, may stand for one that matters: see ``UNDERFLOWING``.

    The error is of the size of the smallest normal number then, and no part of the result. A product with one number,
    as constants of a program are, is small only where the other factor is, and float16 has such errors everywhere.
    """
    name, result = equation.primitive.name, aval_of(equation.outvars[0])
    if name not in UNDERFLOWING or not rounded(result) or result.dtype == jnp.float16:
        return False
    return name in POWERS or all(aval_of(variable).shape == result.shape for variable in equation.invars)


def rounds(equation: JaxprEqn) -> bool:
    """Whether an operation of a traced program rounds a real or complex result."""
    name, given = equation.primitive.name, equation.invars
    if name in EXACT and not (name in OF_PARTS and is_complex(aval_of(given[0]).dtype)):
        return False
    if name == "convert_element_type" and _widens(aval_of(given[0]).dtype, aval_of(equation.outvars[0]).dtype):
        return False
    return any(rounded(aval_of(variable)) for variable in equation.outvars)


def rounded(value: Array | ShapedArray) -> bool:
    """Whether an array has entries that rounding errors change: real or complex numbers in floating point."""
    return value.size > 0 and is_inexact(value.dtype)


def is_short(value: Array) -> bool:
    """Whether every number has at most half of its type's digits: a constant that nothing was rounded of.

    An exponent that JAX writes as 3 − 1, or the order 1 + 1 of a derivative, is a whole number and means something else
    beside one; what is rounded has half of its digits zero by a rare chance.
    """
    parts = (value.real, value.imag) if is_complex(value.dtype) else (value,)
    digits = 2.0 ** ((jnp.finfo(value.dtype).nmant + 1) // 2)
    scaled = [np.frexp(np.asarray(part, np.float64))[0] * digits for part in parts]
    return all(bool(np.all(np.rint(each) == each)) for each in scaled)


@cache
def _widens(old: np.dtype, new: np.dtype) -> bool:
    """Whether every number of the one type is a number of the other."""
    return is_inexact(old) and np.can_cast(old, new)


@cache
def is_complex(dtype: DTypeLike) -> bool:
    """Whether this is the type of complex numbers."""
    return jnp.issubdtype(dtype, jnp.complexfloating)


@cache
def is_inexact(dtype: DTypeLike) -> bool:
    """Whether numbers of this type are rounded."""
    return jnp.issubdtype(dtype, jnp.inexact)
