"""Mamba-2 blocks: heads with one decay each, whose states are written by B(x) and read by C(x)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.norms import rms_norm
from eqprop.strategies.surroundings import Block, Shape, shifted

KERNEL = 2
"""Steps that the convolution sees."""


@dataclass(frozen=True)
class Mamba2:
    """A Mamba-2 block with one group of B and C (Dao & Gu 2024, arXiv 2405.21060); the defaults are what it shrinks to.

    Attributes:
        heads: how many.
        head_width: channels of a head.
        states: n, of each channel.
        d_in: features of a step that enter.
        d_out: features that leave.
        steps: of the sequence, at least 2.
        convolved: whether x, B and C pass a causal depthwise convolution and a SiLU, as released ones do.
    """

    heads: int = 1
    head_width: int = 1
    states: int = 1
    d_in: int = 1
    d_out: int = 1
    steps: int = 2
    convolved: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    def block(self) -> Block:
        """``(…, steps, d_in) → (…, steps, d_out)``; w_x, w_z (d_in, heads, width), w_b, w_c (d_in, n), and the rest."""
        channels, heads = (self.heads, self.head_width), (self.heads,)
        shapes: dict[str, Shape] = {"w_x": (self.d_in, *channels), "w_z": (self.d_in, *channels)}
        shapes |= {"w_b": (self.d_in, self.states), "w_c": (self.d_in, self.states), "w_step": (self.d_in, *heads)}
        shapes |= {
            "step_bias": heads,
            "decay": heads,
            "skip": heads,
            "gain": channels,
            "w_out": (*channels, self.d_out),
        }
        if self.convolved:
            convolved: dict[str, Shape] = {"x": channels, "b": (self.states,), "c": (self.states,)}
            shapes |= {f"kernel_{name}": (KERNEL, *shape) for name, shape in convolved.items()}
            shapes |= {f"bias_{name}": shape for name, shape in convolved.items()}
        return Block(self._apply, shapes, self.d_in, self.d_out)

    def _apply(self, params: Params, h: Array) -> Outputs:
        x, b, c = (self._projected(params, h, name) for name in "xbc")
        step = jax.nn.softplus(shifted(h @ params["w_step"], params["step_bias"]))
        y = states_read(x, b, c, step, params["decay"])
        y = y + x * jnp.broadcast_to(params["skip"][:, None], x.shape)
        gated = y * jax.nn.silu(jnp.einsum("...td,dhp->...thp", h, params["w_z"]))
        flat = rms_norm(jnp.reshape(gated, (*gated.shape[:-2], -1)), 1e-5)
        normed = jnp.reshape(flat, gated.shape) * jnp.broadcast_to(params["gain"], gated.shape)
        return jnp.einsum("...thp,hpo->...to", normed, params["w_out"])

    def _projected(self, params: Params, h: Array, name: str) -> Array:
        """x (…, steps, heads, width), or B or C (…, steps, n)."""
        z = jnp.tensordot(h, params[f"w_{name}"], 1)
        if not self.convolved:
            return z
        kernel, axis = params[f"kernel_{name}"], h.ndim - 2
        before = jnp.zeros_like(z)
        late = [jnp.concatenate([before, z], axis)[_steps(axis, self.steps - j, self.steps)] for j in range(KERNEL)]
        mixed = sum(part * jnp.broadcast_to(kernel[KERNEL - 1 - j], part.shape) for j, part in enumerate(late))
        bias = params[f"bias_{name}"]
        return jax.nn.silu(mixed + jnp.broadcast_to(bias, z.shape))


def _steps(axis: int, start: int, length: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, start + length),)


def states_read(x: Array, b: Array, c: Array, step: Array, decay: Array) -> Array:
    """s' = e^(−δ exp(decay)) s + δ x Bᵀ, y = s C, one after the other; of the shape of x.

    Args:
        x: (…, steps, heads, width).
        b: (…, steps, n).
        c: likewise.
        step: δ, (…, steps, heads).
        decay: its logarithm, (heads,).
    """
    kept = jnp.exp(-step * jnp.broadcast_to(jnp.exp(decay), step.shape))[..., None, None]
    written = (step[..., None] * x)[..., None] * b[..., None, None, :]
    axis = x.ndim - 3
    state, seen = jnp.zeros_like(written[_steps(axis, 0, 1)]), list[Array]()
    for t in range(x.shape[axis]):
        state = kept[_steps(axis, t, 1)] * state + written[_steps(axis, t, 1)]
        seen.append(jnp.sum(state * c[_steps(axis, t, 1)][..., None, None, :], axis=-1))
    return jnp.concatenate(seen, axis)


@st.composite
def mamba2s(draw: st.DrawFn, *, convolved: bool, heads: int = 1, states: int = 1) -> Mamba2:
    """Designs; shrinks to the least of everything.

    Args:
        draw: of the strategy.
        convolved: whether x, B and C pass a convolution and an activation.
        heads: the smallest number of heads.
        states: the smallest number of states.
    """
    width = st.integers(1, 2)
    return Mamba2(
        heads=draw(st.integers(heads, max(heads, 2))),
        head_width=draw(width),
        states=draw(st.integers(states, 3)),
        d_in=draw(width),
        d_out=draw(width),
        steps=draw(st.sampled_from((2, 2, 3))),
        convolved=convolved,
    )
