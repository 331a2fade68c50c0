"""Where in a user's files a pair's model is."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

from eqprop.search import SearchTask, simplest


def place_of(task: SearchTask) -> str:
    """``nets.py:12``: the model's function, relative to the current folder; empty where Python does not know."""
    try:
        function: Any = simplest(task.pairs).model.apply
    except Exception:  # noqa: BLE001 - the verdicts say what is wrong with it
        return ""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(getattr(function, "__func__", function))
    called = function if inspect.isfunction(function) else vars(type(function)).get("__call__")  # an object's
    code = getattr(called, "__code__", None)
    if code is None:
        return ""
    path = Path(code.co_filename)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{code.co_firstlineno}"
