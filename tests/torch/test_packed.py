"""Modules of PyTorch that keep several matrices in one tensor: packed projections of attention, stacked gates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.actions import attention_heads, combined, hidden_units, states
from eqprop.properties import CORE
from tests.torch.judging import judged, violated

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch

nn = torch.nn

HEADS, WIDTH, UNITS = 2, 2, 3
EMBED = HEADS * WIDTH

PREMISE = [prop for prop in CORE if prop.name == "equivariance"]
WORDS = np.random.default_rng(0).standard_normal((3, EMBED))
SERIES = np.random.default_rng(0).standard_normal((2, 2))


def attention() -> eqprop.Model:
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(EMBED, HEADS, dtype=torch.float64)
    nn.init.normal_(layer.in_proj_bias)
    return from_module(layer, (WORDS, WORDS, WORDS), outputs=lambda found: found[0])


def packed(kind: str, pattern: str = "(copies units)") -> dict[str, str]:
    """The rows of the packed projection that make queries, keys or values."""
    start = EMBED * "qkv".index(kind)
    rows = f"{start}:{start + EMBED}"
    return {f"in_proj_weight[{rows}]": f"{pattern} d_in", f"in_proj_bias[{rows}]": pattern}


def circuits(**written: dict[str, str]) -> eqprop.Transformation:
    """Queries against keys, values against outputs."""
    given = {"queries": packed("q"), "keys": packed("k"), "values": packed("v")} | written
    return combined(
        attention_heads(HEADS, WIDTH, queries=given["queries"], keys=given["keys"], name="qk"),
        attention_heads(
            HEADS, WIDTH, values=given["values"], outputs={"out_proj.weight": "d_out (copies units)"}, name="vo"
        ),
    )


OF_EACH_ORDER = [
    prop
    for prop in CORE
    if prop.name in ("equivariance", "gradient-covariance", "jacobian-covariance", "hessian-covariance")
]


def holds_at_all_orders(pair: eqprop.Pair) -> None:
    program, _, found = judged(pair, probes=8, properties=OF_EACH_ORDER)
    settled = {name: ~(one.inconclusive | one.vacuous) for name, one in found.items()}
    assert {prop.order for prop in program.properties} == {0, 1, 2}
    assert not [name for name, one in found.items() if one.suspect.any()]
    assert not [name for name, some in settled.items() if some.sum() < 6]


def test_the_packed_projections_of_attention_move_head_by_head():
    holds_at_all_orders(eqprop.Pair(attention(), circuits()))


@pytest.mark.parametrize(
    "written",
    [{"keys": packed("k", "(units copies)")}, {"queries": {"in_proj_weight[0:4]": "(copies units) d_in"}}],
    ids=["heads inside of units", "bias of queries left"],
)
def test_packed_projections_that_are_moved_wrongly_are_falsified(written):
    assert violated(eqprop.Pair(attention(), circuits(**written)), 8, properties=PREMISE) == {0}


class Recurrent(nn.Module):
    """A recurrent layer with a reader."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = layer(2, UNITS), nn.Linear(UNITS, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[0])


GATES = {"lstm": (nn.LSTM, 4), "gru": (nn.GRU, 3)}


def stacked(name: str) -> str:
    """All gates of a unit move together."""
    return f"(gates:{GATES[name][1]} units)"


def exchanged(name: str, pattern: str) -> eqprop.Pair:
    """The units of a recurrent layer in another order."""
    moved = states(
        groups.Permutation(UNITS),
        inputs={"layer.weight_ih_l0": f"{pattern} d_in", "layer.bias_*_l0": pattern},
        recurrent={"layer.weight_hh_l0": (f"{pattern} hidden", 1)},
        outputs={"head.weight": 1},
    )
    return eqprop.Pair(from_module(Recurrent(GATES[name][0]).double(), SERIES), moved)


@pytest.mark.slow
@pytest.mark.parametrize("name", GATES)
def test_units_of_stacked_gates_trade_places(name):
    holds_at_all_orders(exchanged(name, stacked(name)))


@pytest.mark.parametrize("name", GATES)
def test_gates_that_are_taken_for_units_are_falsified(name):
    gates = GATES[name][1]
    assert violated(exchanged(name, f"(units gates:{gates})"), 8, properties=PREMISE) == {0}


CANDIDATE = {"lstm": "6:9", "gru": "6:9"}
"""The rows of the gate behind a tanh: the third in both, of i, f, g, o and of r, z, n."""


def mirrored(name: str, rows: str) -> eqprop.Pair:
    """The sign of each unit: tanh is odd, and a sigmoid gate reads the state with the sign taken off again."""
    odd = {f"layer.weight_ih_l0[{rows}]": 0, f"layer.weight_hh_l0[{rows}]": 0, f"layer.bias_*_l0[{rows}]": 0}
    reads = {"layer.weight_hh_l0": 1, "head.weight": 1}
    moved = hidden_units(groups.Sign(UNITS), writes=odd, reads=reads, name="signs")
    return eqprop.Pair(from_module(Recurrent(GATES[name][0]).double(), SERIES), moved)


@pytest.mark.slow
@pytest.mark.parametrize("name", GATES)
def test_units_of_stacked_gates_change_their_signs(name):
    holds_at_all_orders(mirrored(name, CANDIDATE[name]))


@pytest.mark.parametrize("name", GATES)
def test_the_sign_of_another_gate_is_falsified(name):
    assert violated(mirrored(name, "0:3"), 8, properties=PREMISE) == {0}
