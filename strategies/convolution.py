"""Convolutional networks on short signals: a hidden layer of channels, pooled or not, read by one of three heads."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import Activation
from eqprop.strategies.surroundings import Embedded, Shape, batches, examples, shifted

Padding = Literal["valid", "circular"]
Pooling = Literal["none", "max", "mean"]
Head = Literal["conv", "dense", "global"]


def convolved(x: Array, kernel: Array, padding: Padding = "valid", stride: int = 1) -> Array:
    """The convolution (cross-correlation) of signals (…, length, c_in) with a kernel (size, c_in, c_out)."""
    size = kernel.shape[0]
    if padding == "circular":
        x = jnp.concatenate([x, x[..., : size - 1, :]], axis=-2)
    starts = np.arange(0, x.shape[-2] - size + 1, stride)
    windows = x[..., starts[:, None] + np.arange(size)[None, :], :]
    return jnp.einsum("...tki,kio->...to", windows, kernel)


def depthwise(x: Array, kernel: Array) -> Array:
    """Each channel by a filter of its own, circular: signals (…, length, c), kernel (size, c)."""
    size, length = kernel.shape[0], x.shape[-2]
    windows = x[..., (np.arange(length)[:, None] + np.arange(size)[None, :]) % length, :]
    return jnp.einsum("...tkc,kc->...tc", windows, kernel)


def pooled(x: Array, kind: Pooling) -> Array:
    """The largest, or the mean, of each two neighbours along the signal; the last of an odd number is left out."""
    if kind == "none":
        return x
    length = x.shape[-2] // 2 * 2
    pairs = jnp.reshape(x[..., :length, :], (*x.shape[:-2], length // 2, 2, x.shape[-1]))
    if kind == "mean":
        return jnp.mean(pairs, axis=-2)
    # Not jnp.max: its derivative compares a number with itself, which XLA may compute twice and round differently.
    first, second = pairs[..., 0, :], pairs[..., 1, :]
    return jnp.where(first > second, first, second)


@dataclass(frozen=True)
class ConvNet:
    """conv → σ → (pool) → (depthwise) → conv, dense layer or global mean; the defaults are what it shrinks to.

    Attributes:
        activation: σ.
        c_in: channels that enter.
        channels: between.
        c_out: channels, or features, that leave.
        size: of the kernels.
        length: of the signal.
        batch: how many signals.
        bias: whether the first convolution has one.
        padding: of the first convolution.
        pooling: behind the activation.
        depthwise: whether a depthwise convolution follows.
        head: the last layer; ``"global"`` is a dense layer behind the mean over the signal.
    """

    activation: Activation
    c_in: int = 1
    channels: int = 1
    c_out: int = 1
    size: int = 1
    length: int = 2
    batch: int = 1
    bias: bool = False
    padding: Padding = "valid"
    pooling: Pooling = "none"
    depthwise: bool = False
    head: Head = "conv"

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    @property
    def pixels(self) -> int:
        """The length of the signal in front of the last layer."""
        length = self.length if self.padding == "circular" else self.length - self.size + 1
        return length if self.pooling == "none" else length // 2

    @property
    def writes(self) -> dict[str, int]:
        """The tensors that write the channels, with the axis of these."""
        return {"kernel": 2} | ({"bias": 0} if self.bias else {})

    @property
    def reads(self) -> dict[str, int | str]:
        """The tensor that reads them: as a convolution, a dense layer on all pixels, or one on their mean."""
        return {"head": {"conv": 1, "dense": "(pixels units) d_out", "global": 0}[self.head]}

    def net(self) -> Embedded:
        """The network: (batch, length, c_in) → (batch, pixels, c_out), or (batch, c_out)."""
        heads: dict[Head, Shape] = {
            "conv": (1, self.channels, self.c_out),
            "dense": (self.pixels * self.channels, self.c_out),
            "global": (self.channels, self.c_out),
        }
        shapes: dict[str, Shape] = {"kernel": (self.size, self.c_in, self.channels), "head": heads[self.head]}
        shapes |= {"bias": (self.channels,)} if self.bias else {}
        shapes |= {"depthwise": (2, self.channels)} if self.depthwise else {}
        params, inputs = examples(shapes, (self.batch, self.length, self.c_in))
        return Embedded(self._apply, params, inputs, {})

    def _apply(self, params: Params, x: Array) -> Outputs:
        z = convolved(x, params["kernel"], self.padding)
        z = shifted(z, params["bias"]) if self.bias else z
        z = pooled(self.activation(z), self.pooling)
        z = depthwise(z, params["depthwise"]) if self.depthwise else z
        if self.head == "conv":
            return convolved(z, params["head"])
        flat = jnp.mean(z, axis=-2) if self.head == "global" else jnp.reshape(z, (*z.shape[:-2], -1))
        return flat @ params["head"]


@st.composite
def conv_nets(
    draw: st.DrawFn,
    activations: st.SearchStrategy[Activation],
    *,
    poolings: tuple[Pooling, ...] = ("none", "max", "mean"),
    least_channels: int = 1,
    least_batch: int = 1,
    least_size: int = 1,
    head: Head | None = None,
    depthwise: bool | None = None,
) -> ConvNet:
    """Designs; shrinks to one channel, a kernel of one, a signal of two, no bias, no pooling.

    Args:
        draw: of the strategy.
        activations: of the hidden channels.
        poolings: to choose from.
        least_channels: the smallest number of hidden channels.
        least_batch: the smallest batch.
        least_size: the smallest kernel.
        head: the last layer; drawn by default.
        depthwise: whether there is a depthwise convolution; drawn by default.
    """
    size = draw(st.integers(least_size, 2))
    return ConvNet(
        draw(activations),
        c_in=draw(st.integers(1, 2)),
        channels=draw(st.integers(least_channels, 3)),
        c_out=draw(st.integers(1, 2)),
        size=size,
        length=draw(st.integers(size + 1, 4)),
        batch=draw(batches(least_batch)),
        bias=draw(st.booleans()),
        padding=draw(st.sampled_from(("valid", "circular"))),
        pooling=draw(st.sampled_from(poolings)),
        depthwise=draw(st.booleans()) if depthwise is None else depthwise,
        head=draw(st.sampled_from(("conv", "dense", "global"))) if head is None else head,
    )
