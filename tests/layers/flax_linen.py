"""The symmetries of layers of Flax's linen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

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
from eqprop.transformation import Transformation
from tests.layers.statements import D_OUT, FEATURES, HEADS, TOKENS, UNITS, WIDTH, Build, breaks, cases, growth, holds


class Stack(nn.Module):
    """Layers by name, each on what the one before returned."""

    layers: Mapping[str, Callable[..., Any]]

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for name, layer in self.layers.items():
            made = layer(name=name) if isinstance(layer, partial) else layer
            x = made(x)
        return x


def pair(layers: Mapping[str, Any], inputs: Any, move: Transformation | Callable[[Any], Transformation]) -> eqprop.Pair:
    """A stack, and a transformation or what makes one of its parameters."""
    net = Stack(layers)
    variables = net.init(jax.random.key(0), inputs)
    params, rest = variables["params"], {name: kept for name, kept in variables.items() if name != "params"}

    def apply(params: Any, x: Any) -> Any:
        return net.apply({"params": params, **rest}, x, mutable=list(rest))[0]

    chosen = move if isinstance(move, Transformation) else move(params)
    return eqprop.Pair(eqprop.Model(apply, params, inputs, name="linen"), chosen)


def dense(**options: Any) -> Any:
    return partial(nn.Dense, features=UNITS, **options)


HEAD = partial(nn.Dense, features=D_OUT)
NORMS = {
    "layer": partial(nn.LayerNorm),
    "rms": partial(nn.RMSNorm),
    "group": partial(nn.GroupNorm, num_groups=1),
    "batch": partial(nn.BatchNorm, use_running_average=False),
}


def attention() -> Any:
    return partial(nn.MultiHeadDotProductAttention, num_heads=HEADS, qkv_features=HEADS * WIDTH, out_features=D_OUT)


def attending(move: Transformation) -> eqprop.Pair:
    return pair({"attention": attention()}, TOKENS, move)


def recurrent(cell: Any, gates: str, bias: Mapping[str, int]) -> eqprop.Pair:
    move = states(
        groups.Permutation(UNITS),
        inputs={f"rnn/cell/i{gates}/kernel": 1, **bias},
        recurrent={f"rnn/cell/h{gates}/kernel": (1, 0)},
        outputs={"head/kernel": 0},
    )
    layers = {"rnn": partial(nn.RNN, cell(UNITS)), "head": HEAD}
    return pair(layers, TOKENS, move)


def gain(kind: str) -> eqprop.Pair:
    gains = {"norm/scale": 0} | ({} if kind == "rms" else {"norm/bias": 0})
    layers = {"dense": dense(), "norm": NORMS[kind], "head": HEAD}
    return pair(layers, FEATURES, norm_gain(UNITS, gains=gains, reads={"head/kernel": 0}))


EXACT: dict[str, Build] = {
    "dense, permuted": lambda: pair(
        {"dense": dense(), "tanh": nn.tanh, "head": HEAD},
        FEATURES,
        hidden_units(groups.Permutation(UNITS), writes={"dense/kernel": 1, "dense/bias": 0}, reads={"head/kernel": 0}),
    ),
    "dense, rescaled": lambda: pair(
        {"dense": dense(), "relu": nn.relu, "head": HEAD},
        FEATURES,
        hidden_units(groups.Scaling(UNITS), writes={"dense/kernel": 1, "dense/bias": 0}, reads={"head/kernel": 0}),
    ),
    "conv, rescaled": lambda: pair(
        {"conv": partial(nn.Conv, features=UNITS, kernel_size=(2,)), "relu": nn.relu, "head": HEAD},
        TOKENS,
        channels(UNITS, writes={"conv/kernel": 2, "conv/bias": 0}, reads={"head/kernel": 0}),
    ),
    "layer norm, gain": lambda: gain("layer"),
    "rms norm, gain": lambda: gain("rms"),
    "group norm, gain": lambda: gain("group"),
    "batch norm, gain": lambda: gain("batch"),
    "layer norm, shift": lambda: pair(
        {"dense": dense(), "norm": NORMS["layer"]},
        FEATURES,
        lambda params: softmax_shift(params, {"dense/kernel": 1, "dense/bias": 0}),
    ),
    # Along the bias alone both sides would be 0: the gain makes them say something.
    "batch norm, bias before it": lambda: pair(
        {"dense": dense(), "norm": NORMS["batch"], "head": HEAD},
        FEATURES,
        lambda params: combined(
            translations(params, {"dense/bias": None}),
            norm_gain(UNITS, gains={"norm/scale": 0, "norm/bias": 0}, reads={"head/kernel": 0}),
            name="bias and gain",
        ),
    ),
    "attention, queries and keys": lambda: attending(
        attention_heads(
            HEADS,
            WIDTH,
            queries={"attention/query/kernel": (1, 2), "attention/query/bias": (0, 1)},
            keys={"attention/key/kernel": (1, 2), "attention/key/bias": (0, 1)},
        )
    ),
    "attention, values and outputs": lambda: attending(
        attention_heads(
            HEADS,
            WIDTH,
            values={"attention/value/kernel": (1, 2), "attention/value/bias": (0, 1)},
            outputs={"attention/out/kernel": (0, 1)},
        )
    ),
    "attention, heads": lambda: attending(
        experts(
            HEADS,
            {"attention/[qkv]*/kernel": 1, "attention/[qkv]*/bias": 0, "attention/out/kernel": 0},
        )
    ),
    "LSTM, units": lambda: recurrent(nn.LSTMCell, "?", {"rnn/cell/h?/bias": 0}),
    "GRU, units": lambda: recurrent(nn.GRUCell, "?", {"rnn/cell/i?/bias": 0, "rnn/cell/hn/bias": 0}),
}


RECURRENT = {"LSTM, units", "GRU, units"}
"""Their initial states have the type of the parameters as declared, float32, whatever the parameters are."""


@pytest.mark.parametrize("name", cases(EXACT))
def test_a_layer_of_linen_has_its_symmetry(name: str) -> None:
    holds(EXACT[name](), "float64" if name not in RECURRENT else "model")


def scaled(epsilon: float) -> eqprop.Pair:
    move = norm_scale(UNITS, writes={"dense/kernel": 1, "dense/bias": 0})
    norm = partial(nn.BatchNorm, use_running_average=False, epsilon=epsilon)
    return pair({"dense": dense(), "norm": norm, "head": HEAD}, FEATURES, move)


def test_a_batch_norm_breaks_the_scale_before_it_in_proportion_to_epsilon() -> None:
    assert growth({epsilon: breaks(scaled(epsilon)) for epsilon in (1e-4, 1e-2)}) == pytest.approx(1, abs=0.2)


def test_a_layer_that_computes_in_float32_is_held_to_float32_and_says_so() -> None:
    layers = {"dense": dense(dtype=jnp.float32), "relu": nn.relu, "head": HEAD}
    move = hidden_units(groups.Scaling(UNITS), writes={"dense/kernel": 1, "dense/bias": 0}, reads={"head/kernel": 0})
    verdict = eqprop.verify(pair(layers, FEATURES, move), properties=["equivariance"]).verdicts[0]
    assert verdict.precision == "float32"
    assert 1e-9 < verdict.resolution < 1e-4
