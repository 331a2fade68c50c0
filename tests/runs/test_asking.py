"""What is asked of a run, mistakes included: names, numbers, functions, folders, files."""

from __future__ import annotations

import json
import re
from math import inf
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.counterexamples import folder_of, recipe_in
from eqprop.mutants import forgets
from eqprop.properties import LIBRARY, by_name
from eqprop.registry import isolated, register
from eqprop.runs import make_options


def refused(call: Any, message: str) -> None:
    with pytest.raises(eqprop.InvalidInput, match=re.escape(message)) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200 + len(", ".join(prop.name for prop in LIBRARY))  # the longest names them all


def pair(**other: Any) -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: p * x, np.ones(2), np.ones(2), name="product")
    signs = eqprop.Transformation(groups.Sign(2), lambda s, p: s * p, on_outputs=lambda s, y: s * y, name="signs")
    return eqprop.Pair(model, signs, **other)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"profile": "Quick"}, "no profile is called 'Quick'; the profiles are: quick, gate"),
        ({"profile": None}, "no profile is called None"),
        ({"profile": ["quick"]}, "no profile is called ['quick']"),
        ({"seed": "1"}, "the seed is '1'; expected a whole number from 0 to 4294967295"),
        ({"seed": 1.0}, "the seed is 1.0; expected a whole number"),
        ({"seed": True}, "the seed is True; expected a whole number"),
        ({"seed": -1}, "the seed is -1"),
        ({"seed": 2**40}, "the seed is 1099511627776"),
        ({"seed": [1]}, "the seed is [1]"),
        ({"seed": jax.random.PRNGKey(0)}, "the seed is Array("),
        ({"precision": "float32"}, "the precision is 'float32'; expected 'float64' or 'model'"),
        ({"precision": np.float64}, "the precision is <class 'numpy.float64'>"),
        ({"precision": None}, "the precision is None"),
        ({"properties": "noether,equivariance"}, "no property is called 'noether,equivariance'. Did you mean"),
        ({"properties": "Noether"}, "no property is called 'Noether'. Did you mean noether?"),
        ({"properties": ["noethr"]}, "no property is called 'noethr'. Did you mean noether?"),
        ({"properties": ["zzz"]}, "no property is called 'zzz'. The properties are: group-laws, equivariance"),
        ({"properties": ["order-7"]}, "no property is called 'order-7'. Did you mean order-6"),
        ({"properties": ["optimizer-step"]}, "'optimizer-step' without an optimizer: pass optimizer="),
        ({"properties": []}, "properties is empty; expected some of: group-laws"),
        ({"properties": 3}, "properties is 3 (int); expected names of properties, as in ['noether'"),
        ({"properties": b"noether"}, "properties is b'noether' (bytes)"),
        ({"properties": [3]}, "properties has 3 (int) in it; expected names of properties"),
        ({"properties": [None]}, "properties has None in it"),
        ({"properties": [["noether"]]}, "properties has ['noether'] (list) in it"),
        ({"properties": [eqprop.Property]}, "properties has <class 'eqprop.properties.base.Property'> (type) in it"),
        ({"max_architectures": 0}, "the number of architectures is 0; expected a whole number from 1 to 10000000"),
        ({"max_architectures": 10**40}, "00; expected a whole number from 1 to 10000000"),
        ({"max_architectures": "3"}, "the number of architectures is '3'"),
        ({"save": 3}, "save is 3 (int); expected a folder for counterexample files"),
        ({"save": True}, "save is True (bool)"),
        ({"save": b"found"}, "save is b'found' (bytes)"),
        ({"save": ""}, "save is '' (str)"),
        ({"optimizer": "adam"}, "optimizer 'adam' names nothing behind a colon"),
        ({"optimizer": ""}, "optimizer '' names nothing behind a colon"),
        ({"optimizer": "nowhere:adam"}, "optimizer 'nowhere:adam': no module named 'nowhere'"),
        ({"optimizer": 3}, "which has no callable init and no callable update"),
    ],
)
def test_what_cannot_be_asked_is_answered_by_name_value_and_expectation(asked, message):
    refused(lambda: make_options(**asked), message)


def test_a_decorator_says_at_once_what_cannot_be_asked():
    refused(lambda: eqprop.parametrize(pair(), seed="1"), "the seed is '1'")
    refused(lambda: eqprop.parametrize(pair(), properties=["noethr"]), "Did you mean noether?")


@pytest.mark.parametrize("asked", ["noether", by_name("noether"), ["noether"], {"noether"}, ("noether", "noether")])
def test_one_property_may_be_asked_for_without_a_list(asked):
    assert [p.name for p in make_options(properties=asked).properties] == ["noether"]


def test_numbers_of_numpy_are_numbers():
    assert make_options(seed=np.int64(7), max_architectures=np.int32(3)).seed == 7
    assert type(make_options(seed=np.int64(7)).seed) is int


