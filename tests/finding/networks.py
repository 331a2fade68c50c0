"""Small networks with their symmetries known from theory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import eqprop

Layers = list[dict[str, np.ndarray]]


def numbers(seed: int = 0) -> Callable[..., np.ndarray]:
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape)


def layered(
    widths: Sequence[int], activation: Callable[[Any], Any] | None = None, *, bias: bool = False
) -> eqprop.Model:
    """Layers with an activation between them."""
    draw = numbers()
    params: Layers = [{"w": draw(n, m), **({"b": draw(m)} if bias else {})} for n, m in pairwise(widths)]

    def apply(params, x):
        for place, layer in enumerate(params):
            x = x @ layer["w"] + layer.get("b", 0.0)
            if activation is not None and place + 1 < len(params):
                x = activation(x)
        return x

    return eqprop.Model(apply, params, draw(5, widths[0]), name="layers")


def residual(how: str) -> eqprop.Model:
    """Three residual blocks of ReLU units, under scan or in a loop."""
    draw = numbers()
    params = {"e": draw(3, 4), "layers": {"a": draw(3, 4, 5), "b": draw(3, 5, 4)}, "u": draw(4, 2)}

    def block(stream, layer):
        return stream + jax.nn.relu(stream @ layer["a"]) @ layer["b"]

    def scanned(params, x):
        stream = x @ params["e"]
        return jax.lax.scan(lambda s, layer: (block(s, layer), None), stream, params["layers"])[0] @ params["u"]

    def looped(params, x):
        stream = x @ params["e"]
        for i in range(3):
            stream = block(stream, {name: leaf[i] for name, leaf in params["layers"].items()})
        return stream @ params["u"]

    return eqprop.Model(scanned if how == "scan" else looped, params, draw(5, 3), name="residual")


HEADS, WIDTH, STREAM, TOKENS = 2, 4, 4, 5


def attention(how: str, *, rotary: str = "", bias: bool = False, base: float = 1.3) -> eqprop.Model:
    """Two heads: by einsum, by reshapes, fused, or in a loop over heads."""
    draw, shape = numbers(), (HEADS, WIDTH)
    both = HEADS * WIDTH
    if how == "einsum":
        params = {name: draw(STREAM, *shape) for name in "qkv"} | {"o": draw(*shape, STREAM)}
    elif how == "fused":
        params = {"qkv": draw(STREAM, 3 * both), "o": draw(both, STREAM)}
    else:
        params = {name: draw(STREAM, both) for name in "qkv"} | {"o": draw(both, STREAM)}
        params |= {f"b{name}": draw(both) for name in "qkv"} | {"bo": draw(STREAM)} if bias else {}

    def apply(params, x):
        if how == "einsum":
            q, k, v = (jnp.einsum("td,dhe->the", x, params[name]) for name in "qkv")
        elif how == "fused":
            q, k, v = (part.reshape(-1, *shape) for part in jnp.split(x @ params["qkv"], 3, -1))
        else:
            q, k, v = (x @ params[name] + params.get(f"b{name}", 0.0) for name in "qkv")
            if how == "loop":
                spans = [slice(i * WIDTH, (i + 1) * WIDTH) for i in range(HEADS)]
                mixed = [jax.nn.softmax(q[:, s] @ k[:, s].T) @ v[:, s] for s in spans]
                return jnp.concatenate(mixed, -1) @ params["o"]
            q, k, v = (part.reshape(-1, *shape) for part in (q, k, v))
        q, k = turned(q, rotary, base), turned(k, rotary, base)
        weights = jax.nn.softmax(jnp.einsum("the,she->hts", q, k))
        mixed = jnp.einsum("hts,she->the", weights, v)
        if how == "einsum":
            return jnp.einsum("the,hed->td", mixed, params["o"])
        return mixed.reshape(-1, both) @ params["o"] + params.get("bo", 0.0)

    return eqprop.Model(apply, params, draw(TOKENS, STREAM), name=f"attention-{how}")


def turned(x: Any, layout: str, base: float) -> Any:
    """Rotary positions."""
    if not layout:
        return x
    angles = jnp.arange(TOKENS)[:, None] * base ** -jnp.arange(WIDTH // 2)
    c, s = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    if layout == "halves":
        a, b = jnp.split(x, 2, -1)
        return jnp.concatenate([a * c - b * s, a * s + b * c], -1)
    a, b = x[..., ::2], x[..., 1::2]
    return jnp.stack([a * c - b * s, a * s + b * c], -1).reshape(x.shape)


def asymmetric(seed: int) -> eqprop.Model:
    """Units that no transformation exchanges or scales: each has an activation of its own, GELU of shifted units."""
    draw = numbers(seed)
    widths = np.random.default_rng(seed).integers(2, 5, 3)
    n, hidden, m = (int(width) for width in widths)
    kinks = 0.3 + 0.2 * np.arange(hidden)

    def apply(params, x):
        z = x @ params["w"] + params["b"]
        return jax.nn.gelu(kinks * z + kinks**2) @ params["u"]

    return eqprop.Model(apply, {"w": draw(n, hidden), "b": draw(hidden), "u": draw(hidden, m)}, draw(6, n), name="none")


def gated(activation: Callable[[Any], Any]) -> eqprop.Model:
    """Gated units."""
    draw = numbers()
    params = {"gate": draw(2, 3), "up": draw(2, 3), "down": draw(3, 2)}
    return eqprop.Model(lambda p, x: (activation(x @ p["gate"]) * (x @ p["up"])) @ p["down"], params, draw(6, 2))


def low_rank() -> eqprop.Model:
    """A kernel that is a product, inside of a network that is not linear."""
    draw = numbers()
    return eqprop.Model(lambda p, x: jnp.sin(x @ p["a"] @ p["b"] + 1), {"a": draw(3, 2), "b": draw(2, 4)}, draw(6, 3))


def symmetric() -> eqprop.Model:
    """U Uᵀ."""
    draw = numbers()
    return eqprop.Model(lambda u, x: x @ u @ u.T, draw(4, 3), draw(6, 4))


def recurrent(activation: Callable[[Any], Any]) -> eqprop.Model:
    """A state under scan."""
    draw = numbers()
    params = {"w": draw(2, 3), "u": draw(3, 3), "out": draw(3, 2)}

    def apply(params, x):
        def step(state, token):
            state = activation(token @ params["w"] + state @ params["u"])
            return state, state @ params["out"]

        return jax.lax.scan(step, jnp.zeros(3), x)[1]

    return eqprop.Model(apply, params, draw(4, 2))


def normed() -> eqprop.Model:
    """A gain behind a norm, and what reads it."""
    draw = numbers()

    def apply(params, x):
        return jnp.tanh(x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 0.1) * params["gain"] @ params["w"] + 0.5)

    return eqprop.Model(apply, {"gain": draw(3), "w": draw(3, 4)}, draw(6, 3))


def streaming(norm: str, *, gain: bool = False, heads: int | None = None, width: int = 4) -> eqprop.Model:
    """A residual block on a stream with a norm in front of all that reads it; with one for each of some heads."""
    draw = numbers()
    n = (width,) if heads is None else (heads, width)
    params = {"e": draw(3, *n), "a": draw(*n, 5), "b": draw(5, *n), "c": draw(*n), "s": draw(*n), "u": draw(*n, 2)}
    params |= {"g": draw(*n)} if gain else {}
    along = "nm"[: len(n)]

    def normed(x):
        centred = x - x.mean(-1, keepdims=True) if norm == "layer" else x
        return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 0.1)

    def apply(p, x):
        stream = jnp.tensordot(x, p["e"], 1)
        read = normed(stream) * p.get("g", 1.0) + p["s"]
        units = jax.nn.gelu(jnp.einsum(f"t{along},{along}h->th", read, p["a"]))
        stream = stream + jnp.tensordot(units, p["b"], 1) + p["c"]
        return jnp.tanh(jnp.einsum(f"t{along},{along}o->to", normed(stream), p["u"]) + 0.3)

    return eqprop.Model(apply, params, draw(5, 3), name="stream")


def convolved() -> eqprop.Model:
    """Channels between two convolutions."""
    draw = numbers()
    params = {"k": draw(2, 2, 1, 3), "m": draw(2, 2, 3, 2)}

    def conv(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    return eqprop.Model(lambda p, x: conv(jax.nn.relu(conv(x, p["k"])), p["m"]), params, draw(2, 3, 3, 1))
