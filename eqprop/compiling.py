"""How hard XLA tries: little where a program runs some hundred times, more where it runs long."""

from __future__ import annotations

import jax

FAST_COMPILATION = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_llvm_disable_expensive_passes": True,
}
"""Six times less compilation for programs that run some hundred times (measured: docs/decisions.md)."""

LARGE = 2_000
"""From this many parameters on, running a program takes longer than compiling it, and its sides stay inside it."""

HOT = 4_000_000
"""Rows · parameters that a small program has run through when it is compiled once more, to run faster. A count and not
a time, so that a seed gives the same numbers on every machine."""

FAST_EXECUTION = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 2}
"""Three times the compilation, half the running time (measured: docs/decisions.md)."""


def compiler_options(*, long: bool = False) -> dict[str, bool | int] | None:
    """XLA options, known to the CPU compiler only, for programs that run some hundred times or (``long``) longer."""
    if jax.default_backend() != "cpu":
        return None
    return dict(FAST_EXECUTION if long else FAST_COMPILATION)
