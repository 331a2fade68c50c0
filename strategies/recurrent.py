"""Recurrent blocks: LSTM and GRU cells over a short sequence, with drawn variants and a readout."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.surroundings import Block, Shape, shifted

CellKind = Literal["lstm", "gru"]
Readout = Literal["every step", "last step"]
State = tuple[Array, ...]

GATES = {"lstm": ("input", "forget", "output", "candidate"), "gru": ("reset", "update", "candidate")}
"""The gates of a cell, in the order in which they lie along the axis of gates; the candidate is the last."""

PEEPHOLES = 3
"""The gates of an LSTM that may look at the cell state: all but the candidate."""


@dataclass(frozen=True)
class Recurrent:
    """What is drawn to build a recurrent block; the defaults are what it shrinks to.

    Each gate computes σ(x w + h u + b), with tanh for the candidate, from the step's input x and the hidden state h.
    The gates share their tensors, as in fused kernels: w (d_in, gates, hidden), u (hidden, gates, hidden) and b
    (gates, hidden).

    Attributes:
        kind: of the cell.
        hidden: units; from 2 on there is something to permute.
        d_in: features of a step that enter.
        d_out: features that leave.
        steps: at least 2, or a state that starts at zero never meets the recurrent kernels.
        biases: whether the gates have them.
        initial: whether the initial state is a parameter (h0, and c0 of an LSTM), else zero.
        variant: of the cell. An LSTM with peepholes p (Gers & Schmidhuber 2000); a GRU that resets the candidate's
            recurrent term behind its kernel, as fused implementations do (with a bias d there, where there are biases),
            in place of the hidden state before it (Cho et al. 2014, arXiv 1406.1078).
        readout: the hidden state times w_out, at which steps.
    """

    kind: CellKind
    hidden: int = 2
    d_in: int = 1
    d_out: int = 1
    steps: int = 2
    biases: bool = False
    initial: bool = False
    variant: bool = False
    readout: Readout = "every step"

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return asdict(self)

    @property
    def writes(self) -> dict[str, int]:
        """The tensors that write the hidden units, for ``hidden_units``: all but the readout, along their last axis."""
        return {f"block/{name}": len(shape) - 1 for name, shape in self._shapes().items() if name != "w_out"}

    @property
    def reads(self) -> dict[str, int]:
        """The tensors that read them: the readout and the recurrent kernel."""
        return {"block/u": 0, "block/w_out": 0}

    def block(self) -> Block:
        """``(…, steps, d_in) → (…, steps, d_out)``, or without the steps where only the last is read."""
        return Block(self._apply, self._shapes(), self.d_in, self.d_out)

    def _shapes(self) -> dict[str, Shape]:
        gates, unit = len(GATES[self.kind]), (self.hidden,)
        shapes: dict[str, Shape] = {
            "w": (self.d_in, gates, self.hidden),
            "u": (self.hidden, gates, self.hidden),
            "w_out": (self.hidden, self.d_out),
        }
        lstm = self.kind == "lstm"
        optional = {
            "b": (self.biases, (gates, *unit)),
            "h0": (self.initial, unit),
            "c0": (self.initial and lstm, unit),
            "p": (self.variant and lstm, (PEEPHOLES, *unit)),
            "d": (self.variant and self.biases and not lstm, unit),
        }
        return shapes | {name: shape for name, (present, shape) in optional.items() if present}

    def _apply(self, params: Params, x: Array) -> Outputs:
        cell = lstm_step if self.kind == "lstm" else (gru_step_reset_behind if self.variant else gru_step)
        written = jnp.tensordot(jnp.moveaxis(x, -2, 0), params["w"], 1)
        if self.biases:
            written = shifted(written, params["b"])
        shape = (*x.shape[:-2], self.hidden)
        carried = ("h0", "c0") if self.kind == "lstm" else ("h0",)
        start = tuple(jnp.broadcast_to(params.get(name, jnp.zeros((), x.dtype)), shape) for name in carried)
        last, states = _looped(lambda state, z: cell(params, state, z), start, written)
        return (last if self.readout == "last step" else jnp.stack(states, axis=-2)) @ params["w_out"]


def lstm_step(params: Params, state: State, written: Array) -> State:
    """(h, c) of the next step: c' = f c + i g, h' = o tanh c' (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Where there are peepholes p (3, hidden), i and f look at c, and o at c'.

    Args:
        params: of the block.
        state: (h, c).
        written: x w + b, (…, gates, hidden).
    """
    h, c = state
    z = written + jnp.tensordot(h, params["u"], 1)
    g = jnp.tanh(z[..., 3, :])
    if "p" not in params:
        i, f, o = _along(jax.nn.sigmoid(z[..., :3, :]))
        c = f * c + i * g
        return o * jnp.tanh(c), c
    p = params["p"]
    i, f = _along(jax.nn.sigmoid(z[..., :2, :] + _seen(c[..., None, :], p[:2])))
    c = f * c + i * g
    return jax.nn.sigmoid(z[..., 2, :] + _seen(c, p[2])) * jnp.tanh(c), c


def gru_step(params: Params, state: State, written: Array) -> State:
    """(h,) of the next step: h' = z h + (1 − z) n, with n = tanh(x w + (r h) u + b) (Cho et al. 2014)."""
    (h,) = state
    u = params["u"]
    r, z = _along(jax.nn.sigmoid(written[..., :2, :] + jnp.tensordot(h, u[:, :2], 1)))
    n = jnp.tanh(written[..., 2, :] + (r * h) @ u[:, 2])
    return (n + z * (h - n),)


