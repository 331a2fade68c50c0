"""The symmetries of layers of Flax's nnx."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import eqprop
from eqprop import groups
from eqprop.actions import (
    attention_heads,
    channels,
    combined,
    experts,
    hidden_units,
    norm_gain,
    norm_scale,
    softmax_shift,
    states,
    translations,
)
from eqprop.groups.base import Group
from eqprop.transformation import Transformation
from tests.layers.statements import (
    D_IN,
    D_OUT,
    FEATURES,
    HEADS,
    TOKENS,
    UNITS,
    WIDTH,
    Build,
    breaks,
    cases,
    growth,
    holds,
)


class Stack(nnx.Module):
    """Layers by name, each on what the one before returned."""

    def __init__(self, layers: Mapping[str, Any]) -> None:
        self.names = tuple(layers)
        for name, layer in layers.items():
            setattr(self, name, layer)

    def __call__(self, x: Any) -> Any:
        for name in self.names:
            x = getattr(self, name)(x)
        return x


def pair(layers: Mapping[str, Any], inputs: Any, move: Transformation | Callable[[Any], Transformation]) -> eqprop.Pair:
    """A stack, and a transformation or what makes one of its parameters."""
    graph, params, rest = nnx.split(Stack(layers), nnx.Param, ...)
    with jax.enable_x64(True):  # running statistics as precise as what they are taken of
        rest = jax.tree.map(_in_float64, rest)

    def apply(params: Any, x: Any) -> Any:
        return nnx.merge(graph, params, rest, copy=True)(x)  # the layer changes its statistics in place

    chosen = move if isinstance(move, Transformation) else move(params)
    return eqprop.Pair(eqprop.Model(apply, params, inputs, name="nnx"), chosen)


def _in_float64(leaf: Any) -> Any:
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def rngs() -> Any:
    return nnx.Rngs(0)


def dense() -> Any:
    return nnx.Linear(D_IN, UNITS, rngs=rngs())


def head() -> Any:
    return nnx.Linear(UNITS, D_OUT, rngs=rngs())


def batch_norm(epsilon: float = 1e-5) -> Any:
    return nnx.BatchNorm(UNITS, use_running_average=False, epsilon=epsilon, rngs=rngs())


NORMS: dict[str, Callable[[], Any]] = {
    "layer": lambda: nnx.LayerNorm(UNITS, rngs=rngs()),
    "rms": lambda: nnx.RMSNorm(UNITS, rngs=rngs()),
    "group": lambda: nnx.GroupNorm(UNITS, num_groups=1, rngs=rngs()),
    "batch": batch_norm,
}


def units(group: Group) -> Transformation:
    return hidden_units(group, writes={"dense/kernel/value": 1, "dense/bias/value": 0}, reads={"head/kernel/value": 0})


def gain(kind: str) -> eqprop.Pair:
    gains = {"norm/scale/value": 0} | ({} if kind == "rms" else {"norm/bias/value": 0})
    layers = {"dense": dense(), "norm": NORMS[kind](), "head": head()}
    return pair(layers, FEATURES, norm_gain(UNITS, gains=gains, reads={"head/kernel/value": 0}))


def attending(move: Transformation) -> eqprop.Pair:
    attention = nnx.MultiHeadAttention(
        HEADS, D_IN, qkv_features=HEADS * WIDTH, out_features=D_OUT, decode=False, rngs=rngs()
    )
    return pair({"attention": attention}, TOKENS, move)


def projection(name: str) -> dict[str, tuple[int, int]]:
    return {f"attention/{name}/kernel/value": (1, 2), f"attention/{name}/bias/value": (0, 1)}


def recurrent(cell: Any, move: Transformation) -> eqprop.Pair:
    return pair({"rnn": nnx.RNN(cell(D_IN, UNITS, rngs=rngs())), "head": head()}, TOKENS, move)


def gated(biases: Mapping[str, Any]) -> Transformation:
    """The units of a cell whose gates are fused in two kernels."""
    return states(
        groups.Permutation(UNITS),
        inputs={"rnn/cell/dense_i/kernel/value": "d_in (gates units)", **biases},
        recurrent={"rnn/cell/dense_h/kernel/value": ("hidden (gates units)", 0)},
        outputs={"head/kernel/value": 0},
    )


EXACT: dict[str, Build] = {
    "linear, permuted": lambda: pair(
        {"dense": dense(), "tanh": jnp.tanh, "head": head()}, FEATURES, units(groups.Permutation(UNITS))
    ),
    "linear, rescaled": lambda: pair(
        {"dense": dense(), "relu": jax.nn.relu, "head": head()}, FEATURES, units(groups.Scaling(UNITS))
    ),
    "conv, rescaled": lambda: pair(
        {"conv": nnx.Conv(D_IN, UNITS, (2,), rngs=rngs()), "relu": jax.nn.relu, "head": head()},
        TOKENS,
        channels(UNITS, writes={"conv/kernel/value": 2, "conv/bias/value": 0}, reads={"head/kernel/value": 0}),
    ),
    "layer norm, gain": lambda: gain("layer"),
    "rms norm, gain": lambda: gain("rms"),
    "group norm, gain": lambda: gain("group"),
    "batch norm, gain": lambda: gain("batch"),
    "layer norm, shift": lambda: pair(
        {"dense": dense(), "norm": NORMS["layer"]()},
        FEATURES,
        lambda params: softmax_shift(params, {"dense/kernel/value": 1, "dense/bias/value": 0}),
    ),
    # Along the bias alone both sides would be 0: the gain makes them say something.
    "batch norm, bias before it": lambda: pair(
        {"dense": dense(), "norm": batch_norm(), "head": head()},
        FEATURES,
        lambda params: combined(
            translations(params, {"dense/bias/value": None}),
            norm_gain(UNITS, gains={"norm/scale/value": 0, "norm/bias/value": 0}, reads={"head/kernel/value": 0}),
            name="bias and gain",
        ),
    ),
    "attention, queries and keys": lambda: attending(
        attention_heads(HEADS, WIDTH, queries=projection("query"), keys=projection("key"))
    ),
    "attention, values and outputs": lambda: attending(
        attention_heads(HEADS, WIDTH, values=projection("value"), outputs={"attention/out/kernel/value": (0, 1)})
    ),
    "attention, heads": lambda: attending(
        experts(
            HEADS,
            {
                "attention/[qkv]*/kernel/value": 1,
                "attention/[qkv]*/bias/value": 0,
                "attention/out/kernel/value": 0,
            },
        )
    ),
    "LSTM, units": lambda: recurrent(nnx.OptimizedLSTMCell, gated({"rnn/cell/dense_h/bias/value": "(gates units)"})),
    "GRU, units": lambda: recurrent(nnx.GRUCell, gated({"rnn/cell/dense_i/bias/value": "(gates units)"})),
}


RECURRENT = {"LSTM, units", "GRU, units"}
"""Their initial states have the type of the parameters as declared, float32, whatever the parameters are."""


@pytest.mark.parametrize("name", cases(EXACT))
def test_a_layer_of_nnx_has_its_symmetry(name: str) -> None:
    holds(EXACT[name](), "float64" if name not in RECURRENT else "model")


def scaled(epsilon: float) -> eqprop.Pair:
    move = norm_scale(UNITS, writes={"dense/kernel/value": 1, "dense/bias/value": 0})
    return pair({"dense": dense(), "norm": batch_norm(epsilon), "head": head()}, FEATURES, move)


def test_a_batch_norm_breaks_the_scale_before_it_in_proportion_to_epsilon() -> None:
    assert growth({epsilon: breaks(scaled(epsilon)) for epsilon in (1e-4, 1e-2)}) == pytest.approx(1, abs=0.2)
