"""Callbacks into Python: which probe one refuses, and what gives another answer each time."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import calls_back
from eqprop.evaluation import Choice, Program
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import by_name
from eqprop.results import Outcome
from eqprop.validation import first_unusable_order, has_callbacks, where_raised

W = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
X = np.array([[1.0, -0.5], [0.25, 2.0], [-1.5, 1.0]], np.float32)
NAMES = ["equivariance", "gradient-covariance"]

Host = Callable[..., np.ndarray]


def pair_of(value: Host, slope: Host = np.cos, method: str = "expand_dims") -> eqprop.Pair:
    """A function of the units by the host, and its derivative; the units may be permuted."""

    def called(f: Host, z: Any) -> Any:
        return jax.pure_callback(f, jax.ShapeDtypeStruct(z.shape, z.dtype), z, vmap_method=method)

    unit = jax.custom_vjp(lambda z: called(value, z))
    unit.defvjp(lambda z: (called(value, z), z), lambda z, g: (called(slope, z) * g,))
    model = eqprop.Model(lambda p, x: unit(x @ p["w"]).sum(1), {"w": W}, X, name="kernel")
    move = eqprop.Transformation(groups.Permutation(2), lambda g, p: {"w": p["w"][:, g]}, side="right", name="units")
    return eqprop.Pair(model, move)


def verdicts(pair: eqprop.Pair, **options: Any) -> tuple[eqprop.Verdict, ...]:
    return eqprop.run(pair, profile="quick", properties=NAMES, precision="model", **options).verdicts


def ends(f: Host) -> Host:
    """The function, which is tabulated up to 7 only."""

    def bounded(z: np.ndarray) -> np.ndarray:
        if (np.abs(z) > 7).any():
            msg = "the table ends at 7"
            raise ValueError(msg)
        return f(np.asarray(z))

    return bounded


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_a_program_knows_whether_it_calls_python(evaluator: Choice):
    plain = eqprop.Model(lambda p, x: x @ p["w"], {"w": W}, X)
    pairs = (pair_of(np.sin), eqprop.Pair(plain, pair_of(np.sin).transformation))
    properties = (by_name("equivariance"),)
    programs = [Program(pair, properties, SQUARED_ERROR, "model", evaluator=evaluator) for pair in pairs]
    assert [program.calls_back for program in programs] == [True, False]


def test_what_calls_python_is_told_from_what_does_not():
    assert has_callbacks(pair_of(np.sin), "model")
    plain = eqprop.Model(lambda p, x: x @ p["w"], {"w": W}, X)
    assert not has_callbacks(eqprop.Pair(plain, pair_of(np.sin).transformation), "model")
    inside = jax.make_jaxpr(lambda x: jax.lax.map(lambda row: jax.pure_callback(np.sin, row, row), x))(X)
    assert calls_back(inside)


@pytest.mark.parametrize(
    ("pair", "what"),
    [
        (pair_of(ends(np.sin)), "model 'kernel': apply raises it at params = {'w': [["),
        (pair_of(np.sin, ends(np.cos)), "model 'kernel': the gradient raises it at params = {'w': [["),
    ],
    ids=["value", "backward rule"],
)
def test_the_probe_that_a_callback_refuses_is_named_with_its_numbers_and_the_line(pair: eqprop.Pair, what: str):
    failed = [v for v in verdicts(pair) if v.outcome is Outcome.ERROR]
    assert [v.property.name for v in failed] == (NAMES if "apply" in what else NAMES[1:])
    for verdict in failed:
        assert "ValueError: the table ends at 7 (" in verdict.reason
        assert "test_callbacks.py:" in verdict.reason
        assert what in verdict.reason
        w, x = (np.array(eval(found)) for found in re.findall(r"(?:'w': |inputs = )(\[\[.*?\]\])", verdict.reason))
        assert np.abs(x @ w).max() > 7 - 1e-3


def test_of_many_numbers_the_ranges_are_told():
    wide = eqprop.Model(pair_of(ends(np.sin)).model.apply, {"w": W}, np.ones((40, 2), np.float32), name="kernel")
    pair = eqprop.Pair(wide, pair_of(np.sin).transformation)
    inputs = np.stack([wide.inputs, 9 * wide.inputs])
    said = where_raised(pair, "model", Probe(params=(np.stack([W, W]),), inputs=inputs), 0)
    assert said.endswith("params = {'w': (2, 2) from -1.0 to 2.0}, inputs = (40, 2) from 9.0 to 9.0")


def test_a_callback_that_knows_no_further_axis_is_told_what_to_look_at():
    def of_matrices(z: np.ndarray) -> np.ndarray:
        if z.ndim != 2:
            msg = f"expected a matrix, got {z.ndim} axes"
            raise ValueError(msg)
        return np.sin(z)

    for verdict in verdicts(pair_of(of_matrices), evaluator="xla"):
        assert "expected a matrix, got 3 axes" in verdict.reason
        assert "no probe by itself makes it raise: where vmap_method is 'expand_dims'" in verdict.reason
    one_by_one = pair_of(of_matrices, method="sequential")
    assert {v.outcome for v in verdicts(one_by_one, evaluator="xla")} == {Outcome.HOLDS}


def drifting(f: Host, size: float = 1e-2) -> Host:
    calls = itertools.count()
    return lambda z: np.asarray(f(z) * (1 + size * next(calls)), np.asarray(z).dtype)


def test_a_callback_that_answers_differently_each_time_is_told_before_anything_is_searched():
    for verdict in verdicts(pair_of(drifting(np.sin))):
        assert verdict.outcome is Outcome.ERROR
        assert "model 'kernel': apply gives different results for the same arguments" in verdict.reason
        assert "jax.pure_callback" in verdict.reason


def test_a_backward_rule_that_answers_differently_each_time_leaves_the_premise_its_verdict():
    pair = pair_of(np.sin, drifting(np.cos))
    order, said = first_unusable_order(pair, "model") or (None, "")
    assert order == 1
    assert "the gradient gives different results for the same arguments" in said
    premise, first = verdicts(pair)
    assert premise.outcome is Outcome.HOLDS
    assert first.outcome is Outcome.ERROR
    assert first.reason == said


@pytest.mark.parametrize("field", ["loss", "on_params"])
def test_a_loss_and_an_action_are_run_twice_as_well(field: str):
    noise = drifting(np.asarray)

    def called(leaf: Any) -> Any:
        return jax.pure_callback(noise, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), leaf, vmap_method="expand_dims")

    plain = pair_of(np.sin)
    if field == "loss":
        model = eqprop.Model(plain.model.apply, {"w": W}, X, name="kernel", loss=lambda y: called((y**2).sum()))
        pair = eqprop.Pair(model, plain.transformation)
    else:
        move = eqprop.Transformation(groups.Permutation(2), lambda g, p: {"w": called(p["w"][:, g])}, side="right")
        pair = eqprop.Pair(plain.model, move)
    for verdict in verdicts(pair):
        assert verdict.outcome is Outcome.ERROR
        assert f"{field} gives different results for the same arguments" in verdict.reason


def test_a_callback_that_repeats_itself_at_the_example_alone_is_told_of_in_the_search():
    """It counts how often it was asked for the same numbers, in any order, but for small ones as at the example."""
    asked = Counter[tuple[float, ...]]()

    def counting(z: np.ndarray) -> np.ndarray:
        z = np.asarray(z)
        numbers = tuple(sorted(z.ravel().tolist()))
        if np.abs(z).max() > np.abs(X @ W).max():
            asked[numbers] += 1
        return np.sin(z) * np.asarray(1 + asked[numbers], z.dtype)

    (verdict, _) = verdicts(pair_of(counting))
    assert verdict.outcome is Outcome.ERROR
    assert "model 'kernel': apply gives different results for the same arguments" in verdict.reason
