"""Loops: over the rows of arrays (scan), and while a condition holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.jaxprs import scan_counts
from eqprop.engine.walk.batch import selected, stacked
from eqprop.engine.walk.building import Builder, value_of
from eqprop.engine.walk.graph import Block, Emitted, Emitter, Operation, Routine, Value, Wanted, alive, outside, unknown
from eqprop.engine.walk.noise import TURN, Rounding
from eqprop.engine.walk.primitives.operand import Step


@dataclass
class Body:
    """What a loop does in a round.

    Attributes:
        block: its operations.
        arguments: what changes from round to round: what is carried along, then the rows of arrays.
        results: what is carried along, then what is kept of each round.
        carried: how many are carried along.
        read: which arguments are needed for what is wanted.
        used: which results are.
        kept: the operations that are.
        captured: the values from outside that these read.
    """

    block: Block
    arguments: list[Value]
    results: list[Value]
    carried: int
    read: list[bool] = field(default_factory=list)
    used: list[bool] = field(default_factory=list)
    kept: list[Operation] = field(default_factory=list)
    captured: list[Value] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return all(operation.exact for operation in self.block.operations)

    def needed(self, used: Sequence[bool]) -> None:
        """Find out what some results need; what is carried along needs what is read of it in the next round."""
        used = list(used)
        while True:
            wanted: Wanted = dict.fromkeys(compress(self.results, used))
            self.kept = alive(self.block.operations, wanted)
            read = [argument in wanted for argument in self.arguments]
            more = [u or r for u, r in zip(used[: self.carried], read, strict=False)]
            if more == used[: self.carried]:
                break
            used[: self.carried] = more
        self.used, self.read = used, [*more, *read[self.carried :]]
        self.captured = outside(wanted, self.block)

    def routine(self, emitter: Emitter, captured: Sequence[Value]) -> Routine:
        """The routine of what is needed, which takes what is captured and then the arguments that are read."""
        arguments = [*captured, *compress(self.arguments, self.read)]
        return emitter.routine(arguments, self.kept, list(compress(self.results, self.used)))


def built(builder: Builder, program: Any, constants: Sequence[Value], carried: int) -> Body:
    """The body of a loop, whose first arguments are constants of it."""
    inner = getattr(program, "jaxpr", program)
    with builder.inside() as block:
        arguments = [value_of(variable, block) for variable in inner.invars[len(constants) :]]
        return Body(block, arguments, builder.inlined(program, [*constants, *arguments]), carried)


def scan(builder: Builder, equation: JaxprEqn, given: Sequence[Value]) -> Sequence[Value]:
    """Build a scan."""
    constants, carried = scan_counts(equation)
    body = built(builder, equation.params["jaxpr"], given[:constants], carried)
    results = [value_of(variable, builder.block) for variable in equation.outvars]
    return builder.append(Scan(given[constants:], results, body, _order(equation)))


def while_loop(builder: Builder, equation: JaxprEqn, given: Sequence[Value]) -> Sequence[Value]:
    """Build a while loop."""
    params, carried = equation.params, len(equation.outvars)
    asked, constants = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    test = built(builder, params["cond_jaxpr"], given[:asked], 0)
    body = built(builder, params["body_jaxpr"], given[asked:constants], carried)
    results = [value_of(variable, builder.block) for variable in equation.outvars]
    return builder.append(While(given[constants:], results, test, body))


def _order(equation: JaxprEqn) -> range:
    """The rows that a scan goes through, in order."""
    length = equation.params["length"]
    return range(length - 1, -1, -1) if equation.params["reverse"] else range(length)


class Scan(Operation):
    """A loop over the rows of some arrays, which carries others along and stacks what each round gives."""

    __slots__ = ("_body", "_order")

    def __init__(self, operands: Sequence[Value], results: Sequence[Value], body: Body, order: range) -> None:
        super().__init__(operands, results)
        self._body = body
        self._order = order

    @property
    def exact(self) -> bool:
        return self._body.exact

    def reads(self, wanted: Wanted) -> list[Value]:
        self._body.needed([result in wanted for result in self.results])
        return [*self._body.captured, *compress(self.operands, self._body.read)]

    def emitted(self, emitter: Emitter) -> Emitted:
        body = self._body
        captured = unknown(body.captured)
        results = tuple(compress(self.results, body.used))
        carried = sum(body.used[: body.carried])
        step = _scanning(
            body.routine(emitter, captured), len(captured), carried, self._order, results[carried:], emitter.rounding
        )
        return Emitted((*captured, *compress(self.operands, body.read)), step, results)


def _scanning(
    routine: Routine, captured: int, carried: int, order: range, stacks: Sequence[Value], rounding: Rounding
) -> Step:
    def scanned(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        constants, rows = arrays[:captured], arrays[captured + carried :]
        state = list(arrays[captured : captured + carried])
        seen: list[list[np.ndarray]] = [[] for _ in stacks]
        for i in _turning(order, rounding):
            found = routine([*constants, *state, *(array[i] for array in rows)])
            state = found[:carried]
            for parts, part in zip(seen, found[carried:], strict=True):
                parts.append(part)
        return (
            *state,
            *(
                stacked(parts, like, reverse=order.step < 0, ahead=rounding.ahead)
                for parts, like in zip(seen, stacks, strict=True)
            ),
        )

    return scanned


def _turning(order: range, rounding: Rounding) -> Iterator[int]:
    """The rounds of a loop, each with errors of its own."""
    before = rounding.shift
    for number, i in enumerate(order):
        rounding.shift = before + TURN * number
        yield i
    rounding.shift = before


class While(Operation):
    """A loop while a condition holds: row by row, so that those that are done keep what they have."""

    __slots__ = ("_body", "_test")

    def __init__(self, operands: Sequence[Value], results: Sequence[Value], test: Body, body: Body) -> None:
        super().__init__(operands, results)
        self._test = test
        self._body = body

    @property
    def exact(self) -> bool:
        return self._test.exact and self._body.exact

    def reads(self, wanted: Wanted) -> list[Value]:
        self._test.needed([True])
        self._body.needed([r or result in wanted for r, result in zip(self._test.read, self.results, strict=True)])
        self._test.read = [r or u for r, u in zip(self._test.read, self._body.used, strict=True)]
        return [*self._test.captured, *self._body.captured, *compress(self.operands, self._body.used)]

    def emitted(self, emitter: Emitter) -> Emitted:
        test, body = self._test, self._body
        captured, asked = unknown(body.captured), unknown(test.captured)
        step = _going_on(
            test.routine(emitter, asked), body.routine(emitter, captured), len(asked), len(captured), emitter.rounding
        )
        inputs = (*asked, *captured, *compress(self.operands, body.used))
        return Emitted(inputs, step, tuple(compress(self.results, body.used)))


def _going_on(test: Routine, body: Routine, asked: int, captured: int, rounding: Rounding) -> Step:
    def looped(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        of_test, of_body = arrays[:asked], arrays[asked : asked + captured]
        state = list(arrays[asked + captured :])
        before, going = rounding.shift, np.ones(1, dtype=bool)
        while True:
            (holds,) = test([*of_test, *state])
            going = going & holds
            if not going.any():
                break
            found = body([*of_body, *state])
            state = found if going.all() else [selected(going, new, old) for new, old in zip(found, state, strict=True)]
            rounding.shift += TURN
        rounding.shift = before
        return tuple(state)

    return looped
