"""Multi-head latent attention: keys and values made of one small vector a token, and one rotary key for all heads."""

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
from eqprop.strategies.attention import ROTARY_BASE
from eqprop.strategies.attention_variants import turned
from eqprop.strategies.norms import rms_norm
from eqprop.strategies.surroundings import Block, Shape

LatentNorm = Literal["none", "rms", "gained rms"]


@dataclass(frozen=True)
class Latent:
    """Heads that read a latent of each token (DeepSeek-V2, arXiv 2405.04434); the defaults are what it shrinks to.

    Attributes:
        heads: how many.
        latent: the width of what keys and values are made of.
        query_latent: of what queries are made of; 0 where they see the token itself.
        key_width: of the part of queries and keys without positions.
        planes: that positions turn, in queries and in the one rotary key.
        value_width: of values.
        d_in: features of a token that enter.
        d_out: features that leave.
        tokens: at least 2.
        causal: whether a token sees only itself and those before it.
        norm: of the latents.
    """

    heads: int = 1
    latent: int = 1
    query_latent: int = 0
    key_width: int = 1
    planes: int = 1
    value_width: int = 1
    d_in: int = 1
    d_out: int = 1
    tokens: int = 2
    causal: bool = False
    norm: LatentNorm = "none"

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def block(self) -> Block:
        """``(…, tokens, d_in) → (…, tokens, d_out)``; wq, wk, wv (heads, latent, width), wo (heads, v, d_out)."""
        seen, turns = self.query_latent or self.d_in, 2 * self.planes
        shapes: dict[str, Shape] = {
            "latent": (self.d_in, self.latent),
            "wq": (self.heads, seen, self.key_width),
            "wk": (self.heads, self.latent, self.key_width),
            "wv": (self.heads, self.latent, self.value_width),
            "wo": (self.heads, self.value_width, self.d_out),
            "wq_turned": (self.heads, seen, turns),
            "wk_turned": (self.d_in, turns),
        }
        shapes |= {"query_latent": (self.d_in, self.query_latent)} if self.query_latent else {}
        if self.norm == "gained rms":
            shapes |= {"gain": (self.latent,)} | ({"query_gain": (self.query_latent,)} if self.query_latent else {})
        return Block(self._apply, shapes, self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        kept = self._normed(h @ params["latent"], params.get("gain"))
        asking = self._normed(h @ params["query_latent"], params.get("query_gain")) if self.query_latent else h
        q, q_turned = (jnp.einsum("...tr,hrk->...htk", asking, params[name]) for name in ("wq", "wq_turned"))
        k, v = (jnp.einsum("...tr,hrk->...htk", kept, params[name]) for name in ("wk", "wv"))
        frequencies = tuple(ROTARY_BASE ** (-j / self.planes) for j in range(self.planes))
        q_turned, k_turned = turned(q_turned, frequencies), turned(h @ params["wk_turned"], frequencies)
        scores = jnp.einsum("...htk,...hsk->...hts", q, k) + jnp.einsum("...htk,...sk->...hts", q_turned, k_turned)
        scores = scores / np.sqrt(self.key_width + 2 * self.planes)
        later = np.triu(np.full((self.tokens, self.tokens), -np.inf), 1) if self.causal else np.zeros(())
        weights = jax.nn.softmax(scores + jnp.broadcast_to(later, scores.shape), axis=-1)
        return jnp.einsum("...hts,...hsv,hvo->...to", weights, v, params["wo"])

    def _normed(self, latent: Array, gain: Array | None) -> Array:
        normed = latent if self.norm == "none" else rms_norm(latent, 1e-2)
        return normed if gain is None else normed * jnp.broadcast_to(gain, normed.shape)


@st.composite
def latents(draw: st.DrawFn, *, norms: tuple[LatentNorm, ...], least: int = 1, query: bool | None = None) -> Latent:
    """Designs; shrinks to the least of everything, with the first of the norms.

    Args:
        draw: of the strategy.
        norms: of the latents, to choose from.
        least: the smallest width of a latent.
        query: whether queries are made of a latent as well; drawn by default.
    """
    width = st.integers(1, 2)
    asked = draw(st.booleans()) if query is None else query
    return Latent(
        heads=draw(width),
        latent=draw(st.integers(least, 3)),
        query_latent=draw(st.integers(least, 2)) if asked else 0,
        key_width=draw(width),
        planes=draw(width),
        value_width=draw(width),
        d_in=draw(st.integers(1, 3)),
        d_out=draw(width),
        tokens=draw(st.sampled_from((2, 2, 3))),
        causal=draw(st.booleans()),
        norm=draw(st.sampled_from(norms)),
    )
