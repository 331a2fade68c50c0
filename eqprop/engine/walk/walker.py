"""A traced program of one row, built once, and walked for any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.jaxprs import FOREIGN, primitives
from eqprop.engine.walk.batch import widest
from eqprop.engine.walk.branches import cond, platform_index
from eqprop.engine.walk.building import Builder, value_of
from eqprop.engine.walk.callbacks import pure_callback
from eqprop.engine.walk.fallback import by_jax
from eqprop.engine.walk.graph import Emitted, Operation, Routine, Value, alive
from eqprop.engine.walk.inexact import one_rounding
from eqprop.engine.walk.loops import scan, while_loop
from eqprop.engine.walk.noise import Rounding
from eqprop.engine.walk.primitives import KEEPING, RULES
from eqprop.engine.walk.primitives.operand import Step, kept_ahead
from eqprop.engine.walk.readings import Read, Reading, interleaved
from eqprop.engine.walk.routines import Routines, slotted
from eqprop.engine.walk.threads import one_blas_thread
from eqprop.engine.walk.unsupported import Unsupported

HANDLERS = {
    "scan": scan,
    "while": while_loop,
    "cond": cond,
    "platform_index": platform_index,
    "pure_callback": pure_callback,
}
"""Operations with programs, or with Python, of their own."""

ELSEWHERE = frozenset({FOREIGN, "pure_callback"})
"""Operations that are neither JAX's nor NumPy's."""

SHOWN_ONLY = frozenset({"DebugEffect", "OrderedDebugEffect"})
"""Effects without which results are the same: what ``jax.debug.print`` prints is left out."""


Watcher = Callable[[JaxprEqn, tuple[Any, ...]], None]
"""Is shown an operation and the arrays that it gives, without its errors, each time that it runs."""


class Opened:
    """A program of one row as operations, of which any number of walks are made.

    Args:
        program: as ``jax.make_jaxpr`` gives it.

    Attributes:
        arguments: the values that it takes.
        operations: in the order in which they run.
        results: the values that it gives.
        block: that they are in.
        elsewhere: whether some of it is evaluated neither by JAX nor by NumPy.

    Raises:
        Unsupported: for a program with effects.
    """

    def __init__(self, program: Any) -> None:
        effects = [effect for effect in program.effects if type(effect).__name__ not in SHOWN_ONLY]
        if effects:
            msg = f"effects ({', '.join(map(str, effects))})"
            raise Unsupported(msg)
        builder = Builder(HANDLERS)
        self.block = builder.block
        self.arguments = [value_of(variable, self.block) for variable in program.jaxpr.invars]
        self.results = builder.inlined(program, self.arguments)
        self.operations: Sequence[Operation] = self.block.operations
        self.elsewhere = not ELSEWHERE.isdisjoint(primitives(program))
        self._blocks = builder.blocks

    @property
    def typical_size(self) -> int:
        """How many numbers that array has in which a number of one row lies, whichever one picks; at least one.

        Most operations have small results, and most of the time goes to large ones: Σ size² / Σ size.
        """
        results = [value.aval for operation in self.operations for value in operation.results]
        sizes = [aval.size for aval in results if aval is not None]
        return max(sum(size**2 for size in sizes) // max(sum(sizes), 1), 1)

    def __del__(self) -> None:
        """Leave no garbage: a value knows its block, and a block its operations, which know their values."""
        for block in getattr(self, "_blocks", ()):
            block.operations.clear()


class Walk:
    """A program of one row that NumPy evaluates for many, operation by operation.

    Args:
        program: of one row, as ``jax.make_jaxpr`` gives it, or opened.
        readings: what is made of its results; None for the results themselves.
        errors: how large those of an operation are, in units in the last place: a rounding each by default.
        watcher: is shown what every operation gives.
        ahead: whether arguments come with each row in memory as a whole; so are then all arrays (``operand``).

    Attributes:
        steps: how many operations it has, each counted once, however often a loop runs it.
        by_jax: the names of those that have no rule here, and are done by JAX.
        foreign: whether it calls anything else than NumPy and SciPy: JAX, or what somebody else wrote.

    Raises:
        Unsupported: for a program with effects, or with an operation that nothing here can do.
    """

    def __init__(
        self,
        program: Any,
        readings: Sequence[Reading] | None = None,
        *,
        errors: Callable[[JaxprEqn], float] = one_rounding,
        watcher: Watcher | None = None,
        ahead: bool = False,
    ) -> None:
        self.by_jax: tuple[str, ...] = ()
        self._rounding = Rounding(errors, ahead=ahead)
        self._watcher = watcher
        opened = program if isinstance(program, Opened) else Opened(program)
        operations, results = opened.operations, opened.results
        if readings is not None:
            reads = [Read(reading, results, opened.block) for reading in readings]
            operations, results = interleaved(operations, reads), [read.results[0] for read in reads]
        emitter = Routines(self._rule, self._rounding)
        with np.errstate(all="ignore"):
            emitted = emitter.emitted(alive(operations, dict.fromkeys(results)))
        self._routine = self._laid_out(opened.arguments, emitted, results)
        self.steps = emitter.steps
        self.foreign = bool(self.by_jax) or opened.elsewhere

    def __call__(self, arguments: Sequence[np.ndarray], signs: np.ndarray | None = None) -> list[np.ndarray]:
        """What the program gives at each row, an array with a last axis of length 1 where all rows have the same.

        Args:
            arguments: each of its shape in one row, with a last axis of rows, or of 1 where it is the same for all.
            signs: of the errors that follow each operation, shape (``noise.TABLE``, n) for a number of rows that n
                divides: each for as many rows, one after the other. None by default.
        """
        rows = widest(arguments)
        self._rounding.signed(signs, rows if signs is None else max(rows, signs.shape[-1]))
        under = "ignore" if signs is None else "call"
        told = np.errstate(all="ignore", over="call", under=under, call=self._rounding.out_of_range)
        with one_blas_thread(), told:
            return self._routine(list(arguments))

    @property
    def overflowed(self) -> bool:
        """Whether a finite result was too large for its type in the last walk, in any row, as far as NumPy tells."""
        return self._rounding.overflowed

    def _laid_out(self, arguments: Sequence[Value], emitted: Sequence[Emitted], results: Sequence[Value]) -> Routine:
        return slotted(arguments, emitted, results)

    def _rule(self, equation: JaxprEqn) -> Step:
        step = self._known(equation)
        if self._watcher is not None:
            step = _shown(step, equation, self._watcher)
        if not self._rounding.ahead or equation.primitive.name in KEEPING:
            return step
        return kept_ahead(step, many=equation.primitive.multiple_results)

    def _known(self, equation: JaxprEqn) -> Step:
        name = equation.primitive.name
        try:
            if name in RULES:
                return RULES[name](equation)
        except Unsupported:
            pass  # of this case: JAX knows it
        self.by_jax = tuple(dict.fromkeys((*self.by_jax, name)))
        return by_jax(equation)


def _shown(step: Step, equation: JaxprEqn, watcher: Watcher) -> Step:
    def watched(*arrays: Any) -> Any:
        found = step(*arrays)
        watcher(equation, tuple(found) if equation.primitive.multiple_results else (found,))
        return found

    return watched
