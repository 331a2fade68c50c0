"""Functions that are evaluated elsewhere (``eqprop.engine.foreign``): all rows in one call, with rounding inside."""

from __future__ import annotations

import math

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.walk.batch import widest
from eqprop.engine.walk.noise import Rounding
from eqprop.engine.walk.primitives.operand import Step


def inside(equation: JaxprEqn, rounding: Rounding) -> Step:
    """The step of such a function, whose own operations have the errors."""
    function, axes = equation.params["function"], equation.params["axes"]
    errors = rounding.inside(equation)

    def step(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        leading = arrays[0].shape[:axes]
        repeats = int(np.prod(leading, dtype=int))
        signs, start = errors(widest(arrays), repeats)
        rows = widest(arrays) if signs is None or not repeats else len(signs) // repeats
        found = function.rounded(*(_rows_first(array, axes, rows) for array in arrays), signs=signs, start=start)
        return tuple(_rows_last(leaf, rows, leading) for leaf in found)

    return step


def _rows_first(array: np.ndarray, axes: int, rows: int) -> np.ndarray:
    """With one leading axis of rows: of those of the walk, each with its own leading axes."""
    first = np.moveaxis(array, -1, 0)
    if not axes:
        return np.ascontiguousarray(first)
    whole = np.broadcast_to(first, (rows, *first.shape[1:]))
    return whole.reshape(math.prod(whole.shape[: 1 + axes]), *whole.shape[1 + axes :])


def _rows_last(leaf: np.ndarray, rows: int, leading: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(leaf.reshape(rows if leading else len(leaf), *leading, *leaf.shape[1:]), 0, -1)
