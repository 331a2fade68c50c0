"""Rows of projections: tensors by the names of their modules, and parts of these by heads and units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from eqprop.transformers.anatomy import Tensor
from eqprop.transformers.views import Part


def rows_of(tensors: Iterable[Tensor], names: tuple[str, ...]) -> list[Tensor]:
    """The matrix of the first module of these names, then its bias; none without a matrix."""
    named = [t for t in tensors if t.module in names and not t.is_norm and len(t.shape) < 3]
    first = next((t for t in named if t.is_weight), None)
    return [] if first is None else [first, *(t for t in named if t.owner is first.owner and t is not first)]


def axis_out(tensor: Tensor) -> int:
    """The axis of what a layer writes."""
    return 1 if tensor.is_weight and type(tensor.owner).__name__ == "Conv1D" else 0


def entries(start: int, *shape: int) -> np.ndarray:
    """Numbers from a start on, in a shape."""
    return start + np.arange(int(np.prod(shape))).reshape(shape)


def parts_of(rows: Mapping[str, Iterable[Tensor]], each: Mapping[str, np.ndarray]) -> dict[str, Part]:
    """For each kind the entries of its matrix, and with a ``b`` behind its name those of its bias."""
    return {
        kind + "b" * (not t.is_weight): Part(t.path, axis_out(t), each[kind])
        for kind, found in rows.items()
        for t in found
    }
