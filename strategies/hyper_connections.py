"""Hyper-connections: several residual streams, which each block reads, writes and mixes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array, Tree
from eqprop.strategies.norms import rms_norm
from eqprop.strategies.surroundings import Embedded, Shape, batches, examples

Mixing = Literal["free", "doubly stochastic"]
ROUNDS = 2
"""Of Sinkhorn and Knopp's normalisation of rows and columns."""
EPSILON = 1e-2
"""Of the norms."""


@dataclass(frozen=True)
class HyperConnections:
    """H = 1 ⊗ x W_E; H ← A H + b ⊗ block(aᵀH) for each block; y = (1ᵀH) W_U. The defaults are what it shrinks to.

    Attributes:
        streams: how many.
        width: of each.
        blocks: at least 2: the streams between two blocks are what is moved.
        hidden: units of a block.
        mixing: A, a and b are ``"free"`` (Zhu et al. 2024, arXiv 2409.19606), or made of logits by a doubly stochastic
            matrix and sigmoids (Xie et al. 2026, arXiv 2512.24880).
        dynamic: whether the logits of A, a and b depend on the streams as well.
        d_in: features that enter.
        d_out: features that leave.
        batch: of the inputs.
    """

    streams: int = 2
    width: int = 1
    blocks: int = 2
    hidden: int = 1
    mixing: Mixing = "free"
    dynamic: bool = False
    d_in: int = 1
    d_out: int = 1
    batch: int = 1

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def net(self) -> Embedded:
        """The network, with parameters embed, blocks (each with read, write, mix, w_in, w_out) and unembed."""
        n, d = self.streams, self.width
        logits: dict[str, Shape] = {"read": (n,), "write": (n,), "mix": (n, n)}
        block = {**logits, "w_in": (d, self.hidden), "w_out": (self.hidden, d)}
        block |= {f"{name}_seen": (n, d, *shape) for name, shape in logits.items()} if self.dynamic else {}
        shapes: dict[str, Tree] = {"embed": (self.d_in, d), "blocks": [block] * self.blocks, "unembed": (d, self.d_out)}
        params, inputs = examples(shapes, (self.batch, self.d_in))
        return Embedded(self._apply, params, inputs, {})

    def _apply(self, params: Params, inputs: Inputs) -> Outputs:
        x = inputs @ params["embed"]
        streams = jnp.broadcast_to(x[..., None, :], (*x.shape[:-1], self.streams, self.width))
        for block in params["blocks"]:
            read, write, mix = (self._logits(block, streams, name) for name in ("read", "write", "mix"))
            if self.mixing != "free":
                read, write, mix = jax.nn.sigmoid(read), 2 * jax.nn.sigmoid(write), doubly_stochastic(mix)
            seen = rms_norm(jnp.einsum("...n,...nd->...d", read, streams), EPSILON)
            written = jnp.tanh(seen @ block["w_in"]) @ block["w_out"]
            streams = jnp.einsum("...mn,...nd->...md", mix, streams) + write[..., None] * written[..., None, :]
        return jnp.sum(streams, axis=-2) @ params["unembed"]

    def _logits(self, block: Params, streams: Array, name: str) -> Array:
        """Of one of read, write and mix, for each of the inputs."""
        leading = streams.shape[:-2]
        logits = jnp.broadcast_to(block[name], (*leading, *block[name].shape))
        if not self.dynamic:
            return logits
        normed = rms_norm(jnp.reshape(streams, (*leading, -1)), EPSILON)
        return logits + jnp.tensordot(jnp.reshape(normed, streams.shape), block[f"{name}_seen"], 2)


def doubly_stochastic(logits: Array) -> Array:
    """Rows by a softmax, then columns and rows in turn divided by their sums: columns sum to 1, and rows nearly."""
    mix = jax.nn.softmax(logits, axis=-1)
    mix = mix / jnp.sum(mix, axis=-2, keepdims=True)
    for _ in range(ROUNDS - 1):
        mix = mix / jnp.sum(mix, axis=-1, keepdims=True)
        mix = mix / jnp.sum(mix, axis=-2, keepdims=True)
    return mix


@st.composite
def hyper_connections(draw: st.DrawFn, mixing: Mixing, *, dynamic: bool | None = False) -> HyperConnections:
    """Designs; shrinks to two streams of one feature, two blocks, and no mixing that depends on the streams.

    Args:
        draw: of the strategy.
        mixing: of the streams.
        dynamic: whether it depends on them; drawn for None.
    """
    width = st.integers(1, 2)
    return HyperConnections(
        streams=draw(st.sampled_from((2, 2, 3))),
        width=draw(width),
        blocks=draw(st.sampled_from((2, 2, 3))),
        hidden=draw(width),
        mixing=mixing,
        dynamic=draw(st.booleans()) if dynamic is None else dynamic,
        d_in=draw(width),
        d_out=draw(width),
        batch=draw(batches()),
    )
