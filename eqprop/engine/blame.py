"""Where in the user's own code an error arose: neither in eqprop nor in the libraries that called it."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Iterable
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
    # A SyntaxError says where it is by itself; its last frame is that of the importer.
    return "" if isinstance(error, SyntaxError) else _innermost([(f.filename, f.lineno) for f in frames])


FRAME = re.compile(r'\s*File "(.+)", line (\d+)')


def place_told(lines: Iterable[str]) -> str:
    """Likewise, read off the lines of a printed traceback: XLA hands on no other of what a callback raised."""
    found = [match.groups() for line in lines if (match := FRAME.match(line))]
    return _innermost([(filename, int(line)) for filename, line in found])


def _innermost(frames: Iterable[tuple[str, int | None]]) -> str:
    theirs = [frame for frame in frames if not _is_machinery(frame[0])]
    own = [frame for frame in theirs if "site-packages" not in frame[0]]
    if not theirs:
        return ""
    filename, line = (own or theirs)[-1]
    return f"{_shown(filename)}:{line}"


def behind(error: BaseException) -> str:
    """The place in brackets, to be put behind what is said of the error; empty where there is none."""
    found = place(error)
    return f" ({found})" if found else ""


def _is_machinery(filename: str) -> bool:
    parts = Path(filename).parts
    if filename.startswith((OURS, "<frozen", "<eval_with_key>")):  # of Python's own imports, of torch's graphs
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
