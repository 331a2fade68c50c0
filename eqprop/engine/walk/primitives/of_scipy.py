"""Functions of SciPy, which is imported where one is called: a third of a second that most programs do without."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


def of_scipy(name: str) -> Callable[..., Any]:
    """The function ``scipy.<name>``, as in ``"special.erf"``."""

    def call(*operands: Any, **options: Any) -> Any:
        return found(name)(*operands, **options)

    return call


@cache
def found(name: str) -> Callable[..., Any]:
    """What a name means in SciPy, once it is imported."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(f"scipy.{module}"), attribute)
