"""Models of sets and of signals, whose inputs may be reordered, shifted or turned."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.claims import Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import GELU, LEAKY_RELU, SIN, SOFTPLUS, TANH, Activation
from eqprop.strategies.convolution import convolved
from eqprop.strategies.surroundings import Embedded, Shape, examples, shifted

ALIVE = (TANH, LEAKY_RELU, GELU, SIN, SOFTPLUS)


def alive_activations() -> st.SearchStrategy[Activation]:
    """Activations that leave no unit dead, so that a symmetry of the data is not one of nothing; shrinks to tanh."""
    return st.sampled_from(ALIVE)


@st.composite
def deep_sets(draw: st.DrawFn, *, least_members: int = 2) -> tuple[int, bool, Embedded]:
    """The number of members, whether each has an output, and a model of sets (Zaheer et al. 2017, arXiv 1703.06114).

    σ(x W + mean(x) M + b) V for each member, or the sum of it.
    """
    activation = draw(alive_activations())
    members, d_in, hidden = draw(st.integers(least_members, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    d_out, batch, each = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.booleans())
    shapes: dict[str, Shape] = {"w": (d_in, hidden), "m": (d_in, hidden), "b": (hidden,), "v": (hidden, d_out)}

    def apply(params: Params, x: Array) -> Outputs:
        common = jnp.broadcast_to(jnp.mean(x, axis=-2, keepdims=True) @ params["m"], (*x.shape[:-1], hidden))
        out = activation(shifted(x @ params["w"] + common, params["b"])) @ params["v"]
        return out if each else jnp.sum(out, axis=-2)

    params, inputs = examples(shapes, (batch, members, d_in))
    drawn = {"activation": activation.name, "members": members, "d_in": d_in, "hidden": hidden}
    return members, each, Embedded(apply, params, inputs, {**drawn, "d_out": d_out, "batch": batch, "each": each})


@st.composite
def signal_nets(draw: st.DrawFn, *, stride: int = 1, least_size: int = 1) -> tuple[int, bool, Embedded]:
    """The length of the signal, whether a signal comes out, and a circular convolutional network.

    Args:
        draw: of the strategy.
        stride: of the first convolution.
        least_size: the smallest kernel.
    """
    activation = draw(alive_activations())
    length = draw(st.integers(3, 4)) if stride == 1 else 4
    c_in, hidden, c_out = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    size, batch, signal = draw(st.integers(least_size, 2)), draw(st.integers(1, 2)), draw(st.booleans())
    shapes: dict[str, Shape] = {"kernel": (size, c_in, hidden), "bias": (hidden,), "head": (1, hidden, c_out)}

    def apply(params: Params, x: Array) -> Outputs:
        z = activation(shifted(convolved(x, params["kernel"], "circular", stride), params["bias"]))
        out = convolved(z, params["head"])
        return out if signal else jnp.mean(out, axis=-2)

    params, inputs = examples(shapes, (batch, length, c_in))
    drawn = {"activation": activation.name, "length": length, "c_in": c_in, "hidden": hidden, "c_out": c_out}
    return length, signal, Embedded(apply, params, inputs, {**drawn, "size": size, "batch": batch, "signal": signal})
