"""Counterexample files: where they may be written, what they are called, and that no verdict is lost to a disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.arguments import got
from eqprop.errors import InvalidInput

LONGEST_NAME = 80
"""Characters of a pair's name in the name of its file. File systems take 255 bytes, folders and all, some fewer."""

RECIPE = ("target", "subject", "pair", "property", "loss", "precision", "structure", "probe")
"""What every counterexample file holds."""


def folder_of(save: Any) -> Path | None:
    """The folder that ``save=`` names, a text included; ``~`` is the home folder.

    Raises:
        InvalidInput: for anything but a path, a text that is not empty, or None.
    """
    if save is None:
        return None
    if not isinstance(save, str | os.PathLike) or not str(save).strip():
        msg = (
            f"save is {got(save)}; expected a folder for counterexample files such as '.eqprop', or None for no files."
        )
        raise InvalidInput(msg)
    path = Path(save)
    return path.expanduser() if path.parts[:1] == ("~",) else path


def why_unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder that is, or would be, made; empty where it can."""
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    except (OSError, ValueError) as error:
        return _words(error)
    if not existing.is_dir():
        return f"{existing} is a file"
    return "" if os.access(existing, os.W_OK) else f"{existing} is read-only"


def saved(recipe: dict[str, Any], folder: Path | None) -> tuple[str, tuple[str, ...]]:
    """Write a recipe to a file named after its content: the file, and a note where the disk refuses.

    Nothing is written where no folder was asked for. A counterexample is not given up for want of a file.
    """
    if folder is None:
        return "", ()
    text = json.dumps(recipe, indent=1, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    file = folder / f"{slug(recipe['pair'])}-{recipe['property']}-{digest}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: a name that the file system has no bytes for
        return "", (f"not saved: {file} cannot be written ({_words(error)})",)
    return str(file), ()


def recipe_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a counterexample file holds, if it is one and whole.

    Raises:
        InvalidInput: where it cannot be read, is no such file, or lacks a part.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, TypeError) as error:
        msg = f"the counterexample file {str(path)!r} cannot be read: {_words(error)}."
        raise InvalidInput(msg) from error
    except ValueError as error:
        msg = f"{str(path)!r} is no counterexample file of eqprop, which are JSON in UTF-8."
        raise InvalidInput(msg) from error
    try:
        recipe = json.loads(text)
        missing = [key for key in RECIPE if key not in recipe]
        leaves = [] if missing else [leaf for of_field in recipe["probe"].values() for leaf in of_field.values()]
        fits = all(np.size(leaf["values"]) == np.prod(leaf["shape"]) for leaf in leaves)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{str(path)!r} is no counterexample file of eqprop ({type(error).__name__}: {error})."
        raise InvalidInput(msg) from error
    if missing or not fits:
        why = f"it lacks {', '.join(missing)}" if missing else "a shape does not fit its values"
        msg = f"{str(path)!r} is no counterexample file of eqprop: {why}."
        raise InvalidInput(msg)
    return recipe


def slug(name: str) -> str:
    """A name as a part of a file's name that every file system takes: letters, digits, dots and hyphens of ASCII."""
    words = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")
    return words[:LONGEST_NAME] or "pair"


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
