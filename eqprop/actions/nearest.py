"""What would fit where a declaration does not: the axes of a length, nearest paths first."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

MOST = 3
"""Tensors that are named."""

Shapes = Mapping[str, tuple[int, ...]]
"""Path → shape."""


def nearest_axes(path: str, length: int, shapes: Shapes) -> str:
    """A sentence with the axes that have a length: the tensor's own if there are any, else those of the nearest paths.

    Args:
        path: of the tensor that does not fit.
        length: that is needed.
        shapes: of all tensors.
    """
    own = _axes(shapes[path], length)
    if own:
        return f"Its {own} has that length."
    fitting = [other for other, shape in shapes.items() if length in shape]
    if not fitting:
        return f"No tensor has an axis of length {length}."
    fitting.sort(key=lambda other: (-SequenceMatcher(None, path, other).ratio(), other))
    named = [f"{other!r} of shape {shapes[other]} along {_axes(shapes[other], length)}" for other in fitting[:MOST]]
    return f"Nearest with that length: {'; '.join(named)}."


def _axes(shape: tuple[int, ...], length: int) -> str:
    """``axis 0 or 2``; empty where no axis has the length."""
    found = [str(axis) for axis, size in enumerate(shape) if size == length]
    return f"axis {' or '.join(found)}" if found else ""
