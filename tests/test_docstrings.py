"""What takes three arguments or more says what each of them is: every function that a door offers, methods included."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import eqprop

pytestmark = pytest.mark.installed

MANY = 3
"""Arguments that a summary in one line does not tell apart any more."""

DOORS = ["eqprop", *(f"eqprop.{m.name}" for m in pkgutil.iter_modules(eqprop.__path__) if m.name != "__main__")]


def offered(door: ModuleType) -> Iterator[Callable[..., Any]]:
    """The functions of eqprop that a door offers, and the public methods of its classes."""
    for name in getattr(door, "__all__", None) or filter(lambda name: not name.startswith("_"), vars(door)):
        value: Any = getattr(door, name)
        if not getattr(value, "__module__", "").startswith("eqprop"):
            continue
        if inspect.isclass(value):
            members = (getattr(value, n) for n in vars(value) if not n.startswith("_"))
            yield from (m for m in members if inspect.isfunction(m) or inspect.ismethod(m))
        elif inspect.isfunction(value):
            yield value


def is_told(function: Callable[..., Any]) -> bool:
    """Whether its documentation, or that of what it overrides, has a section on arguments, where there are many."""
    arguments = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    return len(arguments) < MANY or "Args:" in (inspect.getdoc(function) or "")


@pytest.mark.parametrize("name", DOORS)
def test_what_takes_many_arguments_says_what_each_of_them_is(name):
    untold = [f"{f.__module__}.{f.__qualname__}" for f in offered(import_module(name)) if not is_told(f)]
    assert not untold, f"no Args: in {', '.join(untold)}"


def test_a_function_of_three_arguments_without_a_word_on_them_is_named():
    def rotated(angle, axis, tree):
        """The tree, turned."""

    assert not is_told(rotated)
    assert is_told(lambda angle, axis: None)
