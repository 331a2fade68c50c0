"""Operations as closures over slots: what a walk goes through.

A routine is a list of functions of one list of arrays, the slots: each takes its operands from their slots and puts
its results into theirs. A slot is used again once its array has been read for the last time, and cleared where nothing
takes its place at once, so that an array lives no longer than it is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.deadline import expect_time_left
from eqprop.engine.walk.graph import Emitted, Operation, Value
from eqprop.engine.walk.noise import Rounding
from eqprop.engine.walk.primitives.operand import Step

Slots = list[Any]
Closure = Callable[[Slots], None]


@dataclass(frozen=True)
class Slotted:
    """A block that can be run.

    Attributes:
        closures: one for each operation, in order, in pieces between which it may be ended (``deadline``).
        template: what stands in the slots behind those of the arguments at first: constants, and nothing.
        results: the slots of what is asked for.
    """

    closures: tuple[tuple[Closure, ...], ...]
    template: tuple[object, ...]
    results: tuple[int, ...]

    def __call__(self, slots: Slots) -> list[np.ndarray]:
        """Run it.

        Args:
            slots: the arguments, in a list that nobody else uses: it is used up.
        """
        slots.extend(self.template)
        for piece in self.closures:
            expect_time_left()
            for closure in piece:
                closure(slots)
        return [slots[i] for i in self.results]


class Routines:
    """Turns blocks into routines, and does at once what depends on constants only.

    Args:
        rule: how a primitive is computed.
        rounding: whose errors follow each operation that rounds.
    """

    def __init__(self, rule: Callable[[JaxprEqn], Step], rounding: Rounding) -> None:
        self.rule = rule
        self.rounding = rounding
        self.steps = 0

    def routine(self, arguments: Sequence[Value], operations: Sequence[Operation], results: Sequence[Value]) -> Slotted:
        """The routine of some operations.

        Args:
            arguments: the values in its first slots.
            operations: those that are needed.
            results: what it returns.
        """
        return slotted(arguments, self.emitted(operations), results)

    def emitted(self, operations: Sequence[Operation]) -> list[Emitted]:
        """The operations as they are run, without those that are done already."""
        emitted = [each for operation in operations if not _folded(operation, each := operation.emitted(self))]
        self.steps += len(emitted)
        return emitted


def slotted(arguments: Sequence[Value], emitted: Sequence[Emitted], results: Sequence[Value]) -> Slotted:
    """Operations laid out in slots."""
    return _Layout(arguments, results).routine(emitted)


PIECE = 64
"""Operations after which it is asked whether there is time for more."""

HELD = 1 << 20
"""Bytes: a constant that takes more of them is worked out in every walk anew, and is gone behind its last reader."""


def _folded(operation: Operation, emitted: Emitted) -> bool:
    """Whether the operation was done here and now: it rounds nothing, and is made of constants to one that is kept."""
    known = [value.array for value in emitted.inputs]
    if any(array is None for array in known) or not operation.exact:
        return False
    found, results = emitted.step(*known), emitted.results
    if isinstance(results, Value):
        found, results = (found,), (results,)
    kept = list(map(_kept, found))
    if any(array is None for array in kept):
        return False
    for result, array in zip(results, kept, strict=True):
        result.array = array
    return True


def _kept(array: np.ndarray) -> np.ndarray | None:
    """A constant as it is kept: of a large one whose entries are all the same one of them; no other large one is."""
    own = math.prod(size for size, stride in zip(array.shape, array.strides, strict=True) if stride)
    if own * array.itemsize <= HELD:
        return array
    entries = np.ascontiguousarray(array).reshape(-1, 1).view(np.uint8)  # zeros of both signs are not the same
    return np.broadcast_to(array.reshape(-1)[0], array.shape) if (entries == entries[0]).all() else None


class _Layout:
    """Which value lies in which slot, and until when."""

    def __init__(self, arguments: Sequence[Value], results: Sequence[Value]) -> None:
        self.slots = {value: i for i, value in enumerate(arguments)}
        self.template: list[object] = []
        self.first = len(arguments)
        self.results = results
        self.free: list[int] = []

    def routine(self, emitted: Sequence[Emitted]) -> Slotted:
        final = _last_reads([each.inputs for each in emitted], self.results)
        closures = [self._closure(i, each, final) for i, each in enumerate(emitted)]
        pieces = tuple(tuple(closures[i : i + PIECE]) for i in range(0, len(closures), PIECE))
        returned = tuple(map(self._slot, self.results))  # which may be constants, and in the template, too
        return Slotted(pieces, tuple(self.template), returned)

    def _closure(self, number: int, emitted: Emitted, final: dict[Value, int]) -> Closure:
        taken = tuple(map(self._slot, emitted.inputs))
        ending = [self.slots[value] for value in dict.fromkeys(emitted.inputs) if final.get(value) == number]
        self.free += ending
        given = self._given(emitted.results, number, final)
        cleared = tuple(slot for slot in ending if slot in self.free)
        return closure(emitted.step, taken, given, cleared)

    def _given(self, results: Value | tuple[Value, ...], number: int, final: dict[Value, int]) -> int | tuple[int, ...]:
        """Slots for results; -1 for those that nobody reads."""
        if isinstance(results, Value):
            return self._taken(results)
        return tuple(self._taken(result) if final.get(result, number) > number else -1 for result in results)

    def _taken(self, result: Value) -> int:
        self.slots[result] = self.free.pop() if self.free else self._appended(None)
        return self.slots[result]

    def _slot(self, value: Value) -> int:
        if value not in self.slots:
            assert value.array is not None, "a value is read before it is given"
            self.slots[value] = self._appended(value.array)
        return self.slots[value]

    def _appended(self, content: object) -> int:
        self.template.append(content)
        return self.first + len(self.template) - 1


def _last_reads(inputs: Sequence[tuple[Value, ...]], results: Sequence[Value]) -> dict[Value, int]:
    """The number of the operation that reads each value last; one more than there are for results. Constants stay."""
    final = {value: i for i, values in enumerate(inputs) for value in values if value.array is None}
    final.update(dict.fromkeys(results, len(inputs)))
    return final


def closure(step: Step, taken: tuple[int, ...], given: int | tuple[int, ...], cleared: tuple[int, ...]) -> Closure:
    """The step from slots to slots; written out for the usual numbers of operands, which halves what a call takes."""
    if isinstance(given, tuple):
        return _many(step, taken, given, cleared)
    if cleared or len(taken) not in _SINGLE:
        return _general(step, taken, given, cleared)
    return _SINGLE[len(taken)](step, taken, given)


def _one(step: Step, taken: tuple[int, ...], given: int) -> Closure:
    (a,) = taken

    def go(slots: Slots) -> None:
        slots[given] = step(slots[a])

    return go


def _two(step: Step, taken: tuple[int, ...], given: int) -> Closure:
    a, b = taken

    def go(slots: Slots) -> None:
        slots[given] = step(slots[a], slots[b])

    return go


def _three(step: Step, taken: tuple[int, ...], given: int) -> Closure:
    a, b, c = taken

    def go(slots: Slots) -> None:
        slots[given] = step(slots[a], slots[b], slots[c])

    return go


_SINGLE = {1: _one, 2: _two, 3: _three}


def _general(step: Step, taken: tuple[int, ...], given: int, cleared: tuple[int, ...]) -> Closure:
    def go(slots: Slots) -> None:
        slots[given] = step(*[slots[i] for i in taken])
        for i in cleared:
            slots[i] = None

    return go


def _many(step: Step, taken: tuple[int, ...], given: tuple[int, ...], cleared: tuple[int, ...]) -> Closure:
    targets = tuple((i, slot) for i, slot in enumerate(given) if slot >= 0)

    def go(slots: Slots) -> None:
        found = step(*[slots[i] for i in taken])
        for i in cleared:
            slots[i] = None
        for i, slot in targets:
            slots[slot] = found[i]

    return go
