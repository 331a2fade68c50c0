"""What mutants are made of, checked: all their constructors name a tensor, a size and a name alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from eqprop.arguments import finite, flag, function_of, text_of

Given = ParamSpec("Given")
Made = TypeVar("Made")

PATHS = ("path", "first", "second")
TEXTS = ("name", "why")
NUMBERS = ("delta", "relative", "exponent", "factor")
FLAGS = ("alike", "finite")


def checked(make: Callable[Given, Made]) -> Callable[Given, Made]:
    """A constructor that refuses what is no path, no name, no number or no flag, by the names of its arguments.

    Raises:
        InvalidInput: by the constructor that is returned.
    """
    signature = inspect.signature(make)

    @wraps(make)
    def making(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        for argument, value in signature.bind(*args, **kwargs).arguments.items():
            _check(argument, value, f"{make.__name__}: {argument}")
        return make(*args, **kwargs)

    return making


def _check(argument: str, value: Any, what: str) -> None:
    if argument in PATHS:
        text_of(value, what, example="'block/w_in', the path of a tensor")
    elif argument in TEXTS:
        text_of(value, what, example="'forgets-the-bias'")
    elif argument in NUMBERS:
        finite(value, f"{what} is")
    elif argument in FLAGS:
        flag(value, what)
    elif argument == "operation":
        function_of(value, ("tensor",), what)
