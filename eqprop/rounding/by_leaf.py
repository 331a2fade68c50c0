"""What one leaf of a property's sides says at a probe and its copies, the axis of probes last, as walks have it."""

from __future__ import annotations

import numpy as np

from eqprop.rounding.floors import IN_CACHE


def of_leaf(left: np.ndarray, right: np.ndarray, probes: int) -> np.ndarray:
    """The residual, the spread of the copies, the size, and whether all is finite (1 or 0): shape (4, probes).

    Args:
        left: the leaf on the left side, shape (entries, 1 + copies, probes), the first of each the probe
            itself; an axis is of length 1 where all along it are the same.
        right: on the right side, likewise.
        probes: how many there are.
    """
    found = np.zeros((4, probes))
    found[3] = 1
    piece = max(1, IN_CACHE // max(left[:1].size, right[:1].size, 1))
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(left), piece):
            first, second = (np.asarray(side[start : start + piece], np.float64) for side in (left, right))
            for read, entries in zip(found, _of_piece(first, second), strict=False):
                np.maximum(read, entries.max(axis=0), out=read)
            if not np.isfinite(found[:3]).all():  # a difference may overflow between numbers that are finite
                found[3] *= _all_finite(first) & _all_finite(second)
    return found


def _of_piece(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entry by entry the residual, the spread and the size."""
    first, second = left[:, 0], right[:, 0]
    residual = first - second
    return (
        np.abs(residual, out=residual),
        _farthest(left) + _farthest(right),
        np.maximum(np.abs(first), np.abs(second)),
    )


def _farthest(leaf: np.ndarray) -> np.ndarray:
    """How far the copies lie from the probe, entry by entry."""
    distances = leaf[:, 1:] - leaf[:, :1]
    return np.abs(distances, out=distances).max(axis=1, initial=0.0)


def _all_finite(leaf: np.ndarray) -> np.ndarray:
    whole: np.ndarray = np.logical_and.reduce(np.isfinite(leaf), axis=(0, 1))
    return whole
