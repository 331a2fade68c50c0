"""The networks that speed and cost are measured on: perceptrons, convolutional networks and transformers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
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


def convolutional(channels: int, layers: int, size: int = 16, batch: int = 4) -> Pair:
    """A ReLU network of 3×3 convolutions, the mean over the image and a head; its first channels are permuted."""

    def apply(params: Any, inputs: Any) -> Any:
        h = inputs
        for i in range(layers):
            z = jax.lax.conv_general_dilated(
                h, params[f"w{i}"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            h = jnp.maximum(z + params[f"b{i}"], 0.0)
        return h.mean(axis=(1, 2)) @ params["head"]

    params: dict[str, np.ndarray] = {"head": np.zeros((channels, 10))}
    for i in range(layers):
        params |= {f"w{i}": np.zeros((3, 3, channels if i else 3, channels)), f"b{i}": np.zeros(channels)}
    model = Model(apply, params, np.zeros((batch, size, size, 3)), name="convolutional", trained=False)
    return Pair(model, hidden_units(groups.Permutation(channels), writes={"w0": 3, "b0": 0}, reads={"w1": 2}))


def transformer(width: int, layers: int, tokens: int = 16, heads: int = 4) -> Pair:
    """A pre-norm transformer with GELU; the hidden units of its first feed-forward layer are permuted."""

    def normed(x: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)

    def attention(p: Any, x: Any) -> Any:
        q, k, v = (jnp.reshape(x @ p[name], (tokens, heads, -1)) for name in ("q", "k", "v"))
        weights = jax.nn.softmax(jnp.einsum("ihd,jhd->hij", q, k) / (width // heads) ** 0.5)
        return jnp.reshape(jnp.einsum("hij,jhd->ihd", weights, v), (tokens, width)) @ p["o"]

    def apply(params: Any, inputs: Any) -> Any:
        x = inputs
        for p in params["layers"]:
            x = x + attention(p, normed(x))
            x = x + jax.nn.gelu(normed(x) @ p["up"] + p["bias"]) @ p["down"]
        return normed(x) @ params["head"]

    square = {name: np.zeros((width, width)) for name in ("q", "k", "v", "o")}
    layer = {
        **square,
        "up": np.zeros((width, 4 * width)),
        "bias": np.zeros(4 * width),
        "down": np.zeros((4 * width, width)),
    }
    params = {"layers": [dict(layer) for _ in range(layers)], "head": np.zeros((width, 10))}
    model = Model(apply, params, np.zeros((tokens, width)), name="transformer", trained=False)
    first = "layers/0/"
    writes = {first + "up": 1, first + "bias": 0}
    return Pair(model, hidden_units(groups.Permutation(4 * width), writes=writes, reads={first + "down": 0}))
