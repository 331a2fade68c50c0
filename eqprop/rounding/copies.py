"""Perturbed copies: each number of a probe moved by one unit in its last place, at random."""

from __future__ import annotations

import math
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.rounding.floors import IN_CACHE

Tree = TypeVar("Tree")
"""A pytree of arrays."""


def perturbed(probes: Tree, copies: int, eps: float, rng: np.random.Generator) -> Tree:
    """Each probe followed by copies in which every floating-point number moved by one unit in the last place at random.

    Zeros move by one unit of the largest number of their leaf (of 1 in a leaf of zeros), so that a probe at an exact
    kink is seen to be at one. Leaves change shape from (probes, …) to (probes · (1 + copies), …).

    Args:
        probes: a tree of arrays of shape (probes, …).
        copies: of each probe.
        eps: one unit in the last place of 1.
        rng: draws the signs.
    """

    def rows(leaf: np.ndarray) -> np.ndarray:
        leaf = np.asarray(leaf)
        count, *shape = leaf.shape
        repeated = np.empty((count, 1 + copies, *shape), leaf.dtype)
        if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size:
            signs = random_signs(rng, (count, copies, *shape))
            at_once = max(1, IN_CACHE // leaf[0].size)
            with np.errstate(over="ignore", invalid="ignore"):
                for start in range(0, count, at_once):
                    piece = slice(start, start + at_once)
                    _move(repeated[piece], leaf[piece], signs[piece], eps)
        else:
            repeated[:] = leaf[:, None]
        return repeated.reshape(count * (1 + copies), *shape)

    return jax.tree.map(rows, probes)


def _move(repeated: np.ndarray, leaf: np.ndarray, signs: np.ndarray, eps: float) -> None:
    """Put each probe's numbers into its first row, and moved ones into the rows behind it."""
    axes = tuple(range(1, leaf.ndim))
    unit = np.abs(leaf)
    zero = leaf == 0
    if zero.any():
        largest = unit.max(axis=axes, keepdims=True) if axes else unit
        unit = np.where(zero, np.where(largest > 0, largest, 1.0), unit)
    unit = unit * eps
    repeated[:, 0] = leaf
    np.add(leaf[:, None], signs * unit[:, None], out=repeated[:, 1:], casting="unsafe")


def random_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """+1 or −1 at random, a bit for each: ten times cheaper than random integers."""
    size = math.prod(shape)
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-size // 8)), np.uint8), count=size)
    return 2 * bits.view(np.int8).reshape(shape) - 1
