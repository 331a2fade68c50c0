"""What rules read off an operation: shapes and types of one row, and how rows lie in arrays.

A value of shape s is held as an array of shape s + (B,), or s + (1,) where it is the same for all rows. A random key
is held as its data: its shape is then followed by that of the key data.

In memory the rows lie side by side where they are many and short, or one behind the other where they are long: a view
whose last axis has the widest step (``apart``). Steps give their results the layout of what they take.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from eqprop.engine.jaxprs import Typed, aval_of
from eqprop.engine.walk.unsupported import Unsupported

Array = np.ndarray[Any, Any]
DType = np.dtype[Any]
Step = Callable[..., Any]
"""From the operands' arrays to the result's, or to a tuple of arrays where the primitive has several results."""

Rule = Callable[[Any], Step]
"""From an operation of the row's program (a ``JaxprEqn``) to its step; raises ``Unsupported``."""

NARROW = frozenset({np.dtype(np.float16), np.dtype(jnp.bfloat16)})
"""Floats that XLA computes with in float32, to round the result once."""

TINY = frozenset(
    np.dtype(t) for t in vars(ml_dtypes).values() if isinstance(t, type) and t.__name__.startswith("float8")
)
"""Floats of eight bits."""


def dtype_of(variable: Typed) -> DType:
    """The type of a variable's entries; uint32 for keys."""
    dtype = aval_of(variable).dtype
    return np.dtype(np.uint32) if is_key(variable) else np.dtype(dtype)


def is_key(variable: Typed) -> bool:
    """Whether a variable holds typed random keys."""
    return jnp.issubdtype(aval_of(variable).dtype, jax.dtypes.prng_key)


def key_shape(variable: Typed) -> tuple[int, ...]:
    """The axes that hold the data of each key; none for numbers."""
    if not is_key(variable):
        return ()
    implementation = aval_of(variable).dtype._impl  # noqa: SLF001 - nothing public says how long a key is
    return tuple(implementation.key_shape)


def shape_of(variable: Typed) -> tuple[int, ...]:
    """The axes of a row, those of key data included."""
    return tuple(aval_of(variable).shape) + key_shape(variable)


def size_of(variable: Typed) -> int:
    """How many numbers a row has."""
    return math.prod(shape_of(variable))


def rows_of(*arrays: Array) -> int:
    """How many rows there are among several values: as many as any has that differs from row to row, else one."""
    for array in arrays:
        if array.shape[-1] != 1:
            return array.shape[-1]
    return 1


def apart(*arrays: Array) -> bool:
    """Whether rows lie one behind the other in memory, each as a whole: the first array that has several says so."""
    for array in arrays:
        if array.ndim > 1 and array.shape[-1] > 1:
            widest = max(array.strides[:-1])
            if widest > 0:
                return array.strides[-1] >= widest
    return False


def blank(shape: tuple[int, ...], rows: int, dtype: DType, *, ahead: bool) -> Array:
    """A new array of some rows, each as a whole in memory or side by side."""
    if ahead:
        return rows_behind(np.empty((rows, *shape), dtype))
    return np.empty((*shape, rows), dtype)


def rows_ahead(array: Array) -> Array:
    """The axis of rows in front, as a view."""
    return array.transpose((array.ndim - 1, *range(array.ndim - 1)))


def rows_behind(array: Array) -> Array:
    """And back behind the others."""
    return array.transpose((*range(1, array.ndim), 0))


def kept_ahead(step: Step, *, many: bool) -> Step:
    """A step whose results have each row in memory as a whole, whatever it gives them."""

    def one(array: Array) -> Array:
        if array.ndim == 1 or array.shape[-1] == 1 or apart(array) or not any(array.strides[:-1]):
            return array
        return rows_behind(np.ascontiguousarray(rows_ahead(array)))

    return (lambda *operands: tuple(map(one, step(*operands)))) if many else (lambda *operands: one(step(*operands)))


def require(condition: bool, what: str) -> None:
    """Leave an operation to JAX unless the condition holds.

    Raises:
        Unsupported: with what is not known.
    """
    if not condition:
        raise Unsupported(what)
