"""State-space and simple recurrent layers: linear or with an activation, dense or diagonal, and selective."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import IDENTITY, Activation
from eqprop.strategies.surroundings import Block, Shape, shifted

Transition = Literal["dense", "diagonal", "complex", "selective"]


@dataclass(frozen=True)
class StateSpace:
    """s' = σ(s A + x B + b), y = s C over a short sequence; the defaults are what it shrinks to.

    Attributes:
        transition: A is a matrix, a diagonal ``decay``, that of complex numbers (``decay`` of shape (n, 2), the state
            in interleaved real and imaginary parts), or one whose decays, B and C depend on the input (as Mamba's).
        states: n; of real numbers, or of complex ones.
        d_in: features of a step that enter.
        d_out: features that leave.
        steps: of the sequence, at least 2.
        bias: whether there is a b.
        initial: whether the initial state is a parameter.
    """

    transition: Transition = "dense"
    states: int = 1
    d_in: int = 1
    d_out: int = 1
    steps: int = 2
    bias: bool = False
    initial: bool = False
    activation: Activation = IDENTITY

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    @property
    def inputs(self) -> dict[str, int]:
        """The tensors that write the state, with the axis of the states."""
        optional = {"b": self.bias, "s0": self.initial}
        return {"block/w_b": -1} | {f"block/{name}": 0 for name, present in optional.items() if present}

    def block(self) -> Block:
        """``(…, steps, d_in) → (…, steps, d_out)``."""
        width = self.states * (2 if self.transition == "complex" else 1)
        shapes: dict[str, Shape] = {"w_b": (self.d_in, width), "w_c": (width, self.d_out)}
        if self.transition == "selective":
            shapes["w_c"] = (self.d_in, width)
        transitions: dict[Transition, dict[str, Shape]] = {
            "dense": {"a": (width, width)},
            "diagonal": {"decay": (width,)},
            "complex": {"decay": (self.states, 2)},
            "selective": {"decay": (width,), "w_step": (self.d_in, 1)},
        }
        shapes |= transitions[self.transition]
        shapes |= ({"b": (width,)} if self.bias else {}) | ({"s0": (width,)} if self.initial else {})
        return Block(self._apply, shapes, self.d_in, self.d_in if self.transition == "selective" else self.d_out)

    def _apply(self, params: Params, x: Array) -> Outputs:
        if self.transition == "selective":
            return _selective(params, x)
        written = x @ params["w_b"]
        written = shifted(written, params["b"]) if self.bias else written
        state = jnp.broadcast_to(params.get("s0", jnp.zeros((), x.dtype)), (*x.shape[:-2], written.shape[-1]))
        seen: list[Array] = []
        for step in range(self.steps):
            state = self.activation(self._carried(params, state) + written[..., step, :])
            seen.append(state @ params["w_c"])
        return jnp.stack(seen, axis=-2)

    def _carried(self, params: Params, state: Array) -> Array:
        if self.transition == "dense":
            return state @ params["a"]
        if self.transition == "diagonal":
            return state * jnp.broadcast_to(params["decay"], state.shape)
        real, imaginary = state[..., 0::2], state[..., 1::2]
        a, b = (jnp.broadcast_to(params["decay"][:, i], real.shape) for i in range(2))
        return jnp.reshape(jnp.stack([a * real - b * imaginary, a * imaginary + b * real], -1), state.shape)


def _selective(params: Params, x: Array) -> Array:
    """One state vector for each feature: s' = e^(−δ softplus(decay)) s + δ B(x) x, y = ⟨C(x), s⟩ (Gu & Dao 2023).

    Steps δ, B and C are linear in the input (δ through a softplus).
    """
    delta = jax.nn.softplus(x @ params["w_step"])[..., None]
    b, c = (x @ params[name] for name in ("w_b", "w_c"))
    state, seen = jnp.zeros((*x.shape[:-2], x.shape[-1], b.shape[-1]), x.dtype), list[Array]()
    for step in range(x.shape[-2]):
        rate = jnp.broadcast_to(jax.nn.softplus(params["decay"]), state.shape)
        written = x[..., step, :, None] * b[..., step, None, :]
        state = jnp.exp(-delta[..., step, :, :] * rate) * state + delta[..., step, :, :] * written
        seen.append(jnp.sum(state * c[..., step, None, :], axis=-1))
    return jnp.stack(seen, axis=-2)


@st.composite
def state_spaces(
    draw: st.DrawFn, transition: Transition, *, activation: Activation = IDENTITY, least_states: int = 1
) -> StateSpace:
    """Designs with one kind of transition; shrinks to one state, one feature, two steps and no extras."""
    width = st.integers(1, 3)
    plain = transition != "selective"
    return StateSpace(
        transition,
        states=draw(st.integers(least_states, 3)),
        d_in=draw(width),
        d_out=draw(width),
        steps=draw(st.sampled_from((2, 2, 3))),
        bias=draw(st.booleans()) and plain,
        initial=draw(st.booleans()) and plain,
        activation=activation,
    )
