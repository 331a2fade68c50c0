"""A rounding error of its own after each operation: what no perturbation of the inputs can show.

Where a function saturates (1 − tanh²) or absorbs a small term (a bias plus a large weight, taken off again), the inputs
may move by a unit in the last place and nothing moves with them, while rounding inside has already destroyed what
comes out.
Here every operation that rounds is followed by a factor 1 ± eps, with a sign for each entry, operation and row (random
rounding, after Parker's Monte Carlo arithmetic, 1997). The signs come from a table of each row; where they are 0 the
row is what it is without.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex, rounded, rounds
from eqprop.engine.jaxprs import aval_of
from eqprop.engine.walk.primitives.operand import Step

TABLE = 1021
"""How many signs a row has; results take theirs from it in turn, from a new place each time."""

STRIDE = 331
"""How far the places of one result's first sign and of the next one's lie apart."""

TURN = 97
"""By how many places the table is turned from one round of a loop to the next."""

AT_ONCE = 1 << 16
"""How many entries of a result take their factors as one piece of the table."""


class Rounding:
    """The errors of one program, and the signs that they have in a walk.

    Args:
        size: how large an operation's errors are, in units in the last place.

    Attributes:
        shift: by how many places the table is turned in the present round of a loop.
    """

    def __init__(self, size: Callable[[Any], float]) -> None:
        self._size = size
        self.shift = 0
        self._place = 0
        self._length = 0
        self._signs: np.ndarray | None = None
        self._rows = 1
        self._factors: dict[Any, np.ndarray] = {}

    def signed(self, signs: np.ndarray | None, rows: int) -> None:
        """Take the signs of a walk.

        Args:
            signs: 1, −1 or 0, shape (``TABLE``, n), each for rows / n rows, one after the other; None for no errors.
            rows: how many the walk has.
        """
        self.shift = 0
        self._signs = signs
        self._rows = rows
        self._factors = {}

    def after(self, equation: JaxprEqn, step: Step) -> Step:
        """The step of an operation, followed by its errors."""
        if not rounds(equation):
            return step
        size, results = self._size(equation), [aval_of(variable) for variable in equation.outvars]
        errors = [self._error(aval, size) if rounded(aval) else None for aval in results]
        if not equation.primitive.multiple_results:
            (only,) = errors
            assert only is not None, "an operation that rounds has a result in floating point"
            return lambda *arrays: only(step(*arrays))

        def erring(*arrays: Any) -> tuple[Any, ...]:
            found = step(*arrays)
            return tuple(e(value) if e is not None else value for e, value in zip(errors, found, strict=True))

        return erring

    def table(self) -> Callable[[], np.ndarray | None]:
        """Of what has errors inside: their signs in the present round, shape (``TABLE``, n); None where there are none.

        They are taken from a new place on.
        """
        self._place = place = (self._place + STRIDE) % TABLE
        return lambda: None if self._signs is None else np.roll(self._signs, -(place + self.shift), axis=0)

    def _error(self, aval: Any, ulps: float) -> Callable[[Any], Any]:
        """What makes errors in an array of this shape and type."""
        dtype = np.dtype(aval.dtype)
        if not is_complex(dtype):
            return self._real_error(aval.shape, dtype, ulps)
        part = np.finfo(dtype).dtype
        real, imaginary = (self._real_error(aval.shape, part, ulps) for _ in range(2))

        def error(value: np.ndarray) -> np.ndarray:
            return _complex(real(np.real(value)), imaginary(np.imag(value))) if self._signs is not None else value

        return error

    def _real_error(self, shape: tuple[int, ...], dtype: np.dtype[Any], ulps: float) -> Callable[[Any], Any]:
        """Likewise in an array of real numbers, beginning at a place of its own."""
        self._place = place = (self._place + STRIDE) % TABLE
        size = math.prod(shape)
        self._length = max(self._length, min(size, AT_ONCE))

        def error(value: np.ndarray) -> np.ndarray:
            if self._signs is None:
                return value
            factors = self._of(dtype, ulps)
            start = (place + self.shift) % TABLE
            if size > AT_ONCE:
                return _piece_by_piece(value, factors, start, self._rows)
            return _multiplied(value, factors[start : start + size].reshape(*shape, -1), self._rows)

        return error

    def _of(self, dtype: np.dtype[Any], ulps: float) -> np.ndarray:
        """The factors for results of a type, shape (entries, n)."""
        if (dtype, ulps) not in self._factors:
            assert self._signs is not None, "factors are asked for where there are signs"
            one = dtype.type(1) + dtype.type(ulps * float(jnp.finfo(dtype).eps)) * self._signs.astype(dtype)
            repeats = -(-(self._length + TABLE) // TABLE)
            self._factors[dtype, ulps] = np.tile(one, (repeats, 1))
        return self._factors[dtype, ulps]


def _complex(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Put together by parts: products with the imaginary unit make NaN of what is infinite."""
    whole = np.empty(real.shape, np.result_type(real, np.complex64))
    whole.real, whole.imag = real, imaginary
    return whole


def _multiplied(value: np.ndarray, factors: np.ndarray, rows: int) -> np.ndarray:
    """The value with its errors, in all rows.

    Args:
        value: with a last axis of rows, or of 1.
        factors: with a last axis n, each for rows / n rows.
        rows: how many there are.
    """
    each = factors.shape[-1]
    if each < rows:
        factors = factors[..., None]
        value = value[..., None] if value.shape[-1] == 1 else value.reshape(*value.shape[:-1], each, rows // each)
    noisy = value * factors
    if value.dtype == np.float16:
        # It runs out of range early: below its smallest normal number a unit in the last place gets no smaller.
        noisy = noisy + (factors - np.float16(1)) * np.finfo(np.float16).smallest_normal
    if each == rows:
        return noisy
    whole = np.broadcast_to(noisy, (*noisy.shape[:-1], rows // each))
    return whole.reshape(*whole.shape[:-2], rows)


def _piece_by_piece(value: np.ndarray, factors: np.ndarray, start: int, rows: int) -> np.ndarray:
    """Likewise for a large array: each piece takes the table from the same place on, a whole number of times."""
    flat = value.reshape(-1, value.shape[-1])
    noisy = np.empty((len(flat), rows), value.dtype)
    piece = AT_ONCE // TABLE * TABLE
    for first in range(0, len(flat), piece):
        here = flat[first : first + piece]
        noisy[first : first + piece] = _multiplied(here, factors[start : start + len(here)], rows)
    return noisy.reshape(*value.shape[:-1], -1)
