"""What a traced program is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from eqprop.engine.trees import Tree

FOREIGN = "foreign"
"""The operation that stands for a function which somebody else evaluates and differentiates (``engine/foreign.py``)."""


def is_foreign(equation: JaxprEqn) -> bool:
    """Whether an operation of a traced program is such a function."""
    return equation.primitive.name == FOREIGN


class Typed(Protocol):
    """A variable or a literal of a traced program, or what stands for one."""

    @property
    def aval(self) -> Tree:
        """What is known of it without its value."""


def aval_of(variable: Typed) -> ShapedArray:
    """The shape and the type of a variable's value; every value of a traced program is an array."""
    return variable.aval


def inner_programs(equation: JaxprEqn) -> Sequence[Jaxpr]:
    """The programs that an operation holds (jit, loops, branches), without their constants."""
    found: list[Jaxpr] = []
    _look_for_programs(equation.params.values(), found)
    return found


PLAIN = frozenset({str, int, float, bool, type(None)})
"""What most parameters are, and nothing else can be in."""


def _look_for_programs(parameters: Iterable[Any], found: list[Jaxpr]) -> None:
    """Those among parameters, or in a tuple, list or dictionary of them: each equation is asked several times."""
    for parameter in parameters:
        if type(parameter) in PLAIN:
            continue
        if isinstance(parameter, tuple | list):
            _look_for_programs(parameter, found)
        elif isinstance(parameter, dict):
            _look_for_programs(parameter.values(), found)
        elif _is_jaxpr(parameter):
            found.append(getattr(parameter, "jaxpr", parameter))


def equations(program: Jaxpr | ClosedJaxpr, rounds: int = 1) -> Iterator[tuple[JaxprEqn, int]]:
    """Every operation of a program and of those inside it, and how often it runs: as far as loops say so, else once."""
    for equation in program.eqns:
        yield equation, rounds
        for inner in inner_programs(equation):
            yield from equations(inner, rounds * equation.params.get("length", 1))


def each_written(program: Jaxpr | ClosedJaxpr, known: set[int] | None = None) -> Iterator[JaxprEqn]:
    """Every operation of a program and of those inside it, each once where several operations hold the same program."""
    known = set() if known is None else known
    for equation in program.eqns:
        yield equation
        for inner in inner_programs(equation):
            if id(inner) not in known:
                known.add(id(inner))
                yield from each_written(inner, known)


def primitives(program: Jaxpr | ClosedJaxpr) -> Iterator[str]:
    """The name of every operation of a program, and of those inside it."""
    return (equation.primitive.name for equation in each_written(program))


def called_programs(program: Jaxpr | ClosedJaxpr) -> Iterator[str]:
    """The name of every function under ``jit`` that a program calls, and of those called inside it."""
    return (equation.params["name"] for equation in each_written(program) if "name" in equation.params)


def calls_back(program: Jaxpr | ClosedJaxpr) -> bool:
    """Whether a traced program calls Python while it runs."""
    return any("callback" in name for name in primitives(program))


def scan_counts(equation: JaxprEqn) -> tuple[int, int]:
    """How many operands of a scan are constants of its body, and how many are carried; the others go row by row.

    Read off the shapes, which have an axis more outside of the body where they go row by row: how the operation itself
    writes it down differs between releases of JAX.
    """
    (body,) = inner_programs(equation)
    rows = _with_an_axis_more(equation.invars, body.invars)
    carried = len(body.outvars) - _with_an_axis_more(equation.outvars, body.outvars)
    return len(body.invars) - rows - carried, carried


def _with_an_axis_more(outside: Sequence[Typed], inside: Sequence[Typed]) -> int:
    return sum(aval_of(a).ndim > aval_of(b).ndim for a, b in zip(outside, inside, strict=True))


def _is_jaxpr(value: object) -> bool:
    return hasattr(value, "eqns")
