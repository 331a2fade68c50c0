"""The same function of one row by the walk and by XLA, for a batch of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from eqprop.engine.walk import TABLE, Walk

ROWS = 6


def walk_of(function: Callable[..., Any], *rows: np.ndarray, ahead: bool = False) -> Walk:
    return Walk(jax.make_jaxpr(function)(*(row[0] for row in rows)), ahead=ahead)


def walked(walk: Walk, *rows: np.ndarray, signs: np.ndarray | None = None) -> list[np.ndarray]:
    """Its results with the rows as first axis, as they would come from ``jax.vmap``."""
    found = walk([np.moveaxis(row, 0, -1) for row in rows], signs)
    return [np.broadcast_to(np.moveaxis(leaf, -1, 0), (len(rows[0]), *leaf.shape[:-1])) for leaf in found]


def compiled(function: Callable[..., Any], *rows: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(jax.jit(jax.vmap(function))(*rows))]


def assert_equal_to_the_bit(function: Callable[..., Any], *rows: np.ndarray) -> None:
    """By numbers that lose nothing in either order of operations: small integers in float64."""
    for mine, theirs in zip(walked(walk_of(function, *rows), *rows), compiled(function, *rows), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


def integers(*shape: int, seed: int = 0) -> np.ndarray:
    """Small whole numbers in float64, different in each row."""
    return np.random.default_rng(seed).integers(-3, 4, (ROWS, *shape)).astype(np.float64)


def signs(rows: int, seed: int = 0) -> np.ndarray:
    """Of random rounding: none in the first row."""
    drawn = np.random.default_rng(seed).choice([-1.0, 1.0], (TABLE, rows))
    drawn[:, 0] = 0
    return drawn
