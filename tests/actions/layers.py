"""How far a claim moves the outputs of a layer in plain NumPy: nothing of the actions is used to check them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from eqprop.claims import Transformation

Params = dict[str, Any]
Layer = Callable[[Params, np.ndarray], np.ndarray]

ROUNDING = 1e-13
"""Relative to the largest output, after a few dozen operations on numbers of size 1; the worst case here has 2e-15."""


class Case(NamedTuple):
    """A layer with parameters of these shapes and a transformation that is claimed of it."""

    layer: Layer
    shapes: dict[str, tuple[int, ...]]
    inputs: tuple[int, ...]
    claim: Transformation


def moved(claim: Transformation, element: Any, params: Params) -> Params:
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, claim.on_params(element, params))


def error_of(case: Case, seed: int = 0, reach: float = 0.4) -> float:
    """How far the outputs move, relative to their size; some tensor has to move, or nothing is shown."""
    rng = np.random.default_rng(seed)
    params = {name: rng.standard_normal(shape) for name, shape in case.shapes.items()}
    x = rng.standard_normal(case.inputs)
    image = moved(case.claim, case.claim.group.sample(rng, reach), params)
    assert any(not np.array_equal(image[name], params[name]) for name in params)
    before, after = case.layer(params, x), case.layer(image, x)
    return float(np.abs(after - before).max() / np.abs(before).max())


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


def silu(z: np.ndarray) -> np.ndarray:
    return z / (1 + np.exp(-z))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