def test_limits_take_the_place_of_the_profiles():
    limited = make_options(max_architectures=2, probes=7, max_time=60)
    assert (limited.profile.architectures, limited.profile.probes, limited.max_time) == (2, 7, 60.0)
    assert limited.profile.costly_probes <= 7
    assert make_options().max_time == inf


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_time": 0}, "the maximal time is 0 (int); expected a positive number"),
        ({"max_time": "1m"}, "the maximal time is '1m' (str); expected a positive number"),
        ({"max_time": inf}, "the maximal time is inf (float); expected a positive number"),
        ({"probes": 0}, "the number of probes is 0; expected a whole number from 1 to 10000000"),
        ({"probes": 10**8}, "the number of probes is 100000000; expected a whole number from 1 to 10000000"),
        ({"evaluator": "jax"}, "the evaluator is 'jax'; expected 'auto', 'numpy' or 'xla'"),
    ],
)
def test_a_limit_that_is_none_is_refused(given, message):
    refused(lambda: make_options(**given), message)


def test_two_properties_of_one_name_are_refused():
    from dataclasses import replace

    refused(lambda: make_options(properties=[replace(LIBRARY[0], order=1)]), "two properties are called 'group-laws'")
    own = replace(LIBRARY[0], name="own", rests_on=("equivarianc",))
    refused(
        lambda: make_options(properties=[own]), "'own' rests on 'equivarianc', which is no property. Did you mean equi"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "pairs is None; expected an eqprop.Pair"),
        (3, "pairs is 3 (int); expected an eqprop.Pair"),
        ([], "pairs is empty: there is nothing to verify"),
        ("relu-rescaling", "eqprop.load('relu-rescaling') is the pair that a target names"),
        (eqprop.Pair, "pairs is <class 'eqprop.claims.pair.Pair'> (type)"),
        (
            pair().model,
            "(Model); expected an eqprop.Pair, a hypothesis strategy of pairs, an iterable or a mapping of them",
        ),
        ([pair().model, pair().transformation], "Join a model and a transformation of it: eqprop.Pair(model, transf"),
        ([[pair()]], "pairs: item 0 is [Pair('product/signs')] (list)"),
        ([pair(), pair()], "several subjects are called 'product/signs'"),
        (lambda: None, "pairs is None"),
        (lambda: pair, "the function returned <function"),
        (lambda x: pair(), "needs arguments (missing a required argument: 'x')"),
        ({"a": pair().model}, "pairs: item 'a' is Model('product'"),
    ],
)
def test_what_is_no_pair_is_answered_with_what_there_should_be(given, message):
    refused(lambda: eqprop.run(given), message)


@pytest.mark.parametrize(
    ("listener", "message"), [(3, "on_progress is 3 (int)"), (lambda: None, "cannot be called with")]
)
def test_a_listener_is_a_function_of_progress(listener, message):
    refused(lambda: eqprop.run(pair(), on_progress=listener), message)


def broken(**other: Any) -> eqprop.Pair:
    return pair(**other).replaced(model=eqprop.Model(lambda p, x: p * p * x, np.ones(2), np.ones(2), name="square"))


PREMISE: dict[str, Any] = {"profile": "quick", "properties": "equivariance"}


@pytest.mark.parametrize("name", ["a/b/../c", "n" * 400, "θ → x", "..", "CON", "-"])
def test_a_counterexample_is_saved_whatever_its_pair_is_called(name, tmp_path):
    (verdict,) = eqprop.run(broken(name=name), save=str(tmp_path / "found"), **PREMISE).verdicts
    assert verdict.outcome is eqprop.Outcome.FALSIFIED
    (file,) = (tmp_path / "found").iterdir()
    assert verdict.counterexample is not None
    assert verdict.counterexample.file == str(file)
    assert file.name.isascii()
    assert len(file.name) < 150
    assert recipe_in(file)["pair"] == name


@pytest.mark.parametrize("save", ["a\0b", "x" * 300, "file/below", "/dev/null/found", "\udcff"])
def test_a_folder_that_the_system_refuses_loses_only_the_file(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    (verdict,) = eqprop.run(broken(), save=save, **PREMISE).verdicts
    assert verdict.outcome is eqprop.Outcome.FALSIFIED
    if save != "\udcff":  # which is a name for bytes where the locale has no characters for them
        assert "not saved: " in str(verdict.counterexample)


def test_a_folder_is_a_text_or_a_path_and_may_be_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_of("found") == folder_of(Path("found")) == Path("found")
    assert folder_of("~/found") == tmp_path / "found"
    assert folder_of(None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "which are JSON in UTF-8"),
        (b"{}", "it lacks target, subject, pair"),
        (b"[1]", "it holds [1]"),
        (b"3", "is no counterexample file of eqprop: it holds 3"),
        (b"model = 3", "is no counterexample file of eqprop: JSONDecodeError"),
        ("shape", "the shape of params, . does not fit its values"),
    ],
)
def test_a_file_that_is_no_counterexample_says_why(text, message, tmp_path):
    file = tmp_path / "file.json"
    if text == "shape":
        leaf = {"values": [1.0], "shape": [2]}
        known = ("target", "subject", "pair", "property", "loss", "precision", "structure")
        text = json.dumps({**dict.fromkeys(known, ""), "probe": {"params": {".": leaf}}}).encode()
    if text is not None:
        file.write_bytes(text)
    refused(lambda: recipe_in(file), message)


