"""Convolutional networks on images, by XLA's own convolution: plain, strided, dilated, transposed, grouped, pooled."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import Activation
from eqprop.strategies.convolution import Head, Pooling, pooled
from eqprop.strategies.surroundings import Embedded, Shape, examples, shifted

Kind = Literal["plain", "strided", "dilated", "transposed"]
SIZE = 3
"""Of the kernels; odd, so that zeros are padded alike on both sides where the stride is 1."""

LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}
"""Of images, kernels and what comes out, by the number of axes in space."""


def convolved_image(x: Array, kernel: Array, kind: Kind = "plain", groups: int = 1) -> Array:
    """Images (batch, …, c_in) through kernels (…, c_in / groups, c_out), padded with zeros to their size.

    Strides are of two, dilated kernels reach twice as far, and transposed ones double the size.
    """
    space = x.ndim - 2
    layout = LAYOUTS[space]
    if kind == "transposed":
        return jax.lax.conv_transpose(x, kernel, (2,) * space, "SAME", dimension_numbers=layout)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (2 if kind == "strided" else 1,) * space,
        "SAME",
        rhs_dilation=(2 if kind == "dilated" else 1,) * space,
        dimension_numbers=layout,
        feature_group_count=groups,
    )


def pooled_image(x: Array, kind: Pooling) -> Array:
    """Along each axis in space, as ``pooled`` does along a signal."""
    for axis in range(1, x.ndim - 1):
        x = jnp.moveaxis(pooled(jnp.moveaxis(x, axis, -2), kind), -2, axis)
    return x


@dataclass(frozen=True)
class ImageNet:
    """conv of some kind → σ → (pool) → (depthwise) → conv, dense layer or global mean; the defaults are the simplest.

    Attributes:
        activation: σ.
        kind: of the first convolution.
        space: axes in space, 1 or 2.
        side: of the image along each of them; half of it enters a transposed convolution.
        c_in: channels that enter.
        width: channels between, in each group.
        groups: of the last convolution, each of which reads channels of its own.
        c_out: channels that leave each group, or features.
        batch: how many images.
        bias: whether the first convolution has one.
        pooling: behind the activation.
        depthwise: whether a depthwise convolution follows.
        head: the last layer; ``"global"`` is a dense layer behind the mean over the image.
    """

    activation: Activation
    kind: Kind = "plain"
    space: int = 2
    side: int = 6
    c_in: int = 1
    width: int = 2
    groups: int = 1
    c_out: int = 1
    batch: int = 1
    bias: bool = False
    pooling: Pooling = "none"
    depthwise: bool = False
    head: Head = "conv"

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    @property
    def channels(self) -> int:
        """Between the two layers, in all groups."""
        return self.groups * self.width

    @property
    def entering(self) -> int:
        """The side of the images that enter."""
        return self.side // 2 if self.kind == "transposed" else self.side

    @property
    def pixels(self) -> int:
        """In front of the last layer."""
        side = {"strided": -(-self.side // 2), "transposed": 2 * self.entering}.get(self.kind, self.side)
        return (side if self.pooling == "none" else side // 2) ** self.space

    @property
    def writes(self) -> dict[str, int | str]:
        """The tensors that write the channels, with the axis of these; of several groups, as copies."""
        grouped = self.groups > 1
        axes: dict[str, int | str] = {}
        axes["kernel"] = f"{_axes(self.space)} c_in (copies units)" if grouped else self.space + 1
        if self.bias:
            axes["bias"] = "(copies units)" if grouped else 0
        return axes

    @property
    def reads(self) -> dict[str, int | str]:
        """The tensor that reads them."""
        if self.groups > 1:
            return {"head": f"{_axes(self.space)} units (copies c_out)"}
        return {"head": {"conv": self.space, "dense": "(pixels units) d_out", "global": 0}[self.head]}

    def net(self) -> Embedded:
        """The network: (batch, entering, …, c_in) → (batch, …, groups · c_out), or (batch, c_out)."""
        cube = (SIZE,) * self.space
        heads: dict[Head, Shape] = {
            "conv": (*cube, self.width, self.groups * self.c_out),
            "dense": (self.pixels * self.channels, self.c_out),
            "global": (self.channels, self.c_out),
        }
        shapes: dict[str, Shape] = {"kernel": (*cube, self.c_in, self.channels), "head": heads[self.head]}
        shapes |= {"bias": (self.channels,)} if self.bias else {}
        shapes |= {"depthwise": (*cube, 1, self.channels)} if self.depthwise else {}
        params, inputs = examples(shapes, (self.batch, *(self.entering,) * self.space, self.c_in))
        return Embedded(self._apply, params, inputs, {})

    def _apply(self, params: Params, x: Array) -> Outputs:
        z = convolved_image(x, params["kernel"], self.kind)
        z = shifted(z, params["bias"]) if self.bias else z
        z = pooled_image(self.activation(z), self.pooling)
        z = convolved_image(z, params["depthwise"], groups=self.channels) if self.depthwise else z
        if self.head == "conv":
            return convolved_image(z, params["head"], groups=self.groups)
        space = tuple(range(1, z.ndim - 1))
        flat = jnp.mean(z, axis=space) if self.head == "global" else jnp.reshape(z, (z.shape[0], -1))
        return flat @ params["head"]


def _axes(space: int) -> str:
    return " ".join("hw"[:space])


@st.composite
def image_nets(
    draw: st.DrawFn,
    activations: st.SearchStrategy[Activation],
    *,
    kinds: tuple[Kind, ...] = ("plain", "strided", "dilated", "transposed"),
    poolings: tuple[Pooling, ...] = ("none", "max", "mean"),
    heads: tuple[Head, ...] = ("conv", "dense", "global"),
    least_space: int = 1,
    least_groups: int = 1,
    depthwise: bool = False,
) -> ImageNet:
    """Designs; shrinks to one image of 6 pixels (or 6 × 6), one channel in, two between, one out, no bias, no pooling.

    Networks of several groups end in a convolution.

    Args:
        draw: of the strategy.
        activations: of the hidden channels.
        kinds: of the first convolution, to choose from.
        poolings: to choose from.
        heads: to choose from, where there is one group.
        least_space: the smallest number of axes in space, of two.
        least_groups: of the last convolution; more than one where this is, one else.
        depthwise: whether there may be a depthwise convolution.
    """
    grouped = least_groups > 1
    return ImageNet(
        draw(activations),
        kind=draw(st.sampled_from(kinds)),
        space=draw(st.integers(least_space, 2)),
        side=draw(st.integers(6, 8)),
        c_in=draw(st.integers(1, 2)),
        width=draw(st.integers(2, 3)),
        groups=draw(st.integers(least_groups, 3 if grouped else 1)),
        c_out=draw(st.integers(1, 2)),
        batch=draw(st.integers(1, 2)),
        bias=draw(st.booleans()),
        pooling=draw(st.sampled_from(poolings)),
        depthwise=draw(st.booleans()) and depthwise,
        head=draw(st.sampled_from(("conv",) if grouped else heads)),
    )
