"""What is made of a program's results as soon as they are there, so that they need not be kept.

The sides of a large model are as large as itself, and there are two for each property: of these only a few numbers are
wanted in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eqprop.engine.walk.graph import Block, Emitted, Emitter, Operation, Value, Wanted
from eqprop.engine.walk.primitives.operand import Step


@dataclass(frozen=True)
class Reading:
    """An array that is made of some results.

    Attributes:
        positions: which results.
        step: takes their arrays, and gives one.
    """

    positions: tuple[int, ...]
    step: Step


class Read(Operation):
    """A reading as the operation that it is."""

    __slots__ = ("_step",)

    def __init__(self, reading: Reading, results: Sequence[Value], block: Block) -> None:
        operands = [results[position] for position in reading.positions]
        super().__init__(operands, [Value(None, block)])
        self._step = reading.step

    @property
    def exact(self) -> bool:
        return False

    def reads(self, wanted: Wanted) -> Sequence[Value]:
        del wanted
        return self.operands

    def emitted(self, emitter: Emitter) -> Emitted:
        del emitter
        return Emitted(self.operands, self._step, self.results[0])


def interleaved(operations: Sequence[Operation], reads: Iterable[Read]) -> list[Operation]:
    """Operations with each reading right behind the last one that it needs."""
    given = {result: i for i, operation in enumerate(operations) for result in operation.results}
    behind: dict[int, list[Read]] = {}
    for read in reads:
        behind.setdefault(max((given.get(value, -1) for value in read.operands), default=-1), []).append(read)
    merged: list[Operation] = [*behind.get(-1, ())]
    for i, operation in enumerate(operations):
        merged += [operation, *behind.get(i, ())]
    return merged
