"""Mixtures of experts, and ensembles: several small networks, weighted by a router, by logits or not at all."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import GELU, LEAKY_RELU, SIN, SOFTPLUS, TANH, Activation
from eqprop.strategies.surroundings import Block, Shape

ACTIVATIONS = (TANH, LEAKY_RELU, GELU, SIN, SOFTPLUS)
"""None that leaves an expert of one unit dead."""

Weighting = Literal["router", "sigmoid router", "logits", "mean"]


@dataclass(frozen=True)
class Experts:
    """Σ_e p_e σ(h W_e + b_e) A_e; the defaults are what it shrinks to.

    Attributes:
        weighting: the p_e: a softmax over h R + r, a sigmoid of it, a softmax of free logits, or 1/count.
        activation: σ, of all experts.
        count: of experts, at least 2.
        d_in: features that enter.
        hidden: units of each expert.
        d_out: features that leave.
        biases: whether experts and router have them.
        top: how many experts a softmax router sends a sample to, of which it is the softmax; None for all.
    """

    weighting: Weighting
    activation: Activation
    count: int = 2
    d_in: int = 1
    hidden: int = 1
    d_out: int = 1
    biases: bool = False
    top: int | None = None

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of the parameters."""
        found: dict[str, Shape] = {
            "w": (self.count, self.d_in, self.hidden),
            "a": (self.count, self.hidden, self.d_out),
        }
        routed = self.weighting in ("router", "sigmoid router")
        optional: dict[str, tuple[bool, Shape]] = {
            "b": (self.biases, (self.count, self.hidden)),
            "router": (routed, (self.d_in, self.count)),
            "router_b": (routed and self.biases, (self.count,)),
            "logits": (self.weighting == "logits", (self.count,)),
        }
        return found | {name: shape for name, (present, shape) in optional.items() if present}

    @property
    def axes(self) -> dict[str, int]:
        """The axis of the experts in each parameter."""
        return {f"block/{name}": 1 if name == "router" else 0 for name in self.shapes}

    def block(self) -> Block:
        """``(…, d_in) → (…, d_out)``."""
        return Block(self._apply, self.shapes, self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        z = jnp.einsum("...i,eih->...eh", h, params["w"])
        z = z + jnp.broadcast_to(params["b"], z.shape) if self.biases else z
        each = jnp.einsum("...eh,eho->...eo", self.activation(z), params["a"])
        return jnp.sum(jnp.broadcast_to(self._weights(params, h)[..., None], each.shape) * each, axis=-2)

    def _weights(self, params: Params, h: Array) -> Array:
        shape = (*h.shape[:-1], self.count)
        if self.weighting == "mean":
            return jnp.full(shape, 1 / self.count)
        if self.weighting == "logits":
            return jnp.broadcast_to(jax.nn.softmax(params["logits"]), shape)
        routed = jnp.tanh(h) @ params["router"]
        routed = routed + jnp.broadcast_to(params["router_b"], shape) if self.biases else routed
        if self.weighting == "sigmoid router":
            return jax.nn.sigmoid(routed)
        return jax.nn.softmax(routed if self.top is None else largest(routed, self.top), axis=-1)


def largest(logits: Array, count: int) -> Array:
    """The largest logits, and −∞ for the others; of those that are tied for the last place the first stay.

    They are chosen by their indices. The last one against a threshold that was taken from it is left to rounding: in
    compiled derivatives both were seen to differ, until 1e-9 was taken off the threshold.
    """
    _, indices = jax.lax.top_k(logits, count)
    chosen = jnp.sum(jax.nn.one_hot(indices, logits.shape[-1]), axis=-2)
    return jnp.where(chosen > 0, logits, -jnp.inf)


@st.composite
def experts(draw: st.DrawFn, weighting: Weighting, *, most: int = 4, top: bool = False) -> Experts:
    """Designs with one kind of weighting; shrinks to two experts of one tanh unit without biases.

    Args:
        draw: of the strategy.
        weighting: of the experts.
        most: the largest number of experts.
        top: whether a sample may go to two of three experts only. The model jumps at ties: for transformations that no
            two logits change places under, along the way included.
    """
    width = st.integers(1, 3)
    count = draw(st.integers(2, most))
    chosen = draw(st.booleans())
    return Experts(
        weighting,
        draw(st.sampled_from(ACTIVATIONS)),
        count=count,
        top=2 if top and chosen and count > 2 else None,
        d_in=draw(width),
        hidden=draw(st.integers(1, 2)),
        d_out=draw(width),
        biases=draw(st.booleans()),
    )