def gru_step_reset_behind(params: Params, state: State, written: Array) -> State:
    """As ``gru_step``, with n = tanh(x w + r (h u + d) + b): one product with u for all gates."""
    (h,) = state
    recurrent = jnp.tensordot(h, params["u"], 1)
    r, z = _along(jax.nn.sigmoid(written[..., :2, :] + recurrent[..., :2, :]))
    candidate = recurrent[..., 2, :]
    n = jnp.tanh(written[..., 2, :] + r * (shifted(candidate, params["d"]) if "d" in params else candidate))
    return (n + z * (h - n),)


def _seen(c: Array, peephole: Array) -> Array:
    """What a peephole lets a gate see of the cell state."""
    shape = jnp.broadcast_shapes(c.shape, peephole.shape)
    return c * jnp.broadcast_to(peephole, shape)


def _along(gates: Array) -> tuple[Array, ...]:
    """The gates one by one, from (…, gates, hidden)."""
    return tuple(gates[..., i, :] for i in range(gates.shape[-2]))


LONGEST_WRITTEN_OUT = 2
"""Steps up to which a loop written out compiles faster than a scan, with all of eqprop's derivatives of it: 1.3 against
1.8 s of an LSTM's two steps, 6.1 against 5.1 s of three (with peepholes)."""


def _looped(step: Callable[[State, Array], State], start: State, xs: Array) -> tuple[Array, list[Array]]:
    """The last hidden state, and the hidden states after each step."""
    if len(xs) > LONGEST_WRITTEN_OUT:

        def carried(state: State, x: Array) -> tuple[State, State]:
            after = step(state, x)
            return after, after

        state, (hidden, *_) = jax.lax.scan(carried, start, xs)
        return state[0], list(hidden)
    state, hidden = start, []
    for x in xs:
        state = step(state, x)
        hidden.append(state[0])
    return state[0], hidden


@st.composite
def recurrent_cells(draw: st.DrawFn, kind: CellKind) -> Recurrent:
    """Designs of one kind of cell; shrinks to two units, one feature in and out, two steps, and no extras."""
    width = st.integers(1, 3)
    return Recurrent(
        kind=kind,
        hidden=draw(st.integers(2, 4)),
        d_in=draw(width),
        d_out=draw(width),
        steps=draw(st.sampled_from((2, 2, 2, 3))),  # a third step doubles what there is to compile
        biases=draw(st.booleans()),
        initial=draw(st.booleans()),
        variant=draw(st.booleans()),
        readout=draw(st.sampled_from(("every step", "last step"))),
    )
