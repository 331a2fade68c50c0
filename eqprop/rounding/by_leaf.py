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
            for read, largest in zip(found, _of_piece(first, second), strict=False):
                np.maximum(read, largest, out=read)
            if not np.isfinite(found[:3]).all():  # a difference may overflow between numbers that are finite
                found[3] *= _all_finite(first) & _all_finite(second)
    return found


def _of_piece(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The largest residual, spread and size, with few arrays that are as large as the sides."""
    first, second = left[:, 0], right[:, 0]
    residual = first - second
    np.abs(residual, out=residual)
    spread = _farthest(left) + _farthest(right)
    return np.maximum.reduce(residual), np.maximum.reduce(spread), np.maximum(_size(first), _size(second))


def _farthest(leaf: np.ndarray) -> np.ndarray:
    """How far the copies lie from the probe, entry by entry."""
    distances = leaf[:, 1:] - leaf[:, :1]
    np.abs(distances, out=distances)
    return distances[:, 0] if distances.shape[1] == 1 else distances.max(axis=1, initial=0.0)


def _size(entries: np.ndarray) -> np.ndarray:
    """The largest absolute value."""
    return np.maximum(np.maximum.reduce(entries), -np.minimum.reduce(entries))


def _all_finite(leaf: np.ndarray) -> np.ndarray:
    whole: np.ndarray = np.logical_and.reduce(np.isfinite(leaf), axis=(0, 1))
    return whole
