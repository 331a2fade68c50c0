"""Networks in the layouts of two libraries, and the mappings between them: right ones and classic mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop.conversions import (
    folded_bias,
    folded_kernel,
    fused,
    fused_by_head,
    merged,
    permuted,
    rotary_interleaved,
    split_heads,
    transposed,
)

HEADS, WIDTH, FEATURES, TOKENS = 2, 4, 8, 3
EPSILON = 1e-3


def drawn(**shapes: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {path: rng.standard_normal(shape) / np.sqrt(shape[-1]) for path, shape in shapes.items()}


def model(apply: Any, params: Any, inputs: Any, name: str, **options: Any) -> eqprop.Model:
    return eqprop.Model(apply, params, inputs, name=name, **options)


@dataclass(frozen=True)
class Case:
    """A conversion, right and wrong.

    Attributes:
        source: makes f.
        target: makes f′, whose parameters count by their shapes.
        right: the mapping.
        wrong: the rules of it that a classic mistake replaces.
        reordered: whether the mistake has the right numbers in another order.
    """

    source: Callable[[], eqprop.Model]
    target: Callable[[], eqprop.Model]
    right: Mapping[str, Any]
    wrong: Mapping[str, Any]
    reordered: bool = False

    def pair(self, *, mistaken: bool = False, weights: Any = None) -> eqprop.Pair:
        """The conversion, to a target with these weights that somebody converted, or with any."""
        mapping = {**self.right, **(self.wrong if mistaken else {})}
        used = {path for rule in mapping.values() for path in (rule[1:] if isinstance(rule, tuple) else (rule,))}
        unused = tuple(path for path in self.source().params if path not in used)
        target = self.target() if weights is None else replace(self.target(), params=weights)
        return eqprop.conversion(self.source(), target, mapping, unused=unused, checkpoint=weights is not None)

    def weights(self, *, mistaken: bool = False) -> dict[str, np.ndarray]:
        """What the mapping makes of the source's."""
        with jax.enable_x64(True):
            made = self.pair(mistaken=mistaken).transformation.on_params((), self.source().params)
            return {path: np.asarray(leaf) for path, leaf in made.items()}


BATCH = np.random.default_rng(1).standard_normal((2, FEATURES))
SEQUENCE = np.random.default_rng(2).standard_normal((TOKENS, FEATURES))
IMAGE = np.random.default_rng(3).standard_normal((1, 4, 4, 2))
SQUARE = {"fc.weight": (FEATURES, FEATURES), "fc.bias": (FEATURES,)}


def row(b: Any, like: Any) -> Any:
    return jnp.broadcast_to(b, like.shape)


def torch_linear() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        h = x @ p["fc.weight"].T
        return jnp.tanh(h + row(p["fc.bias"], h))

    return model(apply, drawn(**SQUARE), BATCH, "torch-linear")


def flax_dense() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        h = x @ p["Dense_0/kernel"]
        return jnp.tanh(h + row(p["Dense_0/bias"], h))

    return model(apply, drawn(**{"Dense_0/kernel": (FEATURES, FEATURES), "Dense_0/bias": (FEATURES,)}), BATCH, "dense")


def convolved(w: Any, x: Any) -> Any:
    return jnp.tanh(jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))


def torch_conv() -> eqprop.Model:
    return model(lambda p, x: convolved(jnp.transpose(p["w"], (2, 3, 1, 0)), x), drawn(w=(3, 2, 3, 3)), IMAGE, "oihw")


def flax_conv() -> eqprop.Model:
    return model(lambda p, x: convolved(p["kernel"], x), drawn(kernel=(3, 3, 2, 3)), IMAGE, "hwio")


def attended(q: Any, k: Any, v: Any) -> Any:
    """Of (tokens, heads, width)."""
    weights = jax.nn.softmax(jnp.einsum("qhd,khd->hqk", q, k), axis=-1)
    return jnp.einsum("hqk,khd->qhd", weights, v).reshape(TOKENS, HEADS * WIDTH)


def headed(w: Any, x: Any) -> Any:
    return (x @ w.T).reshape(TOKENS, HEADS, WIDTH)


PROJECTIONS = dict.fromkeys(("q", "k", "v"), (HEADS * WIDTH, FEATURES))
TRIPLE = (3 * HEADS * WIDTH, FEATURES)


def apart() -> eqprop.Model:
    return model(
        lambda p, x: attended(*(headed(p[name], x) for name in "qkv")), drawn(**PROJECTIONS), SEQUENCE, "apart"
    )


def packed() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        return attended(*(headed(w, x) for w in jnp.split(p["qkv"], 3)))

    return model(apply, drawn(qkv=TRIPLE), SEQUENCE, "packed")


def packed_by_head() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        both = (x @ p["qkv"].T).reshape(TOKENS, HEADS, 3, WIDTH)
        return attended(*(both[:, :, i] for i in range(3)))

    return model(apply, drawn(qkv=TRIPLE), SEQUENCE, "packed-by-head")


def flax_heads() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        return attended(*(jnp.einsum("td,dhw->thw", x, p[f"{name}/kernel"]) for name in "qkv"))

    return model(apply, drawn(**{f"{n}/kernel": (FEATURES, HEADS, WIDTH) for n in "qkv"}), SEQUENCE, "flax-heads")


