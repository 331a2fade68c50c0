"""What a traced program is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax


def inner_programs(equation: Any) -> Iterator[Any]:
    """The programs that an operation holds (jit, loops, branches), without their constants."""
    for inner in jax.tree.leaves(tuple(equation.params.values()), is_leaf=_is_jaxpr):
        if _is_jaxpr(inner):
            yield getattr(inner, "jaxpr", inner)


def primitives(program: Any) -> Iterator[str]:
    """The name of every operation of a program, and of those inside it."""
    for equation in program.eqns:
        yield equation.primitive.name
        for inner in inner_programs(equation):
            yield from primitives(inner)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")
