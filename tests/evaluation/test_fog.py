"""What leaves no digits to compare is found: the operation with its line, the input, or the kink."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.evaluation import Row, fog_of
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import by_name
from eqprop.results import code_of

PARAMS = {"w": np.array([[1.3, 0.2], [0.1, 0.7]]), "b": np.array([0.3, 0.1]), "v": np.ones((2, 1))}
UNITS = eqprop.hidden_units(groups.Scaling(2), writes={"w": 1, "b": 0}, reads={"v": 0}, name="rescaling")


def hidden(p, x):
    return jax.nn.relu(x @ p["w"] + p["b"][None]) @ p["v"]


def steep(p, x):
    y = hidden(p, x)
    return jnp.cos(y) - jnp.cos(y * (1 + 1e-14))  # cancels


def threshold(p, x):
    y = hidden(p, x)
    return jnp.where(y * 3 / 3 > y, y, 2 * y)  # kink


def attention(p, x):
    y = hidden(p, x)
    scores = jnp.concatenate([y * 1e6, y * 2e6], -1)
    return jax.nn.softmax(scores.astype(jnp.float32), axis=-1).astype(y.dtype) * y  # float32


def pair(apply) -> eqprop.Pair:
    return eqprop.Pair(eqprop.Model(apply, PARAMS, np.ones((3, 2)), name="net"), UNITS, name=apply.__name__)


def line(text: str) -> str:
    lines = enumerate(Path(__file__).read_text("utf-8").splitlines(), start=1)
    return next(f"test_fog.py:{number}" for number, content in lines if f"  # {text}" in content)


def verdicts(apply, *names: str) -> dict[str, eqprop.Verdict]:
    budget = {"profile": "quick", "max_architectures": 1, "probes": 16, "unseen": False}
    return {v.property.name: v for v in eqprop.run(pair(apply), properties=names, **budget).verdicts}


def test_the_operation_in_which_terms_cancel_is_named_with_its_line():
    (found,) = verdicts(steep, "equivariance").values()
    assert found.outcome == "inconclusive"
    assert line("cancels") in found.set_by
    assert f"rounding in {found.set_by} makes" in found.reason
    assert "write it so that no large terms cancel" in found.reason
    assert f"{found.inconclusive} of {found.probes} probes settle nothing" in found.reason
    assert code_of(found) == "EQ201"


def test_a_kink_is_named_with_the_comparison_that_decides_otherwise():
    (found,) = verdicts(threshold, "equivariance").values()
    assert found.set_by == f"gt ({line('kink')})"
    assert f"{found.set_by} decides otherwise in copies that differ by a rounding" in found.reason
    assert "off the kink" in found.reason
    assert code_of(found) == "EQ208"


def test_of_a_low_precision_the_operation_is_named_in_which_the_digits_go():
    (found,) = verdicts(attention, "hessian-symmetry").values()
    assert line("float32") in found.set_by
    assert f"too few digits to compare (most are lost in {found.set_by}); build it with dtype=float64" in found.reason
    assert code_of(found) == "EQ203"


def test_a_kink_is_named_where_the_inputs_alone_fall_on_either_side():
    def exact(p, x):
        return jnp.where(x > 1, 2.0, 1.0) @ jnp.ones((2, 1)) * p["v"][:1]  # a jump of the inputs alone

    row = Row(pair(exact), (by_name("equivariance"),), SQUARED_ERROR, "float64", reverse_only=False)
    probes = row.draw(np.random.default_rng(0), 1)
    at_one = Probe(**{**vars(probes), "inputs": np.ones((1, 3, 2))})
    found = fog_of(row, at_one, np.random.default_rng(1))
    assert found.kink
    assert found.source == f"gt ({line('a jump')})"


def test_a_tie_is_named_with_the_operation_that_ranks_and_not_with_what_rounds_before_it():
    def ranked(p, x):
        best, _ = jax.lax.top_k(jnp.tanh(x @ p["w"]), 1)  # a tie
        return best @ p["v"][:1]

    row = Row(pair(ranked), (by_name("gradient-covariance"),), SQUARED_ERROR, "float64", reverse_only=False)
    probes = row.draw(np.random.default_rng(0), 1)
    alike = jax.tree.map(np.ones_like, probes.params)  # the values of the two units are the same, their places are not
    found = fog_of(row, Probe(**{**vars(probes), "params": alike}), np.random.default_rng(1))
    assert found.kink
    assert found.source == f"top_k ({line('a tie')})"


def test_an_input_is_named_where_no_operation_rounds():
    row = Row(pair(lambda p, x: x[:, :1]), (by_name("equivariance"),), SQUARED_ERROR, "float64", reverse_only=False)
    probes = row.draw(np.random.default_rng(0), 2)
    found = fog_of(row, probes, np.random.default_rng(1))
    assert (found.source, found.dtype, found.kink) == ("inputs", "", False)
    assert "moving inputs by a unit in the last place makes 100% of the floor" in found.said


def test_what_holds_has_nothing_to_say():
    (found,) = verdicts(hidden, "noether").values()
    assert (found.outcome, found.reason, found.set_by) == ("holds", "", "")
