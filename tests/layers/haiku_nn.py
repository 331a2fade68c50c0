"""The symmetries of layers of Haiku."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import pytest

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
    keyed,
)


def pair(net: Callable[[Any], Any], inputs: Any, move: Transformation | Callable[[Any], Transformation]) -> eqprop.Pair:
    """A network, and a transformation or what makes one of its parameters."""
    transformed = hk.transform_with_state(net)
    with jax.enable_x64(True):  # or running statistics are float32, and the floors those of float32
        made, state = transformed.init(jax.random.key(0), inputs)
    params = keyed(made)

    def apply(params: Any, x: Any) -> Any:
        return transformed.apply(params, state, jax.random.key(0), x)[0]

    chosen = move if isinstance(move, Transformation) else move(params)
    return eqprop.Pair(eqprop.Model(apply, params, inputs, name="haiku"), chosen)


def dense(x: Any) -> Any:
    return hk.Linear(UNITS, name="dense")(x)


def head(x: Any) -> Any:
    return hk.Linear(D_OUT, name="head")(x)


OF_BATCH: dict[str, Any] = {"create_scale": True, "create_offset": True, "decay_rate": 0.9}
NORMS: dict[str, Callable[..., Any]] = {
    "layer": partial(hk.LayerNorm, axis=-1, create_scale=True, create_offset=True),
    "rms": partial(hk.RMSNorm, axis=-1),
    "group": partial(hk.GroupNorm, 1),
    "batch": partial(hk.BatchNorm, **OF_BATCH),
}


def norm(kind: str, x: Any, **options: Any) -> Any:
    made = NORMS[kind](name="norm", **options)
    return made(x, is_training=True) if kind == "batch" else made(x)


def units(group: Group) -> Transformation:
    return hidden_units(group, writes={"dense/w": 1, "dense/b": 0}, reads={"head/w": 0})


def gain(kind: str) -> eqprop.Pair:
    axis = 1 if kind == "batch" else 0  # Haiku's batch norm has gains of shape (1, features)
    gains = {"norm/scale": axis} | ({} if kind == "rms" else {"norm/offset": axis})
    return pair(lambda x: head(norm(kind, dense(x))), FEATURES, norm_gain(UNITS, gains=gains, reads={"head/w": 0}))


def attending(move: Transformation) -> eqprop.Pair:
    def net(x: Any) -> Any:
        init = hk.initializers.VarianceScaling()
        attention = hk.MultiHeadAttention(HEADS, WIDTH, w_init=init, model_size=D_OUT, name="attention")
        return attention(x, x, x)

    return pair(net, TOKENS, move)


def split(name: str) -> dict[str, str]:
    """A projection whose columns are the units of one head after the other."""
    return {f"attention/{name}/w": "d_in (copies units)", f"attention/{name}/b": "(copies units)"}


def whole(name: str) -> dict[str, str]:
    """Likewise, with the heads as the units that move."""
    return {f"attention/{name}/w": "d_in (units width)", f"attention/{name}/b": "(units width)"}


def recurrent(core: Callable[..., Any], move: Transformation) -> eqprop.Pair:
    def net(x: Any) -> Any:
        cell = core(UNITS, name="cell")
        states, _ = hk.dynamic_unroll(cell, x, cell.initial_state(x.shape[0]), time_major=False)
        return head(states)

    return pair(net, TOKENS, move)


def lstm_units() -> Transformation:
    """By hand: one tensor has the rows of the inputs, and below them those of the state."""

    group = groups.Permutation(UNITS)

    def gates(order: Any, array: Any) -> Any:
        return group.act(order, array.reshape(*array.shape[:-1], 4, UNITS), array.ndim).reshape(array.shape)

    def on_params(order: Any, params: Any) -> Any:
        w, b = params["cell/linear"]["w"], params["cell/linear"]["b"]
        rows = jnp.concatenate([w[:D_IN], group.act(order, w[D_IN:], 0)])
        read = {**params["head"], "w": group.act_dual(order, params["head"]["w"], 0)}
        return {**params, "cell/linear": {"w": gates(order, rows), "b": gates(order, b)}, "head": read}

    return Transformation(group, on_params, name="lstm-units")


EXACT: dict[str, Build] = {
    "linear, permuted": lambda: pair(lambda x: head(jnp.tanh(dense(x))), FEATURES, units(groups.Permutation(UNITS))),
    "linear, rescaled": lambda: pair(lambda x: head(jax.nn.relu(dense(x))), FEATURES, units(groups.Scaling(UNITS))),
    "conv, rescaled": lambda: pair(
        lambda x: head(jax.nn.relu(hk.Conv1D(UNITS, 2, name="conv")(x))),
        TOKENS,
        channels(UNITS, writes={"conv/w": 2, "conv/b": 0}, reads={"head/w": 0}),
    ),
    "layer norm, gain": lambda: gain("layer"),
    "rms norm, gain": lambda: gain("rms"),
    "group norm, gain": lambda: gain("group"),
    "batch norm, gain": lambda: gain("batch"),
    "layer norm, shift": lambda: pair(
        lambda x: norm("layer", dense(x)),
        FEATURES,
        lambda params: softmax_shift(params, {"dense/w": 1, "dense/b": 0}),
    ),
    # Along the bias alone both sides would be 0: the gain makes them say something.
    "batch norm, bias before it": lambda: pair(
        lambda x: head(norm("batch", dense(x))),
        FEATURES,
        lambda params: combined(
            translations(params, {"dense/b": None}),
            norm_gain(UNITS, gains={"norm/scale": 1, "norm/offset": 1}, reads={"head/w": 0}),
            name="bias and gain",
        ),
    ),
    "attention, queries and keys": lambda: attending(
        attention_heads(HEADS, WIDTH, queries=split("query"), keys=split("key"))
    ),
    "attention, values and outputs": lambda: attending(
        attention_heads(HEADS, WIDTH, values=split("value"), outputs={"attention/linear/w": "(copies units) d_out"})
    ),
    "attention, heads": lambda: attending(
        experts(
            HEADS,
            {**whole("query"), **whole("key"), **whole("value"), "attention/linear/w": "(units width) d_out"},
        )
    ),
    "LSTM, units": lambda: recurrent(hk.LSTM, lstm_units()),
    "GRU, units": lambda: recurrent(
        hk.GRU,
        states(
            groups.Permutation(UNITS),
            inputs={"cell/w_i": "d_in (gates units)", "cell/b": "(gates units)"},
            recurrent={"cell/w_h": ("hidden (gates units)", 0)},
            outputs={"head/w": 0},
        ),
    ),
}


@pytest.mark.parametrize("name", cases(EXACT))
def test_a_layer_of_haiku_has_its_symmetry(name: str) -> None:
    holds(EXACT[name]())


def scaled(epsilon: float) -> eqprop.Pair:
    move = norm_scale(UNITS, writes={"dense/w": 1, "dense/b": 0})
    return pair(lambda x: head(norm("batch", dense(x), eps=epsilon)), FEATURES, move)


def test_a_batch_norm_breaks_the_scale_before_it_in_proportion_to_epsilon() -> None:
    assert growth({epsilon: breaks(scaled(epsilon)) for epsilon in (1e-4, 1e-2)}) == pytest.approx(1, abs=0.2)
