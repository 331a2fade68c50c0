"""Attention blocks: multi-head self-attention with drawn heads, masks, position codes and kernels."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array, Leaves
from eqprop.groups import Tensor
from eqprop.strategies.surroundings import Block

RotaryLayout = Literal["interleaved", "halves"]
Kernel = Literal["plain", "fused"]

ROTARY_BASE = 10.0
"""Frequency j of n turns by base^(−j/n) radians a token: small, so that few tokens already tell frequencies apart."""


@dataclass(frozen=True)
class Attention:
    """What is drawn to build an attention block; the defaults are what it shrinks to.

    Attributes:
        heads: how many.
        key_width: d_k, the length of a query and of a key (even where ``rotary`` is set).
        value_width: d_v.
        d_in: features of a token that enter.
        d_out: features of a token that leave.
        tokens: at least 2, or attention weights are constant.
        causal: whether a token sees only itself and those before it.
        alibi: whether scores fall linearly with the distance, with a slope for each head.
        biases: whether queries, values and the output have biases, and keys with rotary positions. (Without them a key
            bias adds the same to all scores of a query, and the softmax forgets it: its gradient is rounding alone.)
        rotary: which units form the plane that a frequency rotates; None for no rotary embedding.
        free_key_bias: whether keys have biases without rotary positions, too.
        kernel: ``"fused"`` has a hand-written backward pass and refuses forward mode, as fused kernels do.
    """

    heads: int = 1
    key_width: int = 1
    value_width: int = 1
    d_in: int = 1
    d_out: int = 1
    tokens: int = 2
    causal: bool = False
    alibi: bool = False
    biases: bool = False
    rotary: RotaryLayout | None = None
    kernel: Kernel = "plain"
    free_key_bias: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    @property
    def key_biases(self) -> bool:
        """Whether keys have biases."""
        return self.biases and (self.rotary is not None or self.free_key_bias)

    def block(self) -> Block:
        """``(…, tokens, d_in) → (…, tokens, d_out)`` with parameters wq, wk (heads, d_in, d_k), wv, wo and biases."""
        shapes = {
            "wq": (self.heads, self.d_in, self.key_width),
            "wk": (self.heads, self.d_in, self.key_width),
            "wv": (self.heads, self.d_in, self.value_width),
            "wo": (self.heads, self.value_width, self.d_out),
        }
        if self.biases:
            shapes |= {"bq": shapes["wq"][::2], "bv": shapes["wv"][::2], "bo": (self.d_out,)}
        if self.key_biases:
            shapes |= {"bk": shapes["wk"][::2]}
        return Block(self._apply, shapes, self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        q, k, v = (self._projected(params, h, name) for name in "qkv")
        if self.rotary is not None:
            q, k = rotated(q, self.rotary), rotated(k, self.rotary)
        kernel = fused_attention if self.kernel == "fused" else plain_attention
        mixed = kernel(q / np.sqrt(self.key_width), k, v, self._score_offsets())
        out = jnp.einsum("...htv,hvo->...to", mixed, params["wo"])
        return out + params["bo"] if self.biases else out

    def _projected(self, params: Params, h: Array, name: str) -> Array:
        """Queries, keys or values: (…, heads, tokens, width)."""
        projected = jnp.einsum("...td,hdk->...htk", h, params[f"w{name}"])
        return projected + params[f"b{name}"][:, None, :] if f"b{name}" in params else projected

    def _score_offsets(self) -> np.ndarray:
        """What is added to the scores, (heads, tokens, tokens): ALiBi, and −∞ above the diagonal of a causal mask."""
        distance = np.arange(self.tokens)[:, None] - np.arange(self.tokens)[None, :]
        slopes = 0.5 ** (1 + np.arange(self.heads)) * self.alibi
        offsets = -slopes[:, None, None] * np.abs(distance)
        return np.where(distance < 0, -np.inf, offsets) if self.causal else offsets


def rotated(x: Array, layout: RotaryLayout) -> Array:
    """Rotary position embedding: token t turns the plane of frequency j by t·ω_j (Su et al. 2021, arXiv 2104.09864).

    Args:
        x: queries or keys, (…, tokens, 2n).
        layout: plane j is (2j, 2j + 1) for ``"interleaved"`` and (j, n + j) for ``"halves"``.
    """
    tokens, n = x.shape[-2], x.shape[-1] // 2
    angle = np.arange(tokens)[:, None] * ROTARY_BASE ** (-np.arange(n) / n)
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = (x[..., 0::2], x[..., 1::2]) if layout == "interleaved" else (x[..., :n], x[..., n:])
    turned = (a * cos - b * sin, a * sin + b * cos)
    return jnp.stack(turned, -1).reshape(x.shape) if layout == "interleaved" else jnp.concatenate(turned, -1)


def _scores(q: Tensor, k: Tensor, offsets: Tensor) -> Array:
    return jnp.einsum("...tk,...sk->...ts", q, k) + offsets


def plain_attention(q: Array, k: Array, v: Array, offsets: Tensor) -> Array:
    """softmax(q kᵀ + offsets) v."""
    return jax.nn.softmax(_scores(q, k, offsets), axis=-1) @ v


@jax.custom_vjp
def fused_attention(q: Array, k: Array, v: Array, offsets: Tensor) -> Array:
    """The same numbers from a kernel with its own backward pass: reverse mode only.

    The backward pass keeps queries, keys, values, the output and the log of the normaliser, and computes the weights
    again from them (Dao et al. 2022, FlashAttention, arXiv 2205.14135, Algorithm 4).
    """
    return plain_attention(q, k, v, offsets)


def _fused_forward(q: Array, k: Array, v: Array, offsets: Tensor) -> tuple[Array, tuple[Tensor, ...]]:
    scores = _scores(q, k, offsets)
    log_normaliser = jax.nn.logsumexp(scores, axis=-1, keepdims=True)
    out = jnp.exp(scores - log_normaliser) @ v
    return out, (q, k, v, offsets, out, log_normaliser)


def _fused_backward(kept: tuple[Tensor, ...], d_out: Array) -> Leaves:
    q, k, v, offsets, out, log_normaliser = kept
    weights = jnp.exp(_scores(q, k, offsets) - log_normaliser)
    d_weights = d_out @ jnp.swapaxes(v, -1, -2)
    d_scores = weights * (d_weights - jnp.sum(d_out * out, axis=-1, keepdims=True))
    d_keys, d_values = jnp.swapaxes(d_scores, -1, -2) @ q, jnp.swapaxes(weights, -1, -2) @ d_out
    return d_scores @ k, d_keys, d_values, jnp.zeros_like(offsets)


fused_attention.defvjp(_fused_forward, _fused_backward)


@st.composite
def attentions(draw: st.DrawFn, *, rotary: bool = False) -> Attention:
    """Attention designs: with ``rotary`` all have rotary positions (one or two frequencies, no ALiBi), else none."""
    width = st.integers(1, 3)
    return Attention(
        heads=draw(st.integers(1, 2)),
        key_width=2 * draw(st.integers(1, 2)) if rotary else draw(width),
        value_width=draw(width),
        d_in=draw(width),
        d_out=draw(width),
        tokens=draw(st.integers(2, 4)),
        causal=draw(st.booleans()),
        alibi=not rotary and draw(st.booleans()),
        biases=draw(st.booleans()),
        rotary=draw(st.sampled_from(("interleaved", "halves"))) if rotary else None,
        # Reverse-only programs take twice as long to compile: one of the two families draws them.
        kernel="plain" if rotary else draw(st.sampled_from(("plain", "fused"))),
    )
