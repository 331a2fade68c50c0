"""Values as Python that rebuilds them, in lines that fit a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

WIDTH = 92
"""Of a line of code; reports indent it by four."""

SHORT = 12
"""Numbers of an array that is written whole, zeros or not."""

FROM_NUMPY = ("array", "inf", "nan", "zeros")


def imports(lines: Sequence[str]) -> str:
    """The import of the NumPy names that some lines of code use; empty where they use none."""
    used = [name for name in FROM_NUMPY if any(re.search(rf"\b{name}\b", line) for line in lines)]
    return f"from numpy import {', '.join(used)}" if used else ""


def call(opening: str, arguments: Sequence[str]) -> list[str]:
    """``opening(arguments)`` on one line, or its arguments on lines of their own where that is too long."""
    line = f"{opening}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return [line]
    rows = [""]
    for argument in arguments:
        filled = f"{rows[-1]} {argument}," if rows[-1] else f"    {argument},"
        if len(filled) <= WIDTH:
            rows[-1] = filled
        else:
            rows.append(f"    {argument},")
    return [f"{opening}(", *"\n".join(row for row in rows if row).splitlines(), ")"]


def text(value: str) -> str:
    """A string literal; a long one as several that Python joins, for a place inside brackets on lines of its own."""
    size = WIDTH - 20
    pieces = [value[i : i + size] for i in range(0, len(value), size)] or [""]
    return "\n    ".join(map(repr, pieces))


def assigned(name: str, leaves: Mapping[str, np.ndarray], comment: str) -> list[str]:
    """``name = {path: array(…), …}  # comment``; the root of a bare array is the array itself.

    Of arrays that are nearly all zeros only the other numbers are written, on lines of their own below.
    """
    if list(leaves) == ["."]:
        return [*_commented(f"{name} = {array(leaves['.'], len(name) + 3)}", comment), *_entries(name, leaves["."])]
    below = [line for path, leaf in leaves.items() for line in _entries(f"{name}[{path!r}]", leaf)]
    line = f"{name} = {{{', '.join(f'{path!r}: {array(leaf)}' for path, leaf in leaves.items())}}}  # {comment}"
    if len(line) <= WIDTH and "\n" not in line:
        return [line, *below]
    rows = [f"    {path!r}: {array(leaf, len(repr(path)) + 6)}," for path, leaf in leaves.items()]
    return [f"{name} = {{  # {comment}", *"\n".join(rows).splitlines(), "}", *below]


def is_sparse(values: np.ndarray) -> bool:
    """Whether an array is long and nearly all zeros, so that its other numbers say more."""
    return values.dtype.kind == "f" and values.size > SHORT and bool(np.count_nonzero(values) <= values.size / 4)


def written(values: np.ndarray) -> int:
    """How many numbers of an array are written out."""
    return int(np.count_nonzero(values)) if is_sparse(values) else values.size


def _entries(name: str, values: np.ndarray) -> list[str]:
    """``name[i, j] = number``, or ``name[[i, …], [j, …]] = number`` for those that are equal."""
    if not is_sparse(values):
        return []
    lines: list[str] = []
    for number in np.unique(values[values != 0]):
        places = np.nonzero(values == number)
        single = len(places[0]) == 1
        index = ", ".join(str(axis[0] if single else axis.tolist()) for axis in places)
        lines.append(f"{name}[{index}] = {_printed(number, WIDTH, '')}")
    return lines


def array(values: np.ndarray, indent: int = 0) -> str:
    """``array([…])``, broken into lines where it would pass the width behind this indent."""
    if values.size == 0 or is_sparse(values):
        return f"zeros({values.shape if values.ndim != 1 else values.size})"
    flat = " ".join(_printed(values, 10**6, "").split())
    if indent + len(flat) + len("array(),") <= WIDTH:
        return f"array({flat})"
    return f"array({_printed(values, WIDTH - 2, ' ' * (indent + len('array(')))})"


def _printed(values: np.ndarray, width: int, prefix: str) -> str:
    return np.array2string(
        values, separator=", ", threshold=values.size, max_line_width=width, floatmode="unique", prefix=prefix
    )


def _commented(code: str, comment: str) -> list[str]:
    first, *rest = code.splitlines()
    return [f"{first}  # {comment}", *rest]
