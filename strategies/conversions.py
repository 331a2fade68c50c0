"""Conversions: a model, and what a tool makes of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Model, Outputs, Pair, Params, Transformation
from eqprop.engine import Array, Tree
from eqprop.groups import Element, Group, Trivial
from eqprop.strategies.convolution import convolved
from eqprop.strategies.domains import Domain
from eqprop.strategies.norms import group_norm, rms_norm
from eqprop.strategies.surroundings import Block, Embedded, Shape, dense, shifted, widths

Function = Callable[[Tree, Tree], Tree]


@dataclass(frozen=True)
class OnBlock:
    """``convert(element, block)`` on the block of a network, or on all of its parameters where there is none."""

    convert: Function

    def __call__(self, element: Element, params: Params) -> Params:
        if "block" not in params:
            return self.convert(element, params)
        return {**params, "block": self.convert(element, params["block"])}


def conversion(
    name: str,
    source: Embedded,
    target: Function,
    convert: Function,
    own: Mapping[str, Hashable],
    *,
    group: Group | None = None,
    domain: Domain | None = None,
) -> Pair:
    """f and f′ with K: Θ → Θ′.

    Args:
        name: of the conversion.
        source: the network of f.
        target: the function of f′.
        convert: K, of an element and the block's parameters.
        own: what was drawn besides the surroundings.
        group: what K may choose from; one element by default.
        domain: of the source's parameters.
    """
    chosen = group or Trivial()
    move = Transformation(chosen, OnBlock(convert), name=name)
    shapes = jax.eval_shape(move.on_params, chosen.identity(), source.params)
    example = jax.tree.map(lambda leaf: np.zeros(leaf.shape), shapes)  # carries shapes only, as the source's
    image = Model(target, example, source.inputs, name=f"{name}-target", trained=False)
    model = source.model(f"{name}-source", domain=domain)
    return Pair(model, move, target=image, architecture={**own, **source.architecture})


@dataclass(frozen=True)
class GainedNorm:
    """norm(h) γ (+ β), then w (+ b); the defaults are what it shrinks to.

    Attributes:
        kind: of the norm.
        width: features that are normalised.
        d_out: features that leave.
        shift: whether the norm has a β.
        bias: whether the layer has a b.
        epsilon: of the norm.
    """

    kind: Literal["rms", "layer"] = "rms"
    width: int = 1
    d_out: int = 1
    shift: bool = False
    bias: bool = False
    epsilon: float = 1e-2

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def block(self) -> Block:
        """``(…, width) → (…, d_out)`` with parameters gain and w, and shift and b where they exist."""
        shapes: dict[str, Shape] = {"gain": (self.width,), "w": (self.width, self.d_out)}
        shapes |= {"shift": (self.width,)} if self.shift else {}
        shapes |= {"b": (self.d_out,)} if self.bias else {}
        return Block(self._apply, shapes, self.width, self.d_out)

    def plain(self, params: Params, h: Array) -> Array:
        """norm(h), then w (+ b)."""
        return dense(params, self._normed(h))

    def _normed(self, h: Array) -> Array:
        return rms_norm(h, self.epsilon) if self.kind == "rms" else group_norm(h, 1, self.epsilon)

    def _apply(self, params: Params, h: Array) -> Outputs:
        z = self._normed(h) * jnp.broadcast_to(params["gain"], h.shape)
        return dense(params, shifted(z, params["shift"]) if self.shift else z)


@st.composite
def gained_norms(draw: st.DrawFn) -> GainedNorm:
    """Norms with gains, and the layers behind them; a layer norm has three features at least."""
    kind, more = draw(st.sampled_from(("rms", "layer"))), draw(st.integers(1, 2))
    return GainedNorm(
        kind,  # pyright: ignore[reportArgumentType]
        width=more + (2 if kind == "layer" else 0),
        d_out=draw(widths(1, 3)),
        shift=draw(st.booleans()),
        bias=draw(st.booleans()),
        epsilon=draw(st.sampled_from((1e-2, 1e-1))),
    )


@dataclass(frozen=True)
class BatchNormed:
    """A dense or convolutional layer, and a batch norm with running statistics on one side of it.

    Attributes:
        norm_first: whether the norm comes before the layer.
        size: of the kernel; 0 for a dense layer.
        c_in: features that enter.
        c_out: features that leave.
        bias: whether the layer has one.
        epsilon: of the norm.
        padding: zeros that a convolution adds on both sides of the signal.
    """

    norm_first: bool = False
    size: int = 0
    c_in: int = 1
    c_out: int = 1
    bias: bool = False
    epsilon: float = 1e-3
    padding: int = 0

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def block(self) -> Block:
        """Parameters w, gain, shift, mean and variance, and b where it exists."""
        w = (self.size, self.c_in, self.c_out) if self.size else (self.c_in, self.c_out)
        features = (self.c_in if self.norm_first else self.c_out,)
        shapes: dict[str, Shape] = {"w": w, **dict.fromkeys(("gain", "shift", "mean", "variance"), features)}
        return Block(self._apply, shapes | ({"b": (self.c_out,)} if self.bias else {}), self.c_in, self.c_out)

    def layer(self, params: Params, h: Array) -> Array:
        """The layer alone."""
        if not self.size:
            return dense(params, h)
        padded = jnp.pad(h, ((0, 0),) * (h.ndim - 2) + ((self.padding, self.padding), (0, 0)))
        z = convolved(padded, params["w"])
        return shifted(z, params["b"]) if "b" in params else z

    def _apply(self, params: Params, h: Array) -> Outputs:
        return (
            self.layer(params, self._normed(params, h))
            if self.norm_first
            else self._normed(params, self.layer(params, h))
        )

    def _normed(self, params: Params, z: Array) -> Array:
        scale = params["gain"] / jnp.sqrt(params["variance"] + self.epsilon)
        return shifted(shifted(z, -params["mean"]) * jnp.broadcast_to(scale, z.shape), params["shift"])


@st.composite
def batch_normed_layers(draw: st.DrawFn) -> BatchNormed:
    """Layers with a batch norm before or behind them; shrinks to a dense one of one unit, the norm behind it."""
    return BatchNormed(
        norm_first=draw(st.booleans()),
        size=draw(st.integers(0, 2)),
        c_in=draw(widths(1, 3)),
        c_out=draw(widths(1, 3)),
        bias=draw(st.booleans()),
        epsilon=draw(st.sampled_from((1e-3, 1e-5))),
    )


@dataclass(frozen=True)
class LowRankUpdate:
    """h W + (α / r) (h A) B (+ b); the defaults are what it shrinks to.

    Attributes:
        d_in: features that enter.
        rank: r.
        d_out: features that leave.
        alpha: α.
        bias: whether there is a b.
    """

    d_in: int = 1
    rank: int = 1
    d_out: int = 1
    alpha: float = 0.75
    bias: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    @property
    def scale(self) -> float:
        """α / r."""
        return self.alpha / self.rank

    def block(self) -> Block:
        """``(…, d_in) → (…, d_out)`` with parameters w, down, up, and b where it exists."""
        shapes: dict[str, Shape] = {"w": (self.d_in, self.d_out)}
        shapes |= {"down": (self.d_in, self.rank), "up": (self.rank, self.d_out)}
        return Block(self._apply, shapes | ({"b": (self.d_out,)} if self.bias else {}), self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        return dense(params, h) + self.scale * (h @ params["down"]) @ params["up"]


@st.composite
def low_rank_updates(draw: st.DrawFn) -> LowRankUpdate:
    """Linear layers with an update; shrinks to one feature everywhere."""
    width, alpha = widths(1, 3), st.sampled_from((0.75, 3.0, 16.0))
    return LowRankUpdate(draw(width), draw(width), draw(width), alpha=draw(alpha), bias=draw(st.booleans()))
