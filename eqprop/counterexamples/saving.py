"""Counterexample files: where they may be written, what they are called, and that no verdict is lost to a disk."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from eqprop.arguments import got, words_of
from eqprop.errors import InvalidInput

LONGEST_NAME = 80
"""Characters of a pair's name in the name of its file. File systems take 255 bytes, folders and all, some fewer."""

ARRAYS = ".npz"
"""The suffix of the file beside, which holds many numbers: JSON takes some twenty characters for each."""

MOST_IN_JSON = 4096
"""Numbers of a counterexample that its JSON file holds itself."""

CIRCUMSTANCES = ("seed", "claim", "versions")
"""What a file says besides what it is about: its name does not depend on these."""


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
        return words_of(error)
    if not existing.is_dir():
        return f"{existing} is a file"
    return "" if os.access(existing, os.W_OK) else f"{existing} is read-only"


def saved(recipe: dict[str, Any], folder: Path | None) -> tuple[str, tuple[str, ...]]:
    """Write a recipe to a file named after its content: the file, and a note where the disk refuses.

    Nothing is written where no folder was asked for. A counterexample is not given up for want of a file.
    """
    if folder is None:
        return "", ()
    what = {key: value for key, value in recipe.items() if key not in CIRCUMSTANCES}
    digest = hashlib.sha256(json.dumps(what, indent=1, default=str).encode()).hexdigest()[:10]
    file = folder / f"{slug(recipe['pair'])}-{recipe['property']}-{digest}.json"
    plain, arrays = _beside(recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(plain, indent=1, default=str), encoding="utf-8")
        if arrays:
            np.savez_compressed(file.with_suffix(ARRAYS), allow_pickle=False, **arrays)
    except (OSError, ValueError) as error:  # ValueError: a name that the file system has no bytes for
        return "", (f"not saved: {file} cannot be written ({words_of(error)})",)
    return str(file), ()


def _beside(recipe: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A recipe and the arrays beside it: none where it has few numbers, else all that it has, by field and number."""
    leaves = [(f, path, leaf) for f, of_field in recipe["probe"].items() for path, leaf in of_field.items()]
    if sum(len(leaf["values"]) for _, _, leaf in leaves) <= MOST_IN_JSON:
        return recipe, {}
    arrays: dict[str, np.ndarray] = {}
    probe: dict[str, dict[str, Any]] = {}
    for number, (field, path, leaf) in enumerate(leaves):
        name = f"{field}-{number}"
        arrays[name] = np.asarray(leaf["values"], np.float64 if "float" in leaf["dtype"] else leaf["dtype"])
        probe.setdefault(field, {})[path] = {**leaf, "values": {"npz": name}}
    return {**recipe, "probe": probe}, arrays


def copied(path: Path, folder: Path) -> Path:
    """Where a copy of a counterexample file, and of what lies beside it, was put.

    Raises:
        InvalidInput: where it cannot be written.
    """
    copy = folder / path.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ARRAYS) if path.with_suffix(ARRAYS).is_file() else (".json",):
            copy.with_suffix(suffix).write_bytes(path.with_suffix(suffix).read_bytes())
    except OSError as error:
        msg = f"{str(copy)!r} cannot be written: {words_of(error)}."
        raise InvalidInput(msg) from error
    return copy


def versions() -> dict[str, str]:
    """What a counterexample was found with."""
    found = {name: _version(name) for name in ("eqprop", "hypothesis", "jax", "jaxlib", "numpy")}
    return {"python": platform.python_version(), **found}


def _version(name: str) -> str:
    """Of a package; one that lies on the path without having been installed has none, and hides nothing else."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def slug(name: str) -> str:
    """A name as a part of a file's name that every file system takes: letters, digits, dots and hyphens of ASCII."""
    words = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")
    return words[:LONGEST_NAME] or "pair"
