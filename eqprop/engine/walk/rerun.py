"""A program that has been walked, and is walked again where some of its arguments are others.

Only operations that read something else than before run again, and what comes out as it was, up to rounding, is what it
was: a change that the results do not see costs no more than the few operations that do see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from eqprop.engine.walk.batch import widest
from eqprop.engine.walk.graph import Emitted, Routine, Value
from eqprop.engine.walk.primitives.operand import Array, rows_ahead, rows_behind
from eqprop.engine.walk.walker import Walk

SAME = 1e-12
"""What differs by less, relative to the largest number of its row, is the same: some thousand roundings of float64."""


class Rerun(Walk):
    """A program of one row with all that it computes at some rows.

    Args:
        program: of one row, as ``jax.make_jaxpr`` gives it.
        arguments: each of its shape in one row, with a last axis of rows, or of 1 where it is the same for all.

    Attributes:
        results: at these.

    Raises:
        Unsupported: as ``Walk``.
    """

    def __init__(self, program: Any, arguments: Sequence[Array]) -> None:
        super().__init__(program, ahead=True)
        self._rounding.signed(None, widest(arguments))
        self._values: dict[Value, Array] = dict(zip(self._arguments, arguments, strict=True))
        with np.errstate(all="ignore"):
            for emitted in self._emitted:
                operands = [_constant_or(self._values, value) for value in emitted.inputs]
                self._values.update(_given(emitted, emitted.step(*operands)))
        self.results = [_constant_or(self._values, value) for value in self._wanted]

    def _laid_out(self, arguments: Sequence[Value], emitted: Sequence[Emitted], results: Sequence[Value]) -> Routine:
        self._arguments, self._emitted, self._wanted = tuple(arguments), tuple(emitted), tuple(results)
        return super()._laid_out(arguments, emitted, results)

    def changed(self, arguments: Mapping[int, Array], rows: int) -> list[Array]:
        """The results where some arguments are others.

        Args:
            arguments: by their place; each with that many rows, or several times as many, one after the other.
            rows: how many of the first rows are looked at.
        """
        times = max((array.shape[-1] // rows for array in arguments.values()), default=1)

        def before(value: Value) -> Array:
            return _first(_constant_or(self._values, value), rows, times)

        self._rounding.signed(None, rows * times)
        new = {self._arguments[place]: array for place, array in arguments.items()}
        with np.errstate(all="ignore"):
            for emitted in self._emitted:
                if not new.keys().isdisjoint(emitted.inputs):
                    operands = [new[value] if value in new else before(value) for value in emitted.inputs]
                    found = _given(emitted, emitted.step(*operands))
                    new.update((value, array) for value, array in found if not _same(array, before(value)))
        return [new[value] if value in new else before(value) for value in self._wanted]


def _constant_or(known: Mapping[Value, Array], value: Value) -> Array:
    return known[value] if value.array is None else value.array


def _given(emitted: Emitted, found: Any) -> Iterable[tuple[Value, Array]]:
    if isinstance(emitted.results, Value):
        return [(emitted.results, found)]
    return zip(emitted.results, found, strict=True)


def _first(array: Array, rows: int, times: int) -> Array:
    """The first rows, several times; one row is all of them."""
    if array.shape[-1] == 1:
        return array
    first = array[..., :rows]
    return first if times == 1 else rows_behind(np.tile(rows_ahead(first), (times, *(1 for _ in array.shape[:-1]))))


def _same(array: Array, before: Array) -> bool:
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        return bool(np.all(array == before))
    axes = tuple(range(array.ndim - 1))
    apart, largest = np.abs(array - before).max(axes, initial=0.0), np.abs(before).max(axes, initial=0.0)
    return bool(np.all(apart <= SAME * largest))
