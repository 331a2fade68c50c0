"""From a traced program to operations: calls are opened, what is said twice is done once, invariants leave loops.

Values have one numbering, whatever block they are of. An operation is put into the innermost block that one of its
operands is of: what does not depend on a loop's round comes to stand before the loop by itself, and is found there when
it occurs again. Nothing leaves a branch, where it might not be needed at all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager

import jax
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from eqprop.engine.exact import is_short, rounded, rounds
from eqprop.engine.jaxprs import Typed, aval_of, is_foreign
from eqprop.engine.trees import Tree
from eqprop.engine.walk.calls import ALIASES, called, is_the_same
from eqprop.engine.walk.foreign import inside
from eqprop.engine.walk.graph import Block, Emitted, Emitter, Operation, Value, Wanted
from eqprop.engine.walk.primitives.operand import Step, dtype_of, is_key
from eqprop.engine.walk.unsupported import Unsupported

SMALL = 1 << 10
"""So many numbers of a constant are compared with those of others."""

Handler = Callable[["Builder", JaxprEqn, Sequence[Value]], Sequence[Value]]
"""Puts an operation with programs of its own into the present block, and gives its results."""


class Equation(Operation):
    """One primitive."""

    __slots__ = ("_settled", "equation")

    def __init__(self, equation: JaxprEqn, operands: Sequence[Value], results: Sequence[Value]) -> None:
        super().__init__(operands, results)
        self.equation = equation
        self._settled = False

    @property
    def exact(self) -> bool:
        return self._settled or not rounds(self.equation)

    def reads(self, wanted: Wanted) -> Sequence[Value]:
        del wanted
        return self.operands

    def emitted(self, emitter: Emitter) -> Emitted:
        if is_foreign(self.equation):
            return Emitted(self.operands, inside(self.equation, emitter.rounding), self.results)
        step = emitter.rule(self.equation)
        self._settled = rounds(self.equation) and _is_exact(step, self.operands)
        if not self._settled:
            step = emitter.rounding.after(self.equation, step)
        many = self.equation.primitive.multiple_results
        return Emitted(self.operands, step, self.results if many else self.results[0])


def _is_exact(step: Step, operands: Sequence[Value]) -> bool:
    """Whether what few constants come to was not rounded."""
    known = [value.array for value in operands if value.array is not None and value.array.size <= SMALL]
    if not known or len(known) < len(operands):
        return False
    found = step(*known)
    return all(map(is_short, filter(rounded, found if isinstance(found, tuple) else (found,))))


class Builder:
    """Builds the operations of one program.

    Args:
        handlers: of loops and branches, by the primitive's name.

    Attributes:
        block: which is being built.
        blocks: all that were begun.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.block = Block()
        self._root = self.block
        self.blocks = [self.block]
        self._handlers = handlers
        self._literals: dict[Hashable, Value] = {}
        self._done: dict[Hashable, tuple[Value, ...]] = {}

    def inlined(self, program: Jaxpr | ClosedJaxpr, given: Sequence[Value]) -> list[Value]:
        """Build a program's operations for some arguments, and give its results."""
        jaxpr, constants = getattr(program, "jaxpr", program), getattr(program, "consts", ())
        known: dict[Var, Value] = {
            variable: self._closed_over(constant, variable)
            for variable, constant in zip(jaxpr.constvars, constants, strict=True)
        }
        known.update(zip(jaxpr.invars, given, strict=True))

        def read(atom: Var | Literal) -> Value:
            return self._literal(atom) if isinstance(atom, Literal) else known[atom]

        for equation in jaxpr.eqns:
            if not equation.outvars:  # it only shows something
                continue
            results = self._results(equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _results(self, equation: JaxprEqn, given: list[Value]) -> Sequence[Value]:
        name = equation.primitive.name
        if name in self._handlers:
            return self._handlers[name](self, equation, given)
        inner = called(equation)
        if inner is not None:
            return self.inlined(*inner(given))
        if name in ALIASES or is_the_same(equation):
            return given
        return self._once(equation, given)

    def _once(self, equation: JaxprEqn, given: Sequence[Value]) -> Sequence[Value]:
        """The results of a primitive; those that it had where it has been met with the same operands."""
        key = (equation.primitive, tuple(equation.params.items()), *given)
        try:
            found = self._done.get(key)
        except TypeError:  # a parameter that cannot be told from others, as an array
            return self._put(equation, given)
        if found is None or not self.block.within(found[0].block):
            found = self._done[key] = self._put(equation, given)
        return found

    def _put(self, equation: JaxprEqn, given: Sequence[Value]) -> tuple[Value, ...]:
        block = self.innermost(given)
        results = tuple(value_of(variable, block) for variable in equation.outvars)
        block.operations.append(Equation(equation, given, results))
        return results

    def innermost(self, values: Sequence[Value]) -> Block:
        """The outermost block in which an operation on some values may stand."""
        block = self.block.limit
        for value in values:
            if value.block.depth > block.depth:
                block = value.block
        return block

    def append(self, operation: Operation) -> Sequence[Value]:
        """Put an operation into the present block, where the values that it reads are known."""
        self.block.operations.append(operation)
        return operation.results

    @contextmanager
    def inside(self, *, branch: bool = False) -> Generator[Block]:
        """Build a block of its own within the present one."""
        outer = self.block
        self.block = Block(outer, branch=branch)
        self.blocks.append(self.block)
        try:
            yield self.block
        finally:
            self.block = outer

    def constant(self, constant: Tree, aval: ShapedArray) -> Value:
        """A constant of the program."""
        value = Value(aval, self._root)
        data = jax.random.key_data(constant) if is_key(value) else constant
        value.array = np.asarray(data, dtype_of(value))[..., None]
        return value

    def _closed_over(self, constant: Tree, variable: Typed) -> Value:
        """A constant; a small one is the same value wherever it stands, as literals are."""
        aval = aval_of(variable)
        return self.constant(constant, aval) if is_key(variable) or aval.size > SMALL else self._small(constant, aval)

    def _literal(self, atom: Literal) -> Value:
        return self._small(atom.val, aval_of(atom))

    def _small(self, constant: Tree, aval: ShapedArray) -> Value:
        array = np.asarray(constant, aval.dtype)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._literals:
            self._literals[key] = self.constant(array, aval)
        return self._literals[key]


def value_of(variable: Typed, block: Block) -> Value:
    """A value like a variable of a traced program.

    Raises:
        Unsupported: for what is no array, as a reference to one.
    """
    if not isinstance(variable.aval, ShapedArray):
        msg = f"a value of type {variable.aval}"
        raise Unsupported(msg)
    return Value(variable.aval, block)
