"""The networks that speed and cost are measured on: ReLU perceptrons with their first hidden layer rescaled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Model, Pair


def perceptron(sizes: Sequence[int], batch: int) -> Pair:
    """A ReLU network of these widths with biases, and the rescaling of its first hidden layer (relu-rescaling)."""

    def apply(params: Any, inputs: Any) -> Any:
        h = inputs
        for i in range(len(sizes) - 1):
            z = h @ params[f"w{i}"] + jnp.broadcast_to(params[f"b{i}"], (batch, sizes[i + 1]))
            h = jnp.maximum(z, 0.0) if i < len(sizes) - 2 else z
        return h

    params: dict[str, np.ndarray] = {}
    for i, (d_in, d_out) in enumerate(pairwise(sizes)):
        params |= {f"w{i}": np.zeros((d_in, d_out)), f"b{i}": np.zeros(d_out)}
    model = Model(apply, params, np.zeros((batch, sizes[0])), name="perceptron", trained=False)
    scaling = hidden_units(groups.Scaling(sizes[1]), writes={"w0": 1, "b0": 0}, reads={"w1": 0})
    return Pair(model, scaling)
