"""What rules read off an operation: shapes and types of one row, and how rows lie in arrays.

A value of shape s is held as an array of shape s + (B,), or s + (1,) where it is the same for all rows. A random key
is held as its data: its shape is then followed by that of the key data.
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


def require(condition: bool, what: str) -> None:
    """Leave an operation to JAX unless the condition holds.

    Raises:
        Unsupported: with what is not known.
    """
    if not condition:
        raise Unsupported(what)
