"""Residual networks: a stream that blocks read and add to, with or without norms; and small transformers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array, Tree
from eqprop.strategies.activations import GELU, LEAKY_RELU, SOFTPLUS, TANH, Activation
from eqprop.strategies.norms import group_norm, rms_norm
from eqprop.strategies.surroundings import Embedded, Shape, batches, examples, shifted

Norm = Literal["none", "rms", "layer"]
Ends = Literal["dense", "tied", "untied"]
ACTIVATIONS = (TANH, LEAKY_RELU, GELU, SOFTPLUS)


@dataclass(frozen=True)
class Stream:
    """x = embedding; x = x + block(norm(x)) for each block; y = norm(x) U. The defaults are what it shrinks to.

    A block is a hidden layer, behind attention where there are heads.

    Attributes:
        activation: of the hidden layers.
        width: of the stream.
        blocks: how many.
        hidden: units of each block.
        heads: of attention in each block; 0 for none.
        norm: in front of every reader.
        gains: whether norms have gains.
        biases: whether hidden layers have biases, outside and inside.
        ends: ``"dense"`` for an input of features; ``"tied"`` and ``"untied"`` for tokens, embedded by rows of a table
            (with one of positions), which is the unembedding, too, or not.
        d_in: features, or the size of the vocabulary.
        d_out: features that leave, where they are not the vocabulary's logits.
        epsilon: of the norms.
        final_norm: whether there is one in front of the unembedding.
        batch: of the inputs.
    """

    activation: Activation = TANH
    width: int = 1
    blocks: int = 1
    hidden: int = 1
    heads: int = 0
    norm: Norm = "none"
    gains: bool = False
    biases: bool = False
    ends: Ends = "dense"
    d_in: int = 1
    d_out: int = 1
    epsilon: float = 0.0
    final_norm: bool = True
    batch: int = 1
    tokens: int = 2

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    @property
    def writes(self) -> dict[str, int]:
        """Every tensor that is added to the stream, with the axis of its features."""
        found = {"embed": 1, "blocks/*/w_out": 1}
        found |= {"blocks/*/b_out": 0} if self.biases else {}
        found |= {"blocks/*/wo": 2} if self.heads else {}
        return found | ({} if self.ends == "dense" else {"positions": 1})

    @property
    def reads(self) -> dict[str, int]:
        """Every tensor that reads the stream; a tied embedding is among the writers only."""
        found = {"blocks/*/w_in": 0} | ({f"blocks/*/w{kind}": 1 for kind in "qkv"} if self.heads else {})
        return found | ({} if self.ends == "tied" else {"unembed": 0})

    def net(self) -> Embedded:
        """The network, and an example of its inputs: features, or tokens."""
        d = self.width
        block: dict[str, Shape] = {"w_in": (d, self.hidden), "w_out": (self.hidden, d)}
        block |= {"b_in": (self.hidden,), "b_out": (d,)} if self.biases else {}
        block |= {"gain": (d,)} if self.gains else {}
        if self.heads:
            block |= {f"w{kind}": (self.heads, d, 2) for kind in "qkv"} | {"wo": (self.heads, 2, d)}
        shapes: dict[str, Tree] = {"embed": (self.d_in, d), "blocks": [block] * self.blocks}
        shapes |= {} if self.ends == "tied" else {"unembed": (d, self.d_out)}
        shapes |= {} if self.ends == "dense" else {"positions": (self.tokens, d)}
        params, inputs = examples(shapes, (self.batch, self.tokens, self.d_in))
        if self.ends != "dense":
            inputs = np.arange(self.batch * self.tokens).reshape(self.batch, self.tokens) % self.d_in
        return Embedded(self._apply, params, inputs, {})

    def _apply(self, params: Params, inputs: Inputs) -> Outputs:
        if self.ends == "dense":
            x = inputs @ params["embed"]
        else:
            x = params["embed"][inputs]
            x = x + jnp.broadcast_to(params["positions"], x.shape)
        for block in params["blocks"]:
            x = x + self._attended(block, x) if self.heads else x
            x = x + self._hidden(block, self._normed(x, block.get("gain")))
        x = self._normed(x, None) if self.final_norm else x
        return x @ (params["embed"].T if self.ends == "tied" else params["unembed"])

    def _normed(self, x: Array, gain: Array | None) -> Array:
        norms: dict[Norm, Callable[[Array], Array]] = {
            "none": lambda x: x,
            "rms": lambda x: rms_norm(x, self.epsilon),
            "layer": lambda x: group_norm(x, 1, self.epsilon),
        }
        x = norms[self.norm](x)
        return x if gain is None else x * jnp.broadcast_to(gain, x.shape)

    def _hidden(self, block: Params, x: Array) -> Array:
        z = x @ block["w_in"]
        z = self.activation(shifted(z, block["b_in"]) if self.biases else z) @ block["w_out"]
        return shifted(z, block["b_out"]) if self.biases else z

    def _attended(self, block: Params, x: Array) -> Array:
        q, k, v = (jnp.einsum("...td,hdk->...htk", self._normed(x, None), block[f"w{kind}"]) for kind in "qkv")
        weights = jax.nn.softmax(jnp.einsum("...htk,...hsk->...hts", q, k) / np.sqrt(2), axis=-1)
        return jnp.einsum("...hts,...hsv,hvd->...td", weights, v, block["wo"])


@st.composite
def streams(
    draw: st.DrawFn,
    *,
    norm: Norm = "none",
    least_width: int = 1,
    epsilons: tuple[float, ...] = (0.0,),
    ends: Ends = "dense",
    gains: bool = False,
    final_norm: bool = True,
) -> Stream:
    """Residual networks of hidden layers; shrinks to one block of one unit, the least width, without biases.

    Args:
        draw: of the strategy.
        norm: in front of every reader.
        least_width: the smallest width of the stream.
        epsilons: of the norms, to choose from.
        ends: how the stream begins and ends.
        gains: whether norms have gains.
        final_norm: whether there is one in front of the unembedding.
    """
    least_in = 1 if ends == "dense" else 2
    return Stream(
        draw(st.sampled_from(ACTIVATIONS)),
        width=draw(st.integers(least_width, max(least_width, 2) + 1)),
        blocks=draw(st.sampled_from((1, 1, 2))),
        hidden=draw(st.integers(1, 3)),
        norm=norm,
        gains=gains,
        biases=draw(st.booleans()),
        ends=ends,
        d_in=draw(st.integers(least_in, 3)),
        d_out=draw(st.integers(1, 2)),
        epsilon=draw(st.sampled_from(epsilons)),
        final_norm=final_norm,
        batch=draw(batches()),
        tokens=draw(st.integers(1, 2)),
    )


@st.composite
def transformers(draw: st.DrawFn, *, norm: Norm = "rms", heads: int = 1) -> Stream:
    """Transformers of one or two blocks, attention before hidden layers; shrinks to one block, width 2, two tokens.

    Args:
        draw: of the strategy.
        norm: in front of every reader.
        heads: the smallest number of heads.
    """
    return Stream(
        draw(st.sampled_from(ACTIVATIONS)),
        width=2,
        blocks=draw(st.sampled_from((1, 1, 1, 2))),
        hidden=draw(st.integers(2, 3)),
        heads=draw(st.integers(heads, 2)),
        norm=norm,
        biases=draw(st.booleans()),
        d_in=draw(st.integers(2, 3)),
        d_out=draw(st.integers(1, 2)),
        epsilon=1e-2 if norm != "none" else 0.0,
        batch=draw(st.integers(1, 2)),
    )
