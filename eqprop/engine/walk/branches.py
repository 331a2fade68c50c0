"""Branches: which of some programs is run is told row by row, by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.jaxprs import aval_of
from eqprop.engine.trees import Tree
from eqprop.engine.walk.batch import selected
from eqprop.engine.walk.building import Builder, value_of
from eqprop.engine.walk.graph import Block, Emitted, Emitter, Operation, Routine, Value, Wanted, alive, outside, unknown
from eqprop.engine.walk.primitives.operand import Step


@dataclass
class Branch:
    """One of the programs.

    Attributes:
        block: its operations.
        results: what it gives.
        kept: the operations that are needed for what is wanted.
        captured: the values from outside that these read.
    """

    block: Block
    results: Sequence[Value]
    kept: list[Operation] = field(default_factory=list)
    captured: list[Value] = field(default_factory=list)

    def needed(self, used: Sequence[bool]) -> None:
        """Find out what some of the results need."""
        wanted: Wanted = dict.fromkeys(compress(self.results, used))
        self.kept = alive(self.block.operations, wanted)
        self.captured = outside(wanted, self.block)


def cond(builder: Builder, equation: JaxprEqn, given: Sequence[Value]) -> Sequence[Value]:
    """Build branches; where the index is a constant, the one that it names in their place."""
    index, *operands = given
    programs = equation.params["branches"]
    if index.array is not None:
        return builder.inlined(programs[_within(int(index.array[0]), len(programs))], operands)
    branches: list[Branch] = []
    for program in programs:
        with builder.inside(branch=True) as block:
            branches.append(Branch(block, builder.inlined(program, operands)))
    results = [value_of(variable, builder.block) for variable in equation.outvars]
    return builder.append(Branches(index, results, branches))


def platform_index(builder: Builder, equation: JaxprEqn, given: Sequence[Value]) -> Sequence[Value]:
    """Which of some programs is meant for a CPU, as NumPy's is: the first that says so, or that is for any."""
    del given
    platforms = equation.params["platforms"]
    index = next(i for i, names in enumerate(platforms) if names is None or "cpu" in names)
    return [builder.constant(index, aval_of(equation.outvars[0]))]


class Branches(Operation):
    """Each row is given what the branch of its index gives; a branch that no row takes is not run."""

    __slots__ = ("_branches", "_used")

    def __init__(self, index: Value, results: Sequence[Value], branches: Sequence[Branch]) -> None:
        super().__init__([index], results)
        self._branches = branches
        self._used: list[bool] = []

    @property
    def exact(self) -> bool:
        return all(operation.exact for branch in self._branches for operation in branch.block.operations)

    def reads(self, wanted: Wanted) -> list[Value]:
        self._used = [result in wanted for result in self.results]
        for branch in self._branches:
            branch.needed(self._used)
        return [*self.operands, *(value for branch in self._branches for value in branch.captured)]

    def emitted(self, emitter: Emitter) -> Emitted:
        captured = list(dict.fromkeys(value for branch in self._branches for value in unknown(branch.captured)))
        routines = [
            emitter.routine(captured, branch.kept, list(compress(branch.results, self._used)))
            for branch in self._branches
        ]
        return Emitted((*self.operands, *captured), _branching(routines), tuple(compress(self.results, self._used)))


def _branching(routines: Sequence[Routine]) -> Step:
    def branched(index: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        index = _within(index, len(routines))
        first, *others = np.unique(index)
        found = routines[first](list(arrays))
        for other in others:
            these = routines[other](list(arrays))
            found = [selected(index == other, new, old) for new, old in zip(these, found, strict=True)]
        return tuple(found)

    return branched


def _within(index: int | np.ndarray, count: int) -> Tree:
    """An index that is out of range stands for the last branch, as XLA has it."""
    return np.where((index < 0) | (index >= count), count - 1, index)
