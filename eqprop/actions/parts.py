"""Parts of tensors: ``"attn/qkv[:, 8:16]"`` is what NumPy's slice leaves of the tensor ``attn/qkv``."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from eqprop.engine import matching
from eqprop.errors import InvalidInput

PART = re.compile(r"(?P<path>.*)\[(?P<slices>[-\d:, ]*:[-\d:, ]*)\]")
SLICE = re.compile(r" *(?P<start>-?\d*):(?P<stop>-?\d*)(:(?P<step>-?\d*))? *")

Slices = tuple[slice, ...]


class Part(NamedTuple):
    """One of the tensors that a pattern matches, and the part of it that is meant: all of it without slices."""

    leaf: int
    slices: Slices


def parts(paths: tuple[str, ...], pattern: str, *, role: str) -> list[Part]:
    """The parts that a pattern means: a path or a glob pattern, with slices behind it for a part of a tensor.

    Args:
        paths: of all leaves.
        pattern: what the user wrote.
        role: what it is for, in messages.

    Raises:
        InvalidInput: where nothing matches, or what stands in brackets is no slice.
    """
    found = None if pattern in paths else PART.fullmatch(pattern)
    if found is None:
        return [Part(i, ()) for i in matching(paths, pattern, role=role)]
    slices = tuple(_slice(text, pattern, role) for text in found["slices"].split(","))
    return [Part(i, slices) for i in matching(paths, found["path"], role=role)]


def _slice(text: str, pattern: str, role: str) -> slice:
    found = SLICE.fullmatch(text)
    if found is None:
        msg = f"{role}: {pattern!r} has {text.strip()!r} in brackets; expected slices, as in 'qkv[:, 8:16]'."
        raise InvalidInput(msg)
    return slice(*(int(found[name]) if found[name] else None for name in ("start", "stop", "step")))


def place_of(slices: Slices, shape: tuple[int, ...], where: str) -> tuple[tuple[int, int, int], ...]:
    """Start, stop and step along each axis that is cut: two parts are the same if they say the same place.

    Raises:
        InvalidInput: for more slices than there are axes, or nothing left of one.
    """
    if len(slices) > len(shape):
        msg = f"{where} of shape {shape} has fewer axes than there are slices, {len(slices)}."
        raise InvalidInput(msg)
    places = tuple(s.indices(n) for s, n in zip(slices, shape, strict=False))
    if any(not range(*place) for place in places):
        msg = f"{where} of shape {shape}: the slices leave nothing of it."
        raise InvalidInput(msg)
    return places


def size_of(slices: Slices, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what slices leave."""
    return np.broadcast_to(0, shape)[slices].shape
