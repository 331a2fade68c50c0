"""Attention with other heads than the usual: grouped, normed, partly rotary, linear, gated, and with sinks."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.surroundings import Block, Shape

Scores = Literal["softmax", "linear"]


@dataclass(frozen=True)
class Variant:
    """Heads in groups that share keys and values; the defaults are what it shrinks to.

    Attributes:
        groups: heads with keys and values of their own.
        members: query heads in each group.
        key_width: of queries and keys.
        value_width: of values.
        d_in: features of a token that enter.
        d_out: features that leave.
        tokens: at least 2.
        causal: whether a token sees only itself and those before it.
        biases: whether queries, values and the output have biases; keys where positions are rotary.
        frequencies: of the planes that positions turn: the first 2 · len(frequencies) units, as neighbours.
        normed: whether queries and keys are divided by their root mean square, without ε.
        scores: ``"linear"`` for σ(q)·σ(k) with σ = leaky ReLU, not normalised and without a softmax.
        gated: whether what leaves a head is multiplied entry by entry by σ(h W_G), σ the sigmoid, before W_O.
        sinks: whether each head has one more logit, of no token, that takes its part of the softmax.
    """

    groups: int = 1
    members: int = 1
    key_width: int = 1
    value_width: int = 1
    d_in: int = 1
    d_out: int = 1
    tokens: int = 2
    causal: bool = False
    biases: bool = False
    frequencies: tuple[float, ...] = ()
    normed: bool = False
    scores: Scores = "softmax"
    gated: bool = False
    sinks: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    @property
    def heads(self) -> int:
        """Query heads."""
        return self.groups * self.members

    def block(self) -> Block:
        """``(…, tokens, d_in) → (…, tokens, d_out)``; wq (heads, d_in, k), wo (heads, v, d_out), wk, wv (groups, …)."""
        shapes: dict[str, Shape] = {
            "wq": (self.heads, self.d_in, self.key_width),
            "wk": (self.groups, self.d_in, self.key_width),
            "wv": (self.groups, self.d_in, self.value_width),
            "wo": (self.heads, self.value_width, self.d_out),
        }
        if self.biases:
            shapes |= {"bq": shapes["wq"][::2], "bv": shapes["wv"][::2], "bo": (self.d_out,)}
            shapes |= {"bk": shapes["wk"][::2]} if self.frequencies or self.scores == "linear" else {}
        shapes |= {"wg": (self.heads, self.d_in, self.value_width)} if self.gated else {}
        shapes |= {"sinks": (self.heads,)} if self.sinks else {}
        return Block(self._apply, shapes, self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        q, k, v = (self._projected(params, h, name) for name in "qkv")
        q = jnp.reshape(q, (*q.shape[:-3], self.groups, self.members, *q.shape[-2:]))
        weights = self._weights(q, k, params.get("sinks"))
        mixed = jnp.einsum("...gmts,...gsv->...gmtv", weights, v)
        mixed = jnp.reshape(mixed, (*mixed.shape[:-4], self.heads, *mixed.shape[-2:]))
        if self.gated:
            mixed = mixed * jax.nn.sigmoid(jnp.einsum("...td,hdv->...htv", h, params["wg"]))
        out = jnp.einsum("...htv,hvo->...to", mixed, params["wo"])
        return out + jnp.broadcast_to(params["bo"], out.shape) if self.biases else out

    def _projected(self, params: Params, h: Array, name: str) -> Array:
        """Queries, keys or values: (…, heads or groups, tokens, width), turned or normed."""
        z = jnp.einsum("...td,hdk->...htk", h, params[f"w{name}"])
        if f"b{name}" in params:
            z = z + jnp.broadcast_to(params[f"b{name}"][:, None, :], z.shape)
        if name == "v":
            return z
        if self.normed:
            z = z / jnp.sqrt(jnp.mean(z**2, axis=-1, keepdims=True))
        return turned(z, self.frequencies) if self.frequencies else z

    def _weights(self, q: Array, k: Array, sinks: Array | None) -> Array:
        seen = np.tril(np.ones((self.tokens, self.tokens))) if self.causal else np.ones((self.tokens, self.tokens))
        if self.scores == "linear":
            scores = jnp.einsum("...gmtk,...gsk->...gmts", jax.nn.leaky_relu(q), jax.nn.leaky_relu(k))
            return scores * jnp.broadcast_to(seen, scores.shape)
        scores = jnp.einsum("...gmtk,...gsk->...gmts", q, k) / np.sqrt(self.key_width)
        hidden = np.where(seen > 0, 0.0, -np.inf)
        scores = scores + jnp.broadcast_to(hidden, scores.shape)
        return jax.nn.softmax(scores, axis=-1) if sinks is None else softmax_with_sinks(scores, sinks)


def softmax_with_sinks(scores: Array, sinks: Array) -> Array:
    """The softmax of scores and one more logit, which is left out of what is returned: a query's weights sum to < 1.

    Args:
        scores: (…, groups, members, tokens, tokens).
        sinks: a number for each head, (groups · members,).
    """
    own = jnp.reshape(sinks, (*scores.shape[-4:-2], 1, 1))
    own = jnp.broadcast_to(own, (*scores.shape[:-1], 1))
    return jax.nn.softmax(jnp.concatenate([scores, own], axis=-1), axis=-1)[..., :-1]


def turned(x: Array, frequencies: tuple[float, ...]) -> Array:
    """Token t turns the plane of units (2j, 2j + 1) by t·ω_j; units behind the planes stay (…, tokens, units)."""
    planes, tokens = len(frequencies), x.shape[-2]
    angle = np.arange(tokens)[:, None] * np.array(frequencies)[None, :]
    a, b = x[..., 0 : 2 * planes : 2], x[..., 1 : 2 * planes : 2]
    cos, sin = (jnp.broadcast_to(part, a.shape) for part in (np.cos(angle), np.sin(angle)))
    pairs = jnp.stack([a * cos - b * sin, a * sin + b * cos], -1)
    return jnp.concatenate([jnp.reshape(pairs, (*x.shape[:-1], 2 * planes)), x[..., 2 * planes :]], axis=-1)


@st.composite
def variants(
    draw: st.DrawFn,
    *,
    groups: int = 1,
    members: int = 1,
    members_most: int = 2,
    key_widths: tuple[int, int] = (1, 3),
    value_widths: tuple[int, int] = (1, 2),
    least_in: int = 1,
    frequencies: tuple[float, ...] = (),
    normed: bool = False,
    scores: Scores = "softmax",
    biases: bool | None = None,
    gated: bool = False,
    sinks: bool = False,
) -> Variant:
    """Designs; shrinks to the least of everything, without mask and biases.

    Args:
        draw: of the strategy.
        groups: the smallest number of heads with keys and values of their own.
        members: the smallest number of query heads in each.
        members_most: the largest.
        key_widths: the smallest and the largest width of queries and keys.
        value_widths: likewise of values.
        least_in: the smallest number of features of a token.
        frequencies: of the planes that positions turn.
        normed: whether queries and keys are normed.
        scores: what is made of queries and keys.
        biases: whether there are any; drawn by default.
        gated: whether heads have output gates.
        sinks: whether heads have sinks.
    """
    width = st.integers(1, 2)
    return Variant(
        groups=draw(st.integers(groups, 2)),
        members=draw(st.integers(members, members_most)),
        key_width=draw(st.integers(*key_widths)),
        value_width=draw(st.integers(*value_widths)),
        d_in=draw(st.integers(least_in, 3)),
        d_out=draw(width),
        tokens=draw(st.sampled_from((2, 2, 3))),
        causal=draw(st.booleans()),
        biases=draw(st.booleans()) if biases is None else biases,
        frequencies=frequencies,
        normed=normed,
        scores=scores,
        gated=gated,
        sinks=sinks,
    )
