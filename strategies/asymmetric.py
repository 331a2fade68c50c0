"""Networks without the usual symmetries: fixed weights, activations that differ from unit to unit, a fixed gate."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import Activation
from eqprop.strategies.surroundings import Apply, Block, Embedded, Shape, embedded, shifted, widths

FIXED_SEED = 11

Kind = Literal["weights", "activations", "gate"]


@st.composite
def asymmetric_layers(draw: st.DrawFn, kind: Kind, activation: Activation) -> tuple[int, Embedded]:
    """The hidden size and a network whose hidden units are told apart (after Lim et al. 2024, arXiv 2405.20231).

    A fixed matrix that is *added* to the trained one would not do: W ↦ (W + F) P − F permutes the units then.

    Args:
        draw: of the strategy.
        kind: ``"weights"`` puts a constant in the place of one incoming weight of every unit; ``"activations"`` gives
            unit j the activation σ(z) + cos((j + 1) z) / 2; ``"gate"`` multiplies units by sigmoid(z F) with a fixed
            matrix F.
        activation: σ.
    """
    d_in, hidden, d_out = draw(widths()), draw(widths(2, 4)), draw(widths())
    block = Block(_layer(kind, activation, d_in, hidden), _shapes(d_in, hidden, d_out), d_in, d_out)
    net = embedded(draw, block, residual=False)
    drawn = {"kind": kind, "sigma": activation.name, "d_in": d_in, "hidden": hidden, "d_out": d_out}
    return hidden, net._replace(architecture={**net.architecture, **drawn})


def _shapes(d_in: int, hidden: int, d_out: int) -> dict[str, Shape]:
    return {"w_in": (d_in, hidden), "b_in": (hidden,), "w_out": (hidden, d_out)}


def _layer(kind: Kind, activation: Activation, d_in: int, hidden: int) -> Apply:
    constants = np.random.default_rng(FIXED_SEED).standard_normal((max(d_in, hidden), hidden))
    fixed = (np.arange(d_in)[:, None] == np.arange(hidden) % d_in) & (kind == "weights")
    frequencies = 1.0 + np.arange(hidden)

    def apply(params: Params, h: Array) -> Outputs:
        z = shifted(h @ jnp.where(fixed, constants[:d_in], params["w_in"]), params["b_in"])
        a = activation(z)
        if kind == "activations":
            a = a + 0.5 * jnp.cos(z * jnp.broadcast_to(frequencies, z.shape))
        if kind == "gate":
            a = a * jax.nn.sigmoid(z @ constants[:hidden])
        return a @ params["w_out"]

    return apply
