"""The symmetries of layers of Equinox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import eqprop
from eqprop import groups
from eqprop.actions import (
    attention_heads,
    channels,
    experts,
    hidden_units,
    norm_gain,
    norm_scale,
    softmax_shift,
    states,
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

KEY = jax.random.key(0)


def pair(
    layers: Mapping[str, Any],
    inputs: Any,
    move: Transformation | Callable[[Any], Transformation],
    apply: Callable[[Any, Any], Any] | None = None,
) -> eqprop.Pair:
    """Layers one after the other, or as ``apply(layers, sample)`` says, and a transformation of their parameters."""
    params, static = eqx.partition(dict(layers), eqx.is_inexact_array)

    def in_turn(made: Mapping[str, Any], sample: Any) -> Any:
        for layer in made.values():
            sample = layer(sample)
        return sample

    def model(params: Any, x: Any) -> Any:
        made = {name: eqx.combine(params[name], static[name]) for name in layers}
        return jax.vmap(lambda sample: (apply or in_turn)(made, sample))(x)

    chosen = move if isinstance(move, Transformation) else move(params)
    return eqprop.Pair(eqprop.Model(model, params, inputs, name="equinox"), chosen)


def dense() -> Any:
    return eqx.nn.Linear(D_IN, UNITS, key=KEY)


def head() -> Any:
    return eqx.nn.Linear(UNITS, D_OUT, key=KEY)


NORMS: dict[str, Callable[[], Any]] = {
    "layer": lambda: eqx.nn.LayerNorm(UNITS),
    "rms": lambda: eqx.nn.RMSNorm(UNITS),
    "group": lambda: eqx.nn.GroupNorm(1, UNITS),
}
WRITES = {"dense/weight": 0, "dense/bias": 0}


def units(group: Group) -> Transformation:
    return hidden_units(group, writes=WRITES, reads={"head/weight": 1})


def gain(kind: str) -> eqprop.Pair:
    layers = {"dense": dense(), "norm": NORMS[kind](), "head": head()}
    move = norm_gain(UNITS, gains={"norm/weight": 0, "norm/bias": 0}, reads={"head/weight": 1})
    return pair(layers, FEATURES, move)


def attending(move: Transformation) -> eqprop.Pair:
    biases = dict.fromkeys(("use_query_bias", "use_key_bias", "use_value_bias", "use_output_bias"), True)
    attention = eqx.nn.MultiheadAttention(
        HEADS, D_IN, qk_size=WIDTH, vo_size=WIDTH, output_size=D_OUT, key=KEY, **biases
    )
    return pair({"attention": attention}, TOKENS, move, lambda made, x: made["attention"](x, x, x))


def split(name: str) -> dict[str, str]:
    """A projection whose rows are the units of one head after the other."""
    return {f"attention/{name}_proj/weight": "(copies units) d_in", f"attention/{name}_proj/bias": "(copies units)"}


def whole(name: str) -> dict[str, str]:
    """Likewise, with the heads as the units that move."""
    return {f"attention/{name}_proj/weight": "(units width) d_in", f"attention/{name}_proj/bias": "(units width)"}


def recurrent(cell: Any, carries: int, biases: Mapping[str, Any]) -> eqprop.Pair:
    move = states(
        groups.Permutation(UNITS),
        inputs={"cell/weight_ih": "(gates units) d_in", **biases},
        recurrent={"cell/weight_hh": ("(gates units) hidden", 1)},
        outputs={"head/weight": 1},
    )

    def apply(made: Mapping[str, Any], sample: Any) -> Any:
        zeros = jnp.zeros(UNITS, sample.dtype)
        start = (zeros, zeros) if carries == 2 else zeros
        state, _ = jax.lax.scan(lambda state, x: (made["cell"](x, state), None), start, sample)
        return made["head"](state[0] if isinstance(state, tuple) else state)

    return pair({"cell": cell(D_IN, UNITS, key=KEY), "head": head()}, TOKENS, move, apply)


EXACT: dict[str, Build] = {
    "linear, permuted": lambda: pair(
        {"dense": dense(), "tanh": jnp.tanh, "head": head()}, FEATURES, units(groups.Permutation(UNITS))
    ),
    "linear, rescaled": lambda: pair(
        {"dense": dense(), "relu": jax.nn.relu, "head": head()}, FEATURES, units(groups.Scaling(UNITS))
    ),
    "conv, rescaled": lambda: pair(
        {"conv": eqx.nn.Conv1d(D_IN, UNITS, 2, key=KEY), "relu": jax.nn.relu, "mean": _mean, "head": head()},
        jnp.swapaxes(TOKENS, 1, 2),
        channels(UNITS, writes={"conv/weight": 0, "conv/bias": 0}, reads={"head/weight": 1}),
    ),
    "layer norm, gain": lambda: gain("layer"),
    "rms norm, gain": lambda: gain("rms"),
    "group norm, gain": lambda: gain("group"),
    "layer norm, shift": lambda: pair(
        {"dense": dense(), "norm": NORMS["layer"]()}, FEATURES, lambda params: softmax_shift(params, WRITES)
    ),
    "attention, queries and keys": lambda: attending(
        attention_heads(HEADS, WIDTH, queries=split("query"), keys=split("key"))
    ),
    "attention, values and outputs": lambda: attending(
        attention_heads(
            HEADS, WIDTH, values=split("value"), outputs={"attention/output_proj/weight": "d_out (copies units)"}
        )
    ),
    "attention, heads": lambda: attending(
        experts(
            HEADS,
            {
                **whole("query"),
                **whole("key"),
                **whole("value"),
                "attention/output_proj/weight": "d_out (units width)",
            },
        )
    ),
    "LSTM, units": lambda: recurrent(eqx.nn.LSTMCell, 2, {"cell/bias": "(gates units)"}),
    "GRU, units": lambda: recurrent(eqx.nn.GRUCell, 1, {"cell/bias": "(gates units)", "cell/bias_n": 0}),
}


def _mean(signal: Any) -> Any:
    return jnp.mean(signal, axis=1)


@pytest.mark.parametrize("name", cases(EXACT))
def test_a_layer_of_equinox_has_its_symmetry(name: str) -> None:
    holds(EXACT[name]())


def scaled(epsilon: float) -> eqprop.Pair:
    norm = eqx.nn.LayerNorm(UNITS, eps=epsilon)
    writes = {"dense/weight": "(units members) d_in", "dense/bias": "(units members)"}
    return pair({"dense": dense(), "norm": norm, "head": head()}, FEATURES, norm_scale(1, writes=writes))


def test_a_layer_norm_breaks_the_scale_before_it_in_proportion_to_epsilon() -> None:
    assert growth({epsilon: breaks(scaled(epsilon)) for epsilon in (1e-4, 1e-2)}) == pytest.approx(1, abs=0.2)
