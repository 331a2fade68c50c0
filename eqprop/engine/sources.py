"""Where in a user's files an operation of a traced program comes from."""

from __future__ import annotations

from pathlib import Path

import jax
from jax.extend.core import JaxprEqn

PASSED_OVER = (str(Path(str(jax.__file__)).parent), str(Path(__file__).parents[1]))
"""The folders of JAX and of this package, whose lines are not what is asked for."""

JAXLIB = f"{Path(PASSED_OVER[0]).parent}/jaxlib"


def place(equation: JaxprEqn) -> str:
    """``file.py:12``, the innermost line outside of JAX and of this package; empty where JAX kept none."""
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback is not None else ():
        if not str(frame.file_name).startswith((*PASSED_OVER, JAXLIB, "<")):
            return f"{Path(frame.file_name).name}:{frame.line_num}"
    return ""


def described(equation: JaxprEqn) -> str:
    """The operation's name, and its place where it is known: ``dot_general (net.py:12)``."""
    found = place(equation)
    return f"{equation.primitive.name} ({found})" if found else equation.primitive.name
