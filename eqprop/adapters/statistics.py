"""Running statistics: those of a new module say nothing yet, and variances are positive."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eqprop.adapters.tensors import Named
from eqprop.claims import Params
from eqprop.engine import Array, is_floating

SPREAD = 0.5
"""The deviation of means, and of the logarithms of variances, that are put in the place of a new module's."""

LEAST = 1e-3
"""The smallest variance that is drawn."""


def spread(state: Named) -> dict[str, Array | np.ndarray]:
    """State in which no statistic is as a new module has it: all 0, or all 1.

    Where all means are 0 and all variances 1 nobody sees whether they were moved with their units. Such tensors are
    replaced by random ones from their valid set, the same in each run; what a module has learnt stays.

    Args:
        state: path → array. Statistics are told by their names: mean, variance, average.
    """
    rng = np.random.default_rng(0)
    return {path: _drawn(path, leaf, rng) if _is_new(path, leaf) else leaf for path, leaf in sorted(state.items())}


def kept_positive(paths: tuple[str, ...]) -> Callable[[Params], Params]:
    """A domain: variances among these paths are made positive, every other number stays."""
    variances = frozenset(filter(is_variance, paths))

    def domain(params: Params) -> Params:
        return {path: np.abs(leaf) + LEAST if path in variances else leaf for path, leaf in params.items()}

    return domain


def is_variance(path: str) -> bool:
    """Whether a path speaks of a variance, as every library's does."""
    return "var" in path.lower()


def _is_new(path: str, leaf: Array | np.ndarray) -> bool:
    named = any(word in path.lower() for word in ("mean", "var", "average"))
    return named and is_floating(leaf) and bool(np.all(leaf == 0) or np.all(leaf == 1))


def _drawn(path: str, leaf: Array | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = SPREAD * rng.standard_normal(np.shape(leaf))
    return np.asarray(np.exp(drawn) if is_variance(path) else drawn, dtype=leaf.dtype)
