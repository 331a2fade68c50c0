"""XLA in a hurry: the tests' own programs, and operations by themselves, are compiled as eqprop compiles its programs.

Each of them runs once or twice, so that most of its time is XLA's. The programs of eqprop name these options themselves
(`engine/compiling.py`) and are compiled here as they are for users; the one kind that leaves them to XLA, because
users do, is tested with what XLA does unasked (``unasked``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax

OPTIONS: tuple[tuple[str, bool | int, bool | int], ...] = (
    ("xla_cpu_use_fusion_emitters", False, True),
    ("xla_backend_optimization_level", 0, 3),
)
"""Name, value in a hurry, and what XLA takes where nobody asks."""
VARIABLE = "XLA_FLAGS"


def hurry() -> None:
    """Ask XLA for it in this process, which has computed nothing yet, and in those that it starts.

    What a user asks for stays. An option that XLA does not know ends the process, and each release drops some: other
    processes try them first, all of them and then each, and without them the tests only take longer.
    """
    if VARIABLE in os.environ:
        return
    flags = [f"--{name}={str(value).lower()}" for name, value, _ in OPTIONS]
    known = flags if knows(*flags) else [flag for flag in flags if knows(flag)]
    os.environ[VARIABLE] = " ".join(known)


def knows(*flags: str) -> bool:
    """Whether XLA starts with these."""
    started = [sys.executable, "-c", "import jax; jax.devices()"]
    asked = {**os.environ, VARIABLE: " ".join(flags)}
    return subprocess.run(started, env=asked, check=False, capture_output=True).returncode == 0


def unasked(monkeypatch: Any) -> None:
    """For the length of a test, programs that name no options are compiled as XLA compiles where nobody asks."""
    from eqprop.engine.compiling import accepted  # imported once its calls are checked: see conftest.py

    compile_as_told = jax.stages.Lowered.compile
    usual = {name: value for name, _, value in OPTIONS if accepted(name, value=value)}

    def compiled(lowered: Any, compiler_options: Any = None, **rest: Any) -> Any:
        return compile_as_told(lowered, usual if compiler_options is None else compiler_options, **rest)

    monkeypatch.setattr(jax.stages.Lowered, "compile", compiled)
