"""Libraries that are extras: imported when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from eqprop.arguments import text_of
from eqprop.errors import InvalidInput

Module = Any
"""A module of another library, or that library: imported once it is asked for, so that none of its types is known."""


def library(module: str, *, extra: str) -> Module:
    """A module of a library, which may be called what a room of eqprop is: names are absolute.

    Args:
        module: its name, as in ``"flax.linen"``.
        extra: of eqprop, which brings the library.

    Raises:
        InvalidInput: where it is not installed, with the command that does.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        msg = f"eqprop.{extra} adapts modules of {error.name}, which is not installed; pip install 'eqprop[{extra}]'."
        raise InvalidInput(msg) from error


def named(name: object, otherwise: str, what: str) -> str:
    """A model's name: what was given; where nothing was, what the library calls the module.

    Args:
        name: what was given; nothing is an empty text, or None.
        otherwise: the library's name of it.
        what: takes it, as messages begin: ``"eqprop.flax.from_module"``.

    Raises:
        InvalidInput: for what is no text.
    """
    return otherwise if name is None else text_of(name, f"{what}: name", example="'my-mlp'") or otherwise
