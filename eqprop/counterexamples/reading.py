"""Counterexample files, read: whole and of the right types, or what is wrong with them in a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from eqprop.arguments import short, words_of
from eqprop.counterexamples.saving import ARRAYS
from eqprop.errors import InvalidInput

TEXTS = ("target", "subject", "pair", "property", "loss", "precision", "structure")
"""What every counterexample file says in words; ``probe`` has the numbers."""


def recipe_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a counterexample file holds, if it is one and whole.

    Raises:
        InvalidInput: where it cannot be read, is no such file, or lacks a part.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        msg = f"{str(path)!r} is no counterexample file of eqprop, which are JSON in UTF-8."
        raise InvalidInput(msg) from error
    except (OSError, TypeError, ValueError) as error:
        msg = f"the counterexample file {str(path)!r} cannot be read: {words_of(error)}."
        raise InvalidInput(msg) from error
    recipe: Any = None
    try:
        recipe = json.loads(text)
        wrong = _wrong_words(recipe)
        if not wrong:
            _read_beside(recipe, Path(path).with_suffix(ARRAYS))
            wrong = _wrong_numbers(recipe)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError, BadZipFile) as error:
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        msg = f"{str(path)!r} is no counterexample file of eqprop: {' '.join(wrong.split())}."
        raise InvalidInput(msg)
    return recipe


def _wrong_words(recipe: Any) -> str:
    if not isinstance(recipe, dict):
        return f"it holds {short(recipe)}"
    found: dict[Any, Any] = {**recipe}
    missing = [key for key in (*TEXTS, "probe") if key not in found]
    if missing:
        return f"it lacks {', '.join(missing)}"
    wrong = [key for key in (*TEXTS, "optimizer") if not isinstance(found.get(key, ""), str)]
    return f"{wrong[0]} is {short(found[wrong[0]])}" if wrong else ""


def _arrays(recipe: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each array of a probe, and what it is called."""
    for field, leaves in recipe["probe"].items():
        yield from ((f"{field}, {path}", leaf) for path, leaf in leaves.items())


def _read_beside(recipe: dict[str, Any], file: Path) -> None:
    """Put the arrays that lie beside a recipe into it."""
    apart = [leaf for _, leaf in _arrays(recipe) if isinstance(leaf["values"], dict)]
    if apart:
        with np.load(file, allow_pickle=False) as arrays:
            for leaf in apart:
                leaf["values"] = arrays[leaf["values"]["npz"]].tolist()


def _wrong_numbers(recipe: dict[str, Any]) -> str:
    for name, leaf in _arrays(recipe):
        shape, values = leaf["shape"], leaf["values"]
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):  # pyright: ignore[reportUnknownVariableType]
            return f"the shape of {name} is {short(shape)}"  # pyright: ignore[reportUnknownArgumentType]
        if not isinstance(values, list) or not all(isinstance(n, int | float) for n in values):  # pyright: ignore[reportUnknownVariableType]
            return f"{name} has {short(values)}, which are no numbers"  # pyright: ignore[reportUnknownArgumentType]
        if len(values) != np.prod(shape):  # pyright: ignore[reportUnknownArgumentType]
            return f"the shape of {name} does not fit its values"
    return ""
