"""Where in the user's own code an error arose: neither in eqprop nor in the libraries that called it."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

OURS = str(Path(__file__).parents[1])
STANDARD_LIBRARY = sysconfig.get_path("stdlib")
MACHINERY = ("jax", "jaxlib", "numpy", "einops", "hypothesis", "pytest", "_pytest", "pluggy", "click")
"""Packages that call what users write, or raise for it: never the place to look at."""


def place(error: BaseException) -> str:
    """``nets.py:12``: the user's line that led to an error, the innermost one; empty where there is none.

    A line of another package (of Flax, say) is named only where no line of the user's own is left.
    """
    frames = traceback.extract_tb(error.__traceback__)
    while error.__cause__ is not None:
        error = error.__cause__
        frames += traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_machinery(frame.filename)]
    own = [frame for frame in theirs if "site-packages" not in frame.filename]
    # A SyntaxError says where it is by itself; its last frame is that of the importer.
    if not theirs or isinstance(error, SyntaxError):
        return ""
    frame = (own or theirs)[-1]
    return f"{_shown(frame.filename)}:{frame.lineno}"


def behind(error: BaseException) -> str:
    """The place in brackets, to be put behind what is said of the error; empty where there is none."""
    found = place(error)
    return f" ({found})" if found else ""


def _is_machinery(filename: str) -> bool:
    parts = Path(filename).parts
    if filename.startswith((OURS, "<frozen")):
        return True
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1] in MACHINERY
    return filename.startswith(STANDARD_LIBRARY)


def _shown(filename: str) -> str:
    """As it is seen from the current folder; whole where it lies elsewhere."""
    path = Path(filename)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere; or the current folder is gone
        return filename
