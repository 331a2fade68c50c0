"""Normalisation blocks: a linear map and the norm behind it; what the norm removes are directions of its weights."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.surroundings import Block, shifted

NormKind = Literal["batch", "layer"]


def standardised(z: Array, axis: int | tuple[int, ...], epsilon: float | Array) -> Array:
    """(z − mean) / √(variance + ε) over some axes."""
    centred = z - jnp.mean(z, axis=axis, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=axis, keepdims=True) + epsilon)


def batch_norm(z: Array, epsilon: float | Array) -> Array:
    """Each feature over all leading axes, with the statistics of the batch (training mode); ε may differ by feature."""
    return standardised(z, tuple(range(z.ndim - 1)), epsilon)


def rms_norm(z: Array, epsilon: float = 0.0) -> Array:
    """z divided by the root of its mean square over the features."""
    return z / jnp.sqrt(jnp.mean(z**2, axis=-1, keepdims=True) + epsilon)


def group_norm(z: Array, groups: int, epsilon: float | Array) -> Array:
    """Each example over the features of a group; one group is a layer norm."""
    split = jnp.reshape(z, (*z.shape[:-1], groups, -1))
    return jnp.reshape(standardised(split, -1, epsilon), z.shape)


@dataclass(frozen=True)
class Normalised:
    """z = h w (+ b), normalised, then (* gain + shift): what is drawn to build the block; it shrinks to the defaults.

    Attributes:
        kind: of the norm.
        d_in: features that enter.
        groups: that the features of z are split into; 1 for batch and layer norms.
        group_width: features in a group; from 3 on for a layer norm, because it maps two numbers to ±1.
        bias: whether z has one.
        affine: whether a gain and a shift follow.
        epsilon: of the norm; None for a batch norm that has one for each feature among its parameters.
    """

    kind: NormKind = "layer"
    d_in: int = 1
    groups: int = 1
    group_width: int = 3
    bias: bool = False
    affine: bool = False
    epsilon: float | None = 1e-5

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    @property
    def width(self) -> int:
        """Features of z."""
        return self.groups * self.group_width

    def block(self) -> Block:
        """``(…, d_in) → (…, width)`` with parameters w, and b, epsilon, gain, shift where they exist."""
        shapes: dict[str, tuple[int, ...]] = {"w": (self.d_in, self.width)}
        optional = {"b": self.bias, "epsilon": self.epsilon is None, "gain": self.affine, "shift": self.affine}
        shapes |= {name: (self.width,) for name, present in optional.items() if present}
        return Block(self._apply, shapes, self.d_in, self.width)

    def linear(self, params: Params, h: Array) -> Array:
        """z, what is normalised."""
        z = h @ params["w"]
        return shifted(z, params["b"]) if self.bias else z

    def variance(self, z: Array) -> Array:
        """What the norm divides by the root of, without ε, for each number of z."""
        split = z if self.kind == "batch" else jnp.reshape(z, (*z.shape[:-1], self.groups, -1))
        axis = tuple(range(z.ndim - 1)) if self.kind == "batch" else -1
        found = jnp.mean((split - jnp.mean(split, axis=axis, keepdims=True)) ** 2, axis=axis, keepdims=True)
        return jnp.reshape(jnp.broadcast_to(found, split.shape), z.shape)

    def _apply(self, params: Params, h: Array) -> Outputs:
        z = self.linear(params, h)
        epsilon = params["epsilon"] if self.epsilon is None else self.epsilon
        z = batch_norm(z, epsilon) if self.kind == "batch" else group_norm(z, self.groups, epsilon)
        return shifted(z * jnp.broadcast_to(params["gain"], z.shape), params["shift"]) if self.affine else z


@st.composite
def batch_norms(draw: st.DrawFn, *, epsilon: float | None = None, bias: bool = False) -> Normalised:
    """Linear maps with a batch norm behind them, without a bias, as is usual: the batch mean removes it.

    A bias far larger than what the samples differ by would round those differences away in steps of its own last place,
    the same in every perturbed copy: an error that no rounding floor sees. With ``bias`` it must be kept small.
    """
    return Normalised(
        kind="batch",
        d_in=draw(st.integers(1, 4)),
        group_width=draw(st.integers(1, 4)),
        bias=bias,
        affine=draw(st.booleans()),
        epsilon=epsilon,
    )


@st.composite
def group_norms(
    draw: st.DrawFn, *, least_in: int = 1, epsilons: tuple[float, ...] = (1e-5, 1e-2), bias: bool | None = None
) -> Normalised:
    """Linear maps with a layer or group norm behind them; ε from ``epsilons``, a bias drawn unless it is given."""
    return Normalised(
        d_in=draw(st.integers(least_in, 3)),
        groups=draw(st.integers(1, 2)),
        group_width=draw(st.integers(3, 4)),
        bias=draw(st.booleans()) if bias is None else bias,
        affine=draw(st.booleans()),
        epsilon=draw(st.sampled_from(epsilons)),
    )
