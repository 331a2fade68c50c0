"""Norms with a gain and the layer behind it; weights that are given by a direction and a size."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.norms import group_norm, rms_norm
from eqprop.strategies.surroundings import Block, Shape, shifted

Stored = Literal["plain", "minus one", "log"]
"""How a gain γ is stored: as it is, as γ − 1 (Gemma), or as log γ."""


@dataclass(frozen=True)
class Gained:
    """norm(h) * gain (+ shift), then a linear layer; the defaults are what it shrinks to.

    Attributes:
        kind: of the norm.
        width: features of the norm.
        d_out: features that leave.
        shift: whether the norm has one.
        epsilon: of the norm.
        stored: how the gain is.
    """

    kind: Literal["rms", "layer"] = "rms"
    width: int = 2
    d_out: int = 1
    shift: bool = False
    epsilon: float = 1e-5
    stored: Stored = "plain"

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def block(self) -> Block:
        """``(…, width) → (…, d_out)`` with parameters gain, w, and shift where there is one."""
        shapes: dict[str, Shape] = {"gain": (self.width,), "w": (self.width, self.d_out)}
        shapes |= {"shift": (self.width,)} if self.shift else {}
        return Block(self._apply, shapes, self.width, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        z = rms_norm(h, self.epsilon) if self.kind == "rms" else group_norm(h, 1, self.epsilon)
        z = z * jnp.broadcast_to(self._gain(params["gain"]), z.shape)
        return (shifted(z, params["shift"]) if self.shift else z) @ params["w"]

    def _gain(self, stored: Array) -> Array:
        if self.stored == "log":
            return jnp.exp(stored)
        return 1 + stored if self.stored == "minus one" else stored


@st.composite
def gained_norms(draw: st.DrawFn, stored: Stored = "plain") -> Gained:
    """Norms with gains; a layer norm has three features or more."""
    kind = draw(st.sampled_from(("rms", "layer")))
    least = 2 if kind == "rms" else 3
    epsilon = draw(st.sampled_from((1e-5, 1e-2)))
    return Gained(kind, draw(st.integers(least, 4)), draw(st.integers(1, 3)), draw(st.booleans()), epsilon, stored)


@dataclass(frozen=True)
class Directed:
    """h (size · v / ‖v‖), column by column, with v plus a low-rank update where there is one (DoRA).

    Attributes:
        d_in: features that enter, from 2 on: of one feature a direction is a sign.
        d_out: features that leave.
        rank: of the update; 0 for none.
        bias: whether there is one.
    """

    d_in: int = 2
    d_out: int = 1
    rank: int = 0
    bias: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def block(self) -> Block:
        """``(…, d_in) → (…, d_out)`` with parameters v, size, and down, up, bias where they exist."""
        shapes: dict[str, Shape] = {"v": (self.d_in, self.d_out), "size": (self.d_out,)}
        shapes |= {"bias": (self.d_out,)} if self.bias else {}
        shapes |= {"down": (self.d_in, self.rank), "up": (self.rank, self.d_out)} if self.rank else {}
        return Block(self._apply, shapes, self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        v = params["v"] + params["down"] @ params["up"] if self.rank else params["v"]
        sizes = params["size"] / jnp.sqrt(jnp.sum(v**2, axis=0))
        out = h @ (v * jnp.broadcast_to(sizes, v.shape))
        return shifted(out, params["bias"]) if self.bias else out


@st.composite
def directed_weights(draw: st.DrawFn) -> Directed:
    """Weight norms, and low-rank updates of them."""
    size = st.integers(1, 3)
    return Directed(draw(st.integers(2, 4)), draw(size), draw(st.sampled_from((0, 0, 1, 2))), draw(st.booleans()))