def turned(x: Any, *, halves: bool) -> Any:
    """Rotary positions on (tokens, heads, width)."""
    angles = jnp.arange(TOKENS)[:, None, None] * jnp.asarray([1.0, 0.3])[None, None]
    first, second = (x[..., :2], x[..., 2:]) if halves else (x[..., ::2], x[..., 1::2])
    a = first * jnp.cos(angles) - second * jnp.sin(angles)
    b = first * jnp.sin(angles) + second * jnp.cos(angles)
    return jnp.concatenate([a, b], -1) if halves else jnp.stack([a, b], -1).reshape(x.shape)


def rotary(*, halves: bool) -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        q, k, v = (headed(p[name], x) for name in "qkv")
        return attended(turned(q, halves=halves), turned(k, halves=halves), v)

    return model(apply, drawn(**PROJECTIONS), SEQUENCE, "halves" if halves else "interleaved")


RANK = 2


def adapted() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        return jnp.tanh(x @ p["w"].T + 0.5 * (x @ p["lora_a"].T) @ p["lora_b"].T)

    params = drawn(w=(FEATURES, FEATURES), lora_a=(RANK, FEATURES), lora_b=(FEATURES, RANK))
    return model(apply, params, BATCH, "lora")


def plain() -> eqprop.Model:
    return model(lambda p, x: jnp.tanh(x @ p["w"].T), drawn(w=(FEATURES, FEATURES)), BATCH, "plain")


NORM = dict.fromkeys(("gamma", "beta", "mean", "var"), (4,))


def normed() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        h = x @ p["kernel"]
        h = (h + row(p["bias"] - p["mean"], h)) * row(p["gamma"] / jnp.sqrt(p["var"] + EPSILON), h) + row(p["beta"], h)
        return jnp.tanh(h)

    params = drawn(kernel=(FEATURES, 4), bias=(4,), **NORM)
    params["var"] = np.abs(params["var"]) + 0.1
    return model(apply, params, BATCH, "batch-norm", state=("mean", "var"))


def folded() -> eqprop.Model:
    def apply(p: Any, x: Any) -> Any:
        h = x @ p["kernel"]
        return jnp.tanh(h + row(p["bias"], h))

    return model(apply, drawn(kernel=(FEATURES, 4), bias=(4,)), BATCH, "folded")


def flax_head(w: Any) -> Any:
    """(heads · width, d) as (d, heads, width)."""
    return split_heads(HEADS)(transposed(w))


FLAX = {f"{name}/kernel": (flax_head, name) for name in "qkv"}
ROTARY = {"q": (rotary_interleaved(HEADS), "q"), "k": (rotary_interleaved(HEADS), "k"), "v": "v"}
FOLD = {
    "kernel": (folded_kernel(EPSILON), "kernel", "gamma", "var"),
    "bias": (folded_bias(EPSILON), "bias", "gamma", "var", "mean", "beta"),
}

CASES = {
    "a linear layer that is not transposed": Case(
        torch_linear,
        flax_dense,
        {"Dense_0/kernel": (transposed, "fc.weight"), "Dense_0/bias": "fc.bias"},
        {"Dense_0/kernel": "fc.weight"},
        reordered=True,
    ),
    "a bias that is dropped": Case(
        torch_linear,
        flax_dense,
        {"Dense_0/kernel": (transposed, "fc.weight"), "Dense_0/bias": "fc.bias"},
        {"Dense_0/bias": (jnp.zeros_like, "fc.bias")},
    ),
    "a convolution with height and width exchanged": Case(
        torch_conv,
        flax_conv,
        {"kernel": (permuted(2, 3, 1, 0), "w")},
        {"kernel": (permuted(3, 2, 1, 0), "w")},
        reordered=True,
    ),
    "keys in the place of queries": Case(
        apart,
        packed,
        {"qkv": (fused(), "q", "k", "v")},
        {"qkv": (fused(), "k", "q", "v")},
        reordered=True,
    ),
    "parts of heads one after the other": Case(
        apart,
        packed_by_head,
        {"qkv": (fused_by_head(HEADS), "q", "k", "v")},
        {"qkv": (fused(), "q", "k", "v")},
        reordered=True,
    ),
    "heads that are split before the transpose": Case(
        apart,
        flax_heads,
        FLAX,
        {"q/kernel": (lambda w: split_heads(WIDTH)(transposed(w)).swapaxes(1, 2), "q")},
        reordered=True,
    ),
    "rotary halves that are taken for pairs": Case(
        partial(rotary, halves=True),
        partial(rotary, halves=False),
        ROTARY,
        {"q": "q", "k": "k"},
        reordered=True,
    ),
    "rotary pairs of the queries alone": Case(
        partial(rotary, halves=True),
        partial(rotary, halves=False),
        ROTARY,
        {"k": "k"},
        reordered=True,
    ),
    "an update that is merged without its scale": Case(
        adapted,
        plain,
        {"w": (merged(0.5), "w", "lora_a", "lora_b")},
        {"w": (merged(1.0), "w", "lora_a", "lora_b")},
    ),
    "a batch norm that is folded without epsilon": Case(
        normed, folded, FOLD, {"kernel": (folded_kernel(0.0), "kernel", "gamma", "var")}
    ),
    "a batch norm that is folded with its variance": Case(
        normed,
        folded,
        FOLD,
        {"kernel": (lambda w, gain, variance: w * (gain / variance)[None], "kernel", "gamma", "var")},
    ),
    "a batch norm whose mean is not scaled": Case(
        normed,
        folded,
        FOLD,
        {"bias": (lambda b, g, v, m, s: folded_bias(EPSILON)(b, g, v, 0 * m, s) - m, *FOLD["bias"][1:])},
    ),
}
