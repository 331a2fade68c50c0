"""What ``find`` may be asked, and what it gives: proofs, tests, the same for a seed, and a line for every mistake."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.finding import find
from tests.finding.looking import found
from tests.finding.networks import asymmetric, attention, layered


@pytest.mark.slow
def test_what_is_found_is_proven_by_all_properties_and_written_as_tests(tmp_path, monkeypatch):
    symmetries = find(layered((2, 3, 2), jax.nn.relu))
    assert [(one.verdict, one.why) for one in symmetries.found] == [("proven", "")] * 2
    assert symmetries.exit_code == 0
    (tmp_path / "nets.py").write_text("from tests.finding.networks import layered\nimport jax\n")
    code = symmetries.code("tests.finding.test_asking:a_model", called=True)
    space: dict[str, Any] = {}
    exec(compile(code, "test_symmetries.py", "exec"), space)
    assert [pair.transformation.name for pair in space["pairs"]] == ["scaling", "permutation"]


def a_model() -> eqprop.Model:
    return layered((2, 3, 2), jax.nn.relu)


def test_a_file_of_tests_is_written_where_nothing_is_found():
    space: dict[str, Any] = {}
    code = found(asymmetric(0)).code("nets:model")
    exec(compile(code, "test_symmetries.py", "exec"), space)
    assert space["pairs"] == []
    assert "has found no symmetry of none" in code


def test_the_same_seed_finds_the_same():
    one, other = (found(attention("reshape", bias=True)) for _ in range(2))
    assert one.code() == other.code()


def test_what_is_there_and_not_declared_is_said():
    model = layered((2, 3, 2), jax.nn.relu)
    scaling = eqprop.hidden_units(groups.Scaling(3), writes={"0/w": 1}, reads={"1/w": 0})
    permutation = eqprop.hidden_units(groups.Permutation(3), writes={"0/w": 1}, reads={"1/w": 0})
    one, both = [eqprop.Pair(model, scaling)], [eqprop.Pair(model, scaling), eqprop.Pair(model, permutation)]
    assert find(model, declared=one, prove=False).undeclared == ("permutation",)
    complete = find(model, declared=both, prove=False)
    assert complete.undeclared == ()
    assert "not declared: nothing, all that was found is declared" in complete.text()
    with pytest.raises(InvalidInput, match="expected pairs of this very model"):
        find(layered((2, 3, 2)), declared=one, prove=False)


def test_what_is_no_model_is_refused():
    with pytest.raises(InvalidInput, match=r"eqprop.find: got 3 \(int\); expected an eqprop.Model"):
        find(3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"declared": 3}, r"eqprop.find: declared is 3 \(int\); expected a list of pairs of this very model"),
        ({"declared": "ab"}, r"eqprop.find: declared is 'ab' \(str\); expected a list of pairs"),
        ({"declared": [None]}, "eqprop.find: declared has None in it; expected pairs of this very model"),
        ({"profile": "fast"}, "no profile is called 'fast'; the profiles are"),
        ({"prove": "no"}, r"prove is 'no' \(str\); expected True, False or 'premise'"),
        ({"seed": -1}, "the seed is -1; expected a whole number"),
    ],
)
def test_what_is_asked_wrongly_is_said_before_anything_is_traced(wrong, message):
    def untraced(p, x):
        pytest.fail("the model was called")

    model = eqprop.Model(untraced, np.ones(2), np.ones(2), name="untraced", trained=False)
    with pytest.raises(InvalidInput, match=message):
        find(model, **wrong)
