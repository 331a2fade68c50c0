"""What a program is built into before it can be walked: values, the operations that give them, and blocks of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Protocol

import numpy as np
from jax.core import ShapedArray
from jax.extend.core import JaxprEqn

from eqprop.engine.walk.noise import Rounding
from eqprop.engine.walk.primitives.operand import Step


@dataclass(eq=False, slots=True)
class Block:
    """Operations that run one after the other: a whole program, the body of a loop, or a branch.

    Attributes:
        parent: the block that it runs in; None for a whole program.
        branch: whether it runs under a condition, so that what is in it must stay there.
        operations: in the order in which they run.
        depth: how many blocks it lies in.
        limit: the block that none of its operations may leave.
    """

    parent: Block | None = None
    branch: InitVar[bool] = False
    operations: list[Operation] = field(default_factory=list)
    depth: int = field(init=False)
    limit: Block = field(init=False)

    def __post_init__(self, branch: bool) -> None:
        self.depth = 0 if self.parent is None else self.parent.depth + 1
        self.limit = self if branch or self.parent is None else self.parent.limit

    def within(self, other: Block) -> bool:
        """Whether it is another block, or runs in it."""
        inner: Block | None = self
        while inner is not None and inner.depth > other.depth:
            inner = inner.parent
        return inner is other


@dataclass(eq=False, slots=True)
class Value:
    """What an operation gives, an argument, or a constant.

    Attributes:
        aval: its shape and type, of one row.
        block: in which it is known.
        array: what it is, with a last axis of length 1, where that is known while the program is built.
    """

    aval: ShapedArray | None
    block: Block
    array: np.ndarray | None = None


Wanted = dict[Value, None]
"""Values that are asked for, in the order in which they were."""


@dataclass(frozen=True)
class Emitted:
    """An operation that can be run.

    Attributes:
        inputs: what its step takes.
        step: takes their arrays.
        results: what the step gives: an array for a value, a tuple of them for several.
    """

    inputs: tuple[Value, ...]
    step: Step
    results: Value | tuple[Value, ...]


Routine = Callable[[list[np.ndarray]], list[np.ndarray]]
"""A block that can be run: from its arguments, in a list that it uses up, to its results."""


class Emitter(Protocol):
    """What operations are emitted with."""

    rule: Callable[[JaxprEqn], Step]
    rounding: Rounding

    def routine(self, arguments: Sequence[Value], operations: Sequence[Operation], results: Sequence[Value]) -> Routine:
        """The routine of some operations that are needed for some results."""
        ...


class Operation(ABC):
    """Something that gives values: a primitive, or a loop or branch with blocks of its own."""

    __slots__ = ("operands", "results")

    def __init__(self, operands: Sequence[Value], results: Sequence[Value]) -> None:
        self.operands = tuple(operands)
        self.results = tuple(results)

    @property
    @abstractmethod
    def exact(self) -> bool:
        """Whether nothing in it rounds, so that from constants it gives a constant."""

    @abstractmethod
    def reads(self, wanted: Wanted) -> Iterable[Value]:
        """What must be known outside of its own blocks for those of its results that are wanted.

        The operation is emitted for what was wanted last; it may be asked again with more.
        """

    @abstractmethod
    def emitted(self, emitter: Emitter) -> Emitted:
        """Its step, with what that takes and gives."""


def alive(operations: Sequence[Operation], wanted: Wanted) -> list[Operation]:
    """Those of the operations that are needed for what is wanted, to which what they read is added."""
    kept: list[Operation] = []
    for operation in reversed(operations):
        if any(result in wanted for result in operation.results):
            wanted.update(dict.fromkeys(operation.reads(wanted)))
            kept.append(operation)
    kept.reverse()
    return kept


def outside(wanted: Wanted, block: Block) -> list[Value]:
    """Those of the values that come from outside of a block."""
    return [value for value in wanted if value.block is not block and value.array is None]


def unknown(values: Iterable[Value]) -> list[Value]:
    """Those of the values that are no constants."""
    return [value for value in values if value.array is None]
