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

from eqprop.engine.exact import OF_THE_WHOLE, POWERS, is_complex, rounded, rounds, underflows
from eqprop.engine.jaxprs import aval_of
from eqprop.engine.walk.primitives.operand import Step, blank, rows_ahead, rows_behind

TABLE = 1021
"""How many signs a row has; results take theirs from it in turn, from a new place each time."""

STRIDE = 331
"""How far the places of one result's first sign and of the next one's lie apart."""

TURN = 97
"""By how many places the table is turned from one round of a loop to the next."""

AT_ONCE = 1 << 16
"""How many entries of a result take their factors as one piece of the table."""

SMALL = 1 << 12
"""Numbers that are multiplied by one sooner than told apart from those that have errors."""

WIDE = 1 << 22
"""Bytes that a table may take with a factor for each row: products with it run twice as fast as with one for many."""

FRESH = frozenset({"add", "add_any", "cos", "div", "exp", "integer_pow", "logistic", "mul", "sqrt", "sub", "tanh"}) | {
    *("conv_general_dilated", "dot_general", "scatter-add")
}
"""Operations whose result is an array of their own, which may be changed; a first power is its operand."""


class Rounding:
    """The errors of one program, and the signs that they have in a walk.

    Args:
        size: how large an operation's errors are, in units in the last place; 0 for none.
        ahead: whether each row lies in memory as a whole (``operand``).

    Attributes:
        ahead: likewise.
        shift: by how many places the table is turned in the present round of a loop.
        overflowed: whether a result was too large for its type in the present walk.
    """

    def __init__(self, size: Callable[[Any], float], *, ahead: bool = False) -> None:
        self._size = size
        self.ahead = ahead
        self.shift = 0
        self._place = 0
        self._length = 0
        self._signs: np.ndarray | None = None
        self._rows = 1
        self._exact = 0
        self._underflowed = False
        self.overflowed = False
        self._factors: dict[Any, np.ndarray] = {}
        self._of_rows: dict[int, np.ndarray] = {}

    def signed(self, signs: np.ndarray | None, rows: int) -> None:
        """Take the signs of a walk.

        Args:
            signs: 1, −1 or 0, shape (``TABLE``, n), each for rows / n rows, one after the other; None for no errors.
            rows: how many the walk has.
        """
        self.shift = 0
        self.overflowed = False
        self._of_rows = {}
        before, self._signs = self._signs, signs
        former, self._rows = self._rows, rows
        if signs is None:
            return
        self._exact = 0 if signs[:, 0].any() else rows // signs.shape[-1]
        if before is None or before.shape != signs.shape or rows != former:
            self._factors = {}  # a new object: views of the former one are known by it
        for kind, factors in self._factors.items():
            factors[...] = self._factors_of(*kind)

    def out_of_range(self, kind: str, flag: int) -> None:
        """What NumPy calls where a result is too small or too large for its type (``numpy.errstate``)."""
        del flag
        if kind == "underflow":
            self._underflowed = True
        else:
            self.overflowed = True

    def after(self, equation: JaxprEqn, step: Step) -> Step:
        """The step of an operation, followed by its errors."""
        size = self._size(equation) if rounds(equation) else 0.0
        if not size:
            return step
        if equation.primitive.name in OF_THE_WHOLE:
            step = self._of_the_whole(equation, step, size)
        if underflows(equation):
            step = self._underflowing(equation, step, size)
        results = [aval_of(variable) for variable in equation.outvars]
        fresh = equation.primitive.name in FRESH and equation.params.get("y") != 1
        errors = [self._error(aval, size, fresh=fresh) if rounded(aval) else None for aval in results]
        if not equation.primitive.multiple_results:
            (only,) = errors
            assert only is not None, "an operation that rounds has a result in floating point"
            return lambda *arrays: only(step(*arrays))

        def erring(*arrays: Any) -> tuple[Any, ...]:
            found = step(*arrays)
            return tuple(e(value) if e is not None else value for e, value in zip(errors, found, strict=True))

        return erring

    def inside(self, equation: JaxprEqn) -> Callable[[int, int], tuple[np.ndarray | None, int]]:
        """Of what has errors inside: their signs in the present round, and at which of a row's signs they start.

        That takes how many rows the walk has and how often each is repeated, and gives signs of shape (rows · repeats,
        ``TABLE``), or None where there are no errors. The array is the same one for all operations of a walk.
        """
        self._place = place = (self._place + STRIDE) % TABLE
        errs = self._size(equation) > 0

        def signs(rows: int, repeats: int) -> tuple[np.ndarray | None, int]:
            if not errs or self._signs is None:
                return None, 0
            each = max(rows // self._signs.shape[-1], 1) * repeats
            if each not in self._of_rows:
                # Bytes: a table of every row's is most of what there is to carry.
                self._of_rows[each] = np.repeat(self._signs.T.astype(np.int8), each, axis=0)
            return self._of_rows[each], (place + self.shift) % TABLE

        return signs

    def _of_the_whole(self, equation: JaxprEqn, step: Step, ulps: float) -> Step:
        """A decomposition, of matrices that are off by units in the last place of their largest entries."""
        aval = aval_of(equation.invars[0])
        error = self._error(aval, ulps, fresh=False)

        def decompose(matrices: np.ndarray, *others: np.ndarray) -> Any:
            if self._signs is None:
                return step(matrices, *others)
            largest = np.abs(matrices).max(axis=(-3, -2), keepdims=True, initial=0)
            largest = np.broadcast_to(largest * (1 + 1j) if is_complex(aval.dtype) else largest, matrices.shape)
            return step(matrices + (error(largest) - largest), *others)

        return decompose

    def _underflowing(self, equation: JaxprEqn, step: Step, ulps: float) -> Step:
        """A step whose results are off by the smallest normal number where they are less and its operands are not 0.

        By comparison, not by adding it everywhere: what is made of 0, or by what is infinite, is 0. The processor
        tells of products that underflow, at no cost; of 1 / ∞, as negative powers have it, it says nothing.
        """
        aval, always = aval_of(equation.outvars[0]), equation.primitive.name in POWERS
        always = always and equation.params.get("y", -1) < 0
        error, limits = self._error(aval, ulps, fresh=False), jnp.finfo(aval.dtype)
        one = np.asarray(1 + 1j if is_complex(aval.dtype) else 1, aval.dtype)
        least = limits.smallest_normal

        def underflowing(*operands: np.ndarray) -> np.ndarray:
            self._underflowed = False
            value = step(*operands)
            if self._signs is None or not (self._underflowed or always):
                return value
            lost = np.abs(value) < least
            for operand in operands if lost.any() else ():
                lost &= operand != 0
                lost &= np.isfinite(operand)
            if not lost.any():
                return value
            # What underflows lies between 0 and there: a square stays one, of which a root is taken.
            up = error(np.broadcast_to(one, value.shape))
            noisy = blank(aval.shape, self._rows, value.dtype, ahead=self.ahead)
            noisy[...] = value
            for part in (np.real, np.imag) if is_complex(aval.dtype) else (np.real,):
                np.copysign(least, part(noisy), out=part(noisy), where=lost & (part(up) > 1))
            return noisy

        return underflowing

    def _error(self, aval: Any, ulps: float, *, fresh: bool) -> Callable[[Any], Any]:
        """What makes errors in an array of this shape and type, in place where nobody else has it."""
        dtype = np.dtype(aval.dtype)
        if not is_complex(dtype):
            return self._real_error(aval.shape, dtype, ulps, fresh=fresh)
        part = np.finfo(dtype).dtype
        real, imaginary = (self._real_error(aval.shape, part, ulps) for _ in range(2))

        def error(value: np.ndarray) -> np.ndarray:
            return _complex(real(np.real(value)), imaginary(np.imag(value))) if self._signs is not None else value

        return error

    def _real_error(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], ulps: float, *, fresh: bool = False
    ) -> Callable[[Any], Any]:
        """Likewise in an array of real numbers, beginning at a place of its own."""
        self._place = place = (self._place + STRIDE) % TABLE
        size = math.prod(shape)
        self._length = max(self._length, min(size, AT_ONCE))
        fresh = fresh and dtype != np.float16

        seen: list[Any] = [None, None, None]

        def error(value: np.ndarray) -> np.ndarray:
            if self._signs is None:
                return value
            if seen[0] is not self._factors:
                table = self._of(dtype, ulps)
                seen[:] = self._factors, table, self._piece(table, place, shape) if size <= AT_ONCE else None
            changeable = fresh and value.shape[-1] == self._rows and value.flags.writeable
            if size > AT_ONCE:
                return self._piece_by_piece(value, seen[1], place, changeable=changeable)
            factors = self._piece(seen[1], (place + self.shift) % TABLE, shape) if self.shift else seen[2]
            if changeable:
                return self._in_place(value, factors)
            return _with_errors(value, factors, self._rows, ahead=self.ahead)

        return error

    def _piece_by_piece(self, value: np.ndarray, factors: np.ndarray, place: int, *, changeable: bool) -> np.ndarray:
        """A large array with its errors: each piece takes the table from the same place on, a whole number of times."""
        size = math.prod(value.shape[:-1])
        flat = rows_behind(rows_ahead(value).reshape((-1, size))) if self.ahead else value.reshape((size, -1))
        start, length = (place + self.shift) % TABLE, AT_ONCE // TABLE * TABLE
        pieces = [slice(first, min(first + length, size)) for first in range(0, size, length)]
        these = [factors[start : start + piece.stop - piece.start] for piece in pieces]
        if changeable and np.may_share_memory(flat, value):
            for piece, each in zip(pieces, these, strict=True):
                self._in_place(flat[piece], each)
            return value
        noisy = blank((size,), self._rows, value.dtype, ahead=self.ahead)
        for piece, each in zip(pieces, these, strict=True):
            noisy[piece] = _with_errors(flat[piece], each, self._rows, ahead=self.ahead)
        return noisy.reshape((*value.shape[:-1], self._rows))

    def _in_place(self, value: np.ndarray, factors: np.ndarray) -> np.ndarray:
        """The value itself with errors in all rows, or in all but those that have none where it is worth the views."""
        shape, n = factors.shape[:-1], factors.shape[-1]
        if n == self._rows:
            first = 0 if value.size <= SMALL else self._exact
            erring = value[..., first:]
            np.multiply(erring, factors[..., first:], out=erring)
            return value
        erring, each = value[..., self._exact :], factors[..., min(self._exact, 1) :]
        if self.ahead:
            grouped = rows_ahead(erring).reshape((each.shape[-1], self._rows // n, *shape))
            np.multiply(grouped, rows_ahead(each)[:, None], out=grouped)
        else:
            grouped = erring.reshape((*shape, each.shape[-1], self._rows // n))
            np.multiply(grouped, each[..., None], out=grouped)
        return value

    def _piece(self, table: np.ndarray, start: int, shape: tuple[int, ...]) -> np.ndarray:
        """The factors for a result that takes them from a place on, of its shape, with the table's last axis."""
        these = table[start : start + math.prod(shape)]
        n = these.shape[-1]
        return rows_behind(these.T.reshape((n, *shape))) if self.ahead else these.reshape((*shape, n))

    def _of(self, dtype: np.dtype[Any], ulps: float) -> np.ndarray:
        """The factors for results of a type, shape (entries, n) or (entries, rows); in memory as the rows are."""
        if (dtype, ulps) not in self._factors:
            factors = self._factors_of(dtype, ulps)
            self._factors[dtype, ulps] = np.ascontiguousarray(factors.T).T if self.ahead else factors
        return self._factors[dtype, ulps]

    def _factors_of(self, dtype: np.dtype[Any], ulps: float) -> np.ndarray:
        assert self._signs is not None, "factors are asked for where there are signs"
        one = dtype.type(1) + dtype.type(ulps * float(jnp.finfo(dtype).eps)) * self._signs.astype(dtype)
        times = -(-(self._length + TABLE) // TABLE)
        if not self.ahead and times * TABLE * self._rows * dtype.itemsize <= WIDE:
            one = np.repeat(one, self._rows // one.shape[-1], axis=-1)
        return np.tile(one, (times, 1))


def _complex(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Put together by parts: products with the imaginary unit make NaN of what is infinite."""
    whole = np.empty_like(real, np.result_type(real, np.complex64))
    whole.real, whole.imag = real, imaginary
    return whole


def _erring(value: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The value with its errors; their last axes are as long, or one of them is of length 1."""
    if value.dtype == np.float16:
        # It runs out of range early: below its smallest normal number a unit in the last place gets no smaller.
        return value * factors + (factors - np.float16(1)) * np.finfo(np.float16).smallest_normal
    return value * factors


def _with_errors(value: np.ndarray, factors: np.ndarray, rows: int, *, ahead: bool) -> np.ndarray:
    """Likewise in all rows, where each factor is for as many of them, one after the other."""
    shape, each = factors.shape[:-1], factors.shape[-1]
    if each == rows:
        return _erring(value, factors)
    if value.shape[-1] == 1:
        noisy = np.broadcast_to(_erring(value, factors)[..., None], (*shape, each, rows // each))
        return noisy.reshape((*shape, rows))
    if ahead:
        grouped = rows_ahead(value).reshape((each, rows // each, *shape))
        return rows_behind(_erring(grouped, rows_ahead(factors)[:, None]).reshape((rows, *shape)))
    return _erring(value.reshape((*shape, each, rows // each)), factors[..., None]).reshape((*shape, rows))