NUMBERS: dict[str, Any] = {"params": np.ones(2), "inputs": np.ones(2), "element": np.array([1, -1])}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: eqprop.check("relu-rescaling", "equivariance"), "check: pair is 'relu-rescaling' (str)"),
        (lambda: eqprop.check("equivariance", pair()), "check: pair is 'equivariance' (str); expected an eqprop.Pair"),
        (lambda: eqprop.check(pair(), 3), "no property is called 3"),
        (
            lambda: eqprop.check(pair(), "equivariant"),
            "no property is called 'equivariant'. Did you mean equivariance or near-equivariance or",
        ),
        (lambda: eqprop.check(pair(), "equivariance", precision="f64", **NUMBERS), "check: precision is 'f64'"),
        (lambda: eqprop.check(pair(), "equivariance"), "missing: element, inputs, params"),
        (lambda: eqprop.check(pair(), "equivariance", theta=3, **NUMBERS), "unknown: theta"),
        (lambda: eqprop.check(pair(), "equivariance", **{**NUMBERS, "element": "g"}), "element, .: got 'g' (str)"),
        (lambda: eqprop.check(pair(), "equivariance", **{**NUMBERS, "element": [0.5, 1]}), "expected whole numbers of"),
        (lambda: eqprop.check(pair(), "equivariance", **{**NUMBERS, "inputs": [[1], [1, 2]]}), "expected real numbers"),
        (
            lambda: eqprop.check(pair(), "equivariance", **{**NUMBERS, "params": np.ones(2) * 1j}),
            "expected real numbers",
        ),
        (lambda: eqprop.check(pair(), "equivariance", **{**NUMBERS, "params": np.ones(3)}), "the shape is (3,)"),
        (lambda: eqprop.load(3), "load: target is 3 (int)"),
        (lambda: eqprop.load(None), "load: target is None"),
        (lambda: eqprop.load("catalog"), "'catalog' has several pairs; name one of them. It has"),
        (lambda: eqprop.load("relu-rescaling", "other"), "has no pair called 'other'. They are: relu-rescaling"),
        (lambda: eqprop.load("relu-rescaling", structure=3), "load: structure is 3 (int)"),
        (lambda: eqprop.load("relu-rescaling", structure="1.0:AA"), "it was drawn with hypothesis 1.0, "),
        (lambda: eqprop.entry(3), "the catalog has no entry 3"),
        (lambda: eqprop.entry("relu-rescalin"), "Did you mean relu-rescaling"),
        (lambda: eqprop.check_entry(pair()), "the catalog has no entry Pair("),
        (lambda: eqprop.check_entry("relu-rescaling", mutants=3), "mutants is 3 (int); expected names of its mutants"),
        (lambda: eqprop.check_entry("relu-rescaling", mutants=["nope"]), "has no mutant 'nope'; its mutants are"),
        (lambda: eqprop.check_entry("relu-rescaling", seed="1"), "the seed is '1'"),
    ],
)
def test_a_call_with_the_wrong_arguments_is_answered_before_anything_is_searched(call, message):
    refused(call, message)


def strategy() -> Any:
    from hypothesis import strategies as st

    return st.just(pair())


def raising() -> Any:
    msg = "no data"
    raise ValueError(msg)


@pytest.mark.parametrize(
    ("said", "build", "message"),
    [
        ({"mutants": ["x"]}, strategy, "catalog entry 'a': mutants has 'x' (str) in it; expected mutants"),
        ({"mutants": 3}, strategy, "mutants has 3 (int) in it"),
        ({"mutants": None}, strategy, "mutants has None in it"),
        ({"control": True}, strategy, "catalog entry 'a': control is True (bool); expected a text"),
        ({"control": "c", "reference": 3}, strategy, "reference is 3 (int); expected a text"),
        ({"control": "c", "hypotheses": 3}, strategy, "hypotheses has 3 (int) in it; expected texts"),
        ({"control": "c"}, raising, "raising raised ValueError: no data (tests/runs/test_asking.py:"),
        ({"control": "c"}, 3, "should be a function without arguments that returns a strategy"),
        ({"control": "c"}, pair, "but it returns Pair('product/signs'). Decorate a function of draw"),
        ({"control": "c"}, lambda n: strategy(), "missing a required argument: 'n'"),
    ],
)
def test_an_entry_that_is_registered_wrongly_is_refused(said, build, message, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    with isolated():
        refused(lambda: register(**{"name": "a", "reference": "r", **said})(build), message)


def test_a_single_mutant_and_a_single_hypothesis_are_lists_of_one():
    with isolated():
        register(name="a", reference="r", mutants=forgets("w"), hypotheses="c > 0")(strategy)
        from eqprop.registry import _state

        assert _state.entries["a"].mutants[0].name == "forgets-w"
        assert _state.entries["a"].hypotheses == ("c > 0",)
