"""What was declared is among what was found, or is not."""

from __future__ import annotations

import jax
import pytest

from eqprop import groups
from eqprop.actions import combined, hidden_units, translations
from eqprop.finding import covered, find
from tests.finding.networks import layered

LINEAR = layered((3, 4, 2), bias=True)
RELU = layered((3, 4, 2), jax.nn.relu, bias=True)
UNITS = {"writes": {"0/w": 1, "0/b": 0}, "reads": {"1/w": 0}}


def found(model):
    return [one.found.transformation for one in find(model, prove=False).found]


@pytest.mark.parametrize(
    ("model", "declared", "there"),
    [
        pytest.param(LINEAR, hidden_units(groups.Rotation(4), **UNITS), True, id="rotations in GL"),
        pytest.param(LINEAR, hidden_units(groups.Permutation(4), **UNITS), True, id="permutations in GL"),
        pytest.param(RELU, hidden_units(groups.Scaling(4), **UNITS), True, id="scalings"),
        pytest.param(RELU, hidden_units(groups.Permutation(4), **UNITS), True, id="permutations"),
        pytest.param(RELU, combined(hidden_units(groups.Scaling(4), **UNITS)), True, id="under another name"),
        pytest.param(RELU, hidden_units(groups.Rotation(4), **UNITS), False, id="rotations of a relu"),
        pytest.param(RELU, hidden_units(groups.Sign(4), **UNITS), False, id="signs of a relu"),
        pytest.param(RELU, translations(RELU.params, {"1/b": None}), False, id="shifts"),
    ],
)
def test_a_claim_is_among_what_is_found_where_it_is_true(model, declared, there):
    assert covered(model, [declared], found(model)) == [there]


def test_nothing_is_among_nothing():
    assert covered(RELU, [hidden_units(groups.Scaling(4), **UNITS)], []) == [False]
    assert covered(RELU, [hidden_units(groups.Sign(4), **UNITS)], []) == [False]
