"""The last axis of every array, along which the rows of a batch lie: of length 1 where all rows are the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from eqprop.engine.jaxprs import Typed
from eqprop.engine.walk.primitives.operand import blank, dtype_of, shape_of


def selected(condition: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """The one or the other of two arrays, row by row.

    Args:
        condition: with the axis of rows, and with the first axes of the arrays where each entry of these has its own.
        new: where it holds.
        old: where it does not.
    """
    entries = condition.shape[:-1]
    inner = (1,) * (new.ndim - condition.ndim)
    return np.where(condition.reshape((*entries, *inner, condition.shape[-1])), new, old)


def stacked(rounds: Sequence[np.ndarray], variable: Typed, *, reverse: bool, ahead: bool) -> np.ndarray:
    """The results of a loop's rounds along a new first axis.

    Args:
        rounds: in the order in which they came.
        variable: of the shape and type of all of them together, in one row.
        reverse: whether the first round is the last along the axis.
        ahead: whether each row is to lie in memory as a whole.
    """
    whole = blank(shape_of(variable), widest(rounds), dtype_of(variable), ahead=ahead)
    for i, part in enumerate(reversed(rounds) if reverse else rounds):
        whole[i] = part
    return whole


def widest(arrays: Iterable[np.ndarray]) -> int:
    """How many rows arrays have together: those with one are the same for all."""
    return max((array.shape[-1] for array in arrays), default=1)
