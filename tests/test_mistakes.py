"""Mistakes where something is made: each is answered at once, in one line that says how to mend it."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import conversions, groups
from eqprop.mutants import Mutant
from eqprop.properties.parts import part
from tests.mistakes import PARAMS, SCALING, apply, model, moved, pair, refused, units

NAMES = [
    pytest.param(3, "name is 3 (int); expected a text", id="int"),
    pytest.param("", "name is '' (str); expected a text", id="empty"),
    pytest.param(" ", "name is ' ' (str)", id="blank"),
    pytest.param("a\nb", r"name is 'a\nb' (str); expected a text of printable characters", id="two-lines"),
    pytest.param("a\0b", r"name is 'a\x00b'", id="nul"),
    pytest.param("a\x1b[31mb", r"name is 'a\x1b[31mb'", id="escape"),
    pytest.param("a\ud800", r"name is 'a\ud800'", id="surrogate"),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
def test_a_name_is_a_text_that_can_be_shown_in_a_line(name, message):
    refused(lambda: model(name=name), f"Model: {message}")
    refused(lambda: moved(name=name), f"Transformation: {message}")
    refused(lambda: units(name=name), f"hidden_units: {message}")
    if name:  # without a name a pair is called after its parts
        refused(lambda: pair(name=name), f"Pair: {message}")


@pytest.mark.parametrize("name", ["θ → x", "a/b", "..", "n" * 300, "CON"])
def test_a_name_may_be_whatever_can_be_shown(name):
    assert pair(name=name).name == name


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"apply": 3}, "model 'net': apply is 3 (int); expected a function of (params, inputs)"),
        ({"apply": PARAMS, "params": apply}, "apply is {'w': array("),
        ({"apply": None}, "apply is None; expected a function of (params, inputs)"),
        ({"apply": lambda p: p}, "apply cannot be called with (params, inputs): too many positional arguments"),
        ({"apply": lambda p, x, key: x}, "apply cannot be called with (params, inputs): missing a required argument"),
        ({"loss": "mse"}, "loss is 'mse' (str); expected a function of (outputs)"),
        ({"loss": lambda y, t: y}, "loss cannot be called with (outputs): missing a required argument: 't'"),
        ({"domain": 3}, "domain is 3 (int); expected a function of (params)"),
        ({"domain": lambda p, x: p}, "domain cannot be called with (params)"),
        ({"trained": "no"}, "trained is 'no' (str); expected True or False"),
        ({"trained": 1}, "trained is 1 (int); expected True or False"),
    ],
)
def test_a_model_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: model(**wrong), message)


def test_what_takes_other_arguments_inside_a_wrapper_is_accepted():
    from functools import partial, wraps

    def configured(p, x, config):
        return x

    @wraps(configured)
    def wrapped(p, x):
        return configured(p, x, 3)

    for function in (wrapped, partial(configured, config=3), jnp.add, lambda *given: given[1]):
        model(apply=function)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": groups.Scaling}, "'moved': group is <class 'eqprop.groups.scaling.Scaling'>; expected a Group"),
        ({"group": 3}, "group is 3; expected a Group such as groups.Scaling(16)"),
        ({"on_params": None}, "on_params is None; expected a function of (element, params)"),
        ({"on_params": lambda p: p}, "on_params cannot be called with (element, params)"),
        ({"on_outputs": lambda y: y}, "on_outputs cannot be called with (element, outputs)"),
        ({"on_inputs": 3}, "on_inputs is 3 (int); expected a function of (element, inputs)"),
        ({"side": "Left"}, "side is 'Left'; expected 'left' or 'right'"),
        ({"side": None}, "side is None; expected 'left' or 'right'"),
        ({"isometry": "yes"}, "isometry is 'yes' (str); expected True or False"),
        ({"charge": "Q"}, "charge is 'Q' (str); expected a function of (algebra, params)"),
        ({"charge": lambda p: p}, "charge cannot be called with (algebra, params)"),
        ({"defect": 1e-3}, "defect is 0.001 (float); expected a function of (algebra, params, inputs)"),
    ],
)
def test_a_transformation_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: moved(**wrong), message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": moved(), "transformation": model()}, "Pair: model is Transformation('moved'"),
        ({"transformation": SCALING}, "Pair: transformation is Scaling(n=3); expected an eqprop.Transformation"),
        ({"target": SCALING}, "Pair: target is Scaling(n=3); expected an eqprop.Model or None"),
        (
            {"known_failures": {"noether"}},
            "known_failures is {'noether'} (set); expected a mapping such as {'noether':",
        ),
        ({"known_failures": ["noether"]}, "known_failures is ['noether'] (list); expected a mapping"),
        ({"known_failures": "noether"}, "known_failures is 'noether' (str); expected a mapping"),
        ({"known_failures": None}, "known_failures is None; expected a mapping"),
        ({"known_failures": {3: "x"}}, "known_failures has the key 3 (int); expected texts"),
        ({"known_failures": {"noether": ""}}, "known_failures['noether'] is '' (str); expected the reason"),
        ({"known_failures": {"noether": True}}, "known_failures['noether'] is True (bool); expected the reason"),
        ({"known_failures": {"noether": None}}, "known_failures['noether'] is None; expected the reason"),
        ({"architecture": None}, "architecture is None; expected a mapping such as {'width': 16}"),
        ({"architecture": "wide"}, "architecture is 'wide' (str); expected a mapping"),
        ({"architecture": {"w": [1, 2]}}, "architecture['w'] is [1, 2] (list), which has no hash; write a tuple"),
        ({"architecture": {"w": ([1],)}}, "architecture['w'] is ([1],) (tuple), which has no hash"),
        ({"architecture": {1: 2}}, "architecture has the key 1 (int); expected texts"),
    ],
)
def test_a_pair_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: pair(**wrong), message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mutant("A b", 0, "w", lambda p: p), "the name is 'A b'; expected kebab-case"),
        (lambda: Mutant("a", 4, "w", lambda p: p), "Mutant 'a': order is 4 (int); expected 0, 1, 2 or 3"),
        (lambda: Mutant("a", True, "w", lambda p: p), "order is True (bool)"),
        (lambda: Mutant("a", 0, "w", 3), "Mutant 'a': change is 3 (int); expected a function of (pair)"),
        (
            lambda: Mutant("a", 0, "w", lambda p: 3).broken(pair()),
            "Mutant 'a': change gave 3 (int); expected the broken",
        ),
    ],
)
def test_a_mutant_of_the_wrong_parts_is_refused(make, message):
    refused(make, message)


def sides(point: Any) -> Any:
    return (part(("a",), jnp.ones(2), jnp.ones(2)),)


def own(**other: Any) -> eqprop.Property:
    about: dict[str, Any] = {"name": "own", "order": 1, "statement": "s", "formula": "f", "sides": sides}
    return eqprop.Property(**{**about, "needs": {"params"}, **other})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": 3}, "Property: the name is 3; expected kebab-case"),
        ({"order": "1"}, "Property 'own': order is '1'; expected a whole number"),
        ({"order": None}, "order is None"),
        ({"sides": 3}, "sides is 3 (int); expected a function of (point)"),
        ({"needs": "params"}, "needs is 'params' (str); expected several"),
        ({"needs": {"theta"}}, "needs names theta; the fields of a probe are: algebra"),
        ({"rests_on": "equivariance"}, "rests_on is 'equivariance' (str); expected several"),
        ({"hypotheses": lambda pair: None}, "hypotheses is <function"),
        ({"hypotheses": (3,)}, "a hypothesis is 3 (int); expected a function of (pair)"),
    ],
)
def test_a_property_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: own(**wrong), message)


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (None, "property 'own': sides gave None; expected a tuple"),
        ((1, 2), "sides gave (1, 2) (tuple); expected a tuple of what `part` makes"),
        ((part(("a",), np.ones(2), np.ones(3)),), "shapes [(2,)] on the left and [(3,)] on the right"),
    ],
)
def test_sides_that_cannot_be_compared_are_refused(gives, message):
    refused(lambda: own(sides=lambda point: gives).compared(None), message)


def test_a_hypothesis_says_why_in_words():
    refused(
        lambda: own(hypotheses=(lambda pair: True,)).reason_if_not_applicable(pair()),
        "a hypothesis gave True (bool); expected why",
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conversions.fused("x"), "fused: axis is 'x'; expected a whole number, such as 0, or -1"),
        (lambda: conversions.permuted(1, 0.5), "permuted: axis is 0.5; expected a whole number"),
        (lambda: conversions.permuted((1, 0)), "permuted: axis is (1, 0); expected a whole number"),
        (lambda: conversions.split_heads(0), "split_heads: heads is 0; expected a whole number, 1 or more"),
        (lambda: conversions.split_heads(2, True), "split_heads: axis is True; expected a whole number"),
        (lambda: conversions.fused_by_head("2"), "fused_by_head: heads is '2'; expected a whole number"),
        (lambda: conversions.rotary_halves(None), "rotary_halves: heads is None; expected a whole number"),
        (lambda: conversions.rotary_interleaved(2, None), "rotary_interleaved: axis is None; expected a whole number"),
        (lambda: conversions.merged("0.5"), "merged: scale is '0.5' (str); expected a number"),
        (lambda: conversions.merged(float("nan")), "merged: scale is nan (float); expected a number"),
        (lambda: conversions.folded_kernel(-1e-5), "folded_kernel: epsilon is -1e-05 (float); expected a number, 0 or"),
        (lambda: conversions.folded_bias(True), "folded_bias: epsilon is True (bool); expected a number, 0 or more"),
    ],
)
def test_a_layout_says_at_once_what_is_wrong_with_its_arguments(make, message):
    refused(make, message)


def test_numpys_numbers_are_numbers():
    np.testing.assert_array_equal(conversions.merged(np.float32(0.5))(1.0, np.eye(2), np.eye(2)), 1 + np.eye(2) / 2)
    np.testing.assert_array_equal(conversions.fused(np.int64(0))(np.ones(1), np.zeros(1)), [1, 0])
