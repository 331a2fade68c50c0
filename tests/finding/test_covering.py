"""What was declared is among what was found, or is not."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

import eqprop
from eqprop import groups
from eqprop.actions import combined, half_periods, hidden_units, translations
from eqprop.finding import covered, find
from tests.finding.networks import layered, numbers

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


def test_a_claim_may_be_several_findings_that_move_different_entries():
    deep = layered((3, 4, 4, 2), jax.nn.relu)
    units = [
        hidden_units(groups.Permutation(4), writes={f"{i}/w": 1}, reads={f"{i + 1}/w": 0}, name=f"layer-{i}")
        for i in range(2)
    ]
    both = hidden_units(groups.Permutation(4), writes={"0/w": 1, "2/w": 0}, name="both")
    assert covered(deep, units, found(deep)) == [True, True]
    assert covered(deep, [both], found(deep)) == [False]


def test_what_a_claim_does_to_tensors_that_nothing_sees_is_no_matter():
    draw = numbers()
    params = {"w": draw(2, 3), "a": draw(3, 2), "idle": draw(3)}
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"] + 0 * p["idle"].sum(), params, draw(4, 2))
    moved = hidden_units(groups.Permutation(3), writes={"w": 1, "a": 0, "idle": 0})
    assert covered(model, [moved], found(model)) == [True]
    assert covered(model, [hidden_units(groups.Permutation(3), writes={"w": 1, "idle": 0})], found(model)) == [False]


def test_two_ways_to_the_same_number_are_the_same_and_a_billionth_is_not():
    sine = layered((2, 3, 2), jnp.sin, bias=True)
    written = half_periods(3, bias="0/b", reads={"1/w": 0})

    def otherwise(by):
        def on_params(m, p):
            first, second = written.on_params(m, p)
            return [{**first, "b": (p[0]["b"] / 3 + jnp.pi * m / 3) * 3 * by}, second]

        return replace(written, on_params=on_params)

    assert covered(sine, [otherwise(1.0), otherwise(1 + 1e-9)], [written]) == [True, False]
