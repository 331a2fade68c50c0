"""How hard XLA tries: little where a program runs some hundred times, more where it runs long."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax

from eqprop.engine.memory import in_a_scope
from eqprop.engine.trees import Tree

FAST_COMPILATION = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_llvm_disable_expensive_passes": True,
}
"""Six times less compilation for programs that run some hundred times (measured: docs/decisions/evaluating.md)."""

LARGE = 2_000
"""From this many parameters on, running a program takes longer than compiling it, and its sides stay inside it."""

HOT = 4_000_000
"""Rows · parameters that a small program has run through when it is compiled once more, to run faster. A count and not
a time, so that a seed gives the same numbers on every machine."""

MULTIPLY_ADDS = 40
"""How many products in convolutions of float64 take as long as one parameter of a row: at level 0 XLA's loops for them
take 6 to 12 ns each, at level 2 half a nanosecond."""

FAST_EXECUTION = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 2}
"""Three times the compilation, half the running time (measured: docs/decisions/evaluating.md)."""

REFUSED = "INVALID_ARGUMENT"
"""The status that XLA gives to an option that it does not know, or to a value that it does not take."""


def compiler_options(*, long: bool = False) -> dict[str, bool | int] | None:
    """XLA options, known to the CPU compiler only, for programs that run some hundred times or (``long``) longer.

    Those that the installed XLA has: it drops and adds some with each release.
    """
    if jax.default_backend() != "cpu":
        return None
    wanted = FAST_EXECUTION if long else FAST_COMPILATION
    return {name: value for name, value in wanted.items() if accepted(name, value=value)}


@cache
def accepted(name: str, *, value: bool | int) -> bool:
    """Whether the installed XLA takes an option: it is asked once in a process, with a program that does nothing."""
    nothing: Any = jax.jit(lambda: 0).lower()
    try:
        nothing.compile(compiler_options={name: value})
    except jax.errors.JaxRuntimeError as error:
        if REFUSED not in str(error):
            raise
        return False
    return True


def jitted(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """The function, traced once for all of its uses at arguments of the same shapes and types."""
    return jax.jit(in_a_scope(function))
