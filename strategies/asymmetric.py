"""Networks without the usual symmetries: frozen weights, and activations that differ from unit to unit."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.strategies.activations import Activation
from eqprop.strategies.surroundings import Block, Embedded, Shape, embedded, shifted, widths

FROZEN_SEED = 11


@st.composite
def asymmetric_layers(draw: st.DrawFn, kind: str, activation: Activation) -> tuple[int, Embedded]:
    """The hidden size and a network whose hidden units are told apart (Lim et al. 2024, arXiv 2405.20231).

    Args:
        draw: of the strategy.
        kind: ``"weights"`` adds a frozen matrix to the trained one; ``"activations"`` gives every unit j the
            activation σ(z) + sin((j + 1) z) / 2.
        activation: σ.
    """
    d_in, hidden, d_out = draw(widths()), draw(widths(2, 4)), draw(widths())
    frozen = np.random.default_rng(FROZEN_SEED).standard_normal((d_in, hidden)) * (kind == "weights")
    waves = (1 + np.arange(hidden)) * (kind == "activations")

    def apply(params: Any, h: Any) -> Any:
        z = shifted(h @ (params["w_in"] + frozen), params["b_in"])
        a = activation(z) + 0.5 * jnp.sin(z * jnp.broadcast_to(waves, z.shape))
        return a @ params["w_out"]

    shapes: dict[str, Shape] = {"w_in": (d_in, hidden), "b_in": (hidden,), "w_out": (hidden, d_out)}
    net = embedded(draw, Block(apply, shapes, d_in, d_out), residual=False)
    drawn = {"kind": kind, "sigma": activation.name, "d_in": d_in, "hidden": hidden, "d_out": d_out}
    return hidden, net._replace(architecture={**net.architecture, **drawn})
