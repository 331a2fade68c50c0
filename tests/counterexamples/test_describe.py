"""Counterexamples: they fit a screen, their code runs, their numbers are the probe's."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.counterexamples import pycode, saving
from eqprop.profiles import PROFILES
from eqprop.properties import by_name
from eqprop.results import Counterexample
from eqprop.runs.targets import resolve
from eqprop.search import Options, Search

SCREEN_WIDTH, SCREEN_HEIGHT = 100, 40


@pytest.fixture(autouse=True)
def _storage(tmp_path, monkeypatch):
    """An example database of the test's own."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))


def found_in(target, name, **options):
    (task,) = resolve(target)
    few = replace(PROFILES["gate"], architectures=2)  # drawn from as many examples, the random seeds the same
    search = Search(task, Options(few, properties=(by_name(name),), **options))
    search.explore()
    return search.counterexample(by_name(name))


def net(p, x):
    return jax.nn.relu(x @ p["w"]) @ p["v"]


def test_a_package_that_was_not_installed_has_no_version_and_hides_no_counterexample(monkeypatch: pytest.MonkeyPatch):
    """A checkout on the path, say."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(saving, "version", missing)
    assert set(saving.versions().values()) == {"not installed", platform.python_version()}


def pair_of(inputs=2, hidden=3, **model):
    rng = np.random.default_rng(0)
    params = {"v": rng.standard_normal((hidden, 2)), "w": rng.standard_normal((inputs, hidden))}
    forgetful = eqprop.hidden_units(groups.Scaling(hidden), writes={"w": 1})
    return eqprop.Pair(eqprop.Model(net, params, np.ones((1, inputs)), **model), forgetful, name="net")


def counterexample_of(pair, name="equivariance", **options):
    return eqprop.run(pair, properties=[name], **options).verdicts[0].counterexample


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("catalog:relu-rescaling[forgets-w-out]", "equivariance"),
        ("catalog:linear-gl[stops-w-out]", "jacobian-generator"),
        ("catalog:sigmoid-mirror[stops-b-out]", "gradient-covariance"),
    ],
)
def test_the_printed_code_of_a_mutant_of_the_catalog_falsifies_again(target, name):
    found = found_in(target, name)
    with pytest.raises(eqprop.Falsified, match=name) as caught:
        exec(found.code, {})
    (verdict,) = caught.value.report.verdicts
    assert verdict.counterexample.leaf == found.leaf
    assert (verdict.counterexample.lhs, verdict.counterexample.rhs) == pytest.approx((found.lhs, found.rhs))
    lines = str(found).splitlines()
    assert len(lines) <= SCREEN_HEIGHT
    assert max(len(line) for line in lines[:-1]) <= SCREEN_WIDTH  # the last is a command, to be copied whole
    assert f"replay    eqprop verify '{target}' --property {name}" in str(found)


def test_a_counterexample_that_cannot_be_saved_is_shown_all_the_same(tmp_path):
    (tmp_path / "taken").write_text("a file, where a folder should be")
    found = counterexample_of(pair_of(), save=tmp_path / "taken")
    assert not found.file
    assert "not saved: " in str(found)
    assert "Not a directory" in str(found) or "File exists" in str(found)


def test_the_code_for_a_pair_that_was_passed_runs_once_the_pair_is_named():
    pair = pair_of()
    code = counterexample_of(pair).code
    assert "pair = ...  # net, as it was passed to eqprop" in code
    with pytest.raises(eqprop.Falsified, match="equivariance"):
        exec(code.replace("pair = ...", "pair = the_pair"), {"the_pair": pair})


def test_integer_inputs_are_printed_and_read_in_their_own_type():
    def apply(p, x):
        return p["e"][x] @ p["v"]

    params = {"e": np.ones((3, 2)), "v": np.ones((2, 1))}
    forgetful = eqprop.hidden_units(groups.Scaling(2), writes={"e": 1})
    pair = eqprop.Pair(eqprop.Model(apply, params, np.array([0, 2], np.uint32)), forgetful, name="tokens")
    with pytest.raises(eqprop.Falsified, match="equivariance"):
        exec(counterexample_of(pair).code.replace("pair = ...", "pair = the_pair"), {"the_pair": pair})


def test_of_large_tensors_only_the_numbers_that_are_not_zero_are_printed():
    found = counterexample_of(pair_of(inputs=40))
    assert re.search(r"^    params\['w'\]\[\d+, \d\] = ", str(found), re.MULTILINE)
    assert "'w': zeros((40, 3))" in found.code
    assert re.fullmatch(r"\d+ of 169 numbers made zero", found.shrunk)
    assert len(str(found).splitlines()) <= SCREEN_HEIGHT


def test_probes_of_many_numbers_point_to_their_file(tmp_path):
    wide = pair_of(hidden=150)  # a scaling has no zeros
    assert "pass save= (a folder) to keep them" in counterexample_of(wide).code
    found = counterexample_of(wide, save=tmp_path)
    assert f"numbers are in {found.file}" in found.code
    assert json.loads((tmp_path / found.file).read_text())["property"] == "equivariance"


def test_a_right_action_that_is_declared_left_is_told_so():
    def permuted(s, p):
        return {"w": p["w"][:, s], "v": p["v"][s]}

    permutation = eqprop.Transformation(groups.Permutation(3), on_params=permuted)
    pair = pair_of().replaced(transformation=permutation)
    assert "the law holds as a right action: declare side='right'" in str(counterexample_of(pair, "group-laws"))


def test_what_is_no_action_at_all_is_not_called_a_right_action():
    def shifted(a, p):
        return {**p, "w": p["w"] + jnp.broadcast_to(a, p["w"].shape)}

    pair = pair_of().replaced(transformation=eqprop.Transformation(groups.Scaling(3), on_params=shifted))
    assert "note" not in str(counterexample_of(pair, "group-laws"))


def test_an_action_that_composes_neither_way_round_is_given_no_other_side():
    """At the shrunk point, where one of its tensors is zero, it composes the other way round."""

    def half_inverted(s, p):
        return {"w": p["w"][:, s], "v": p["v"][jnp.argsort(s)]}

    for side in ("left", "right"):
        permutation = eqprop.Transformation(groups.Permutation(5), on_params=half_inverted, side=side)
        pair = pair_of(hidden=5).replaced(transformation=permutation)
        assert "note" not in str(counterexample_of(pair, "group-laws"))


def test_a_low_precision_inside_the_model_is_noted():
    def apply(p, x):
        return net(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), p), x.astype(jnp.float32))

    pair = pair_of().replaced(model=eqprop.Model(apply, pair_of().model.params, np.ones((1, 2))))
    assert "computes in float32" in str(counterexample_of(pair))


def by_conjugate_gradients(d, b):
    return jax.scipy.sparse.linalg.cg(lambda v: d * v, b)[0]


def in_nine_steps(d, b):
    return jax.lax.fori_loop(0, 9, lambda _, v: v + (b - d * v) / (2 + d), b)


@pytest.mark.parametrize(
    ("solved", "error", "noted"),
    [(by_conjugate_gradients, 1e-6, True), (by_conjugate_gradients, 1.0, False), (in_nine_steps, 1e-6, False)],
)
def test_a_loop_to_a_tolerance_is_noted_where_it_may_be_to_blame(solved, error, noted):
    def apply(p, x):
        return solved(jnp.full((1, 3), 2.0), jax.nn.relu(x @ p["w"])) @ p["v"]

    def act(a, p):
        return {"w": a[None, :] * p["w"], "v": (1 + error) * p["v"] / a[:, None]}

    model = eqprop.Model(apply, pair_of().model.params, np.ones((1, 2)))
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Scaling(3), act), name="net")
    assert ("while_loop" in str(counterexample_of(pair))) == noted


def turned(angle, p):
    turn = jax.scipy.linalg.expm(angle[0] * jnp.array([[0.0, -1.0], [1.0, 0.0]]))
    return {"w": p["w"] @ turn.T, "v": turn @ p["v"]}


def test_an_exponential_that_is_coarse_for_some_arguments_is_noted():
    model = eqprop.Model(lambda p, x: x @ p["w"] @ p["v"], pair_of(hidden=2).model.params, np.ones((1, 2)))
    turns = eqprop.Transformation(groups.Translation(1), turned)
    found = str(counterexample_of(eqprop.Pair(model, turns, name="net"), "group-laws"))
    assert "jax.scipy.linalg.expm is called, which halves its argument once too little" in found


def test_a_counterexample_survives_json():
    found = counterexample_of(pair_of())
    again = Counterexample.from_record(json.loads(json.dumps(found.to_record())))
    assert str(again) == str(found)


# -- code -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.array(2.0),
        np.array([1.0, -0.5]),
        np.array([[1, 2]], dtype=np.int32),
        np.array([True, False]),
        np.zeros((0, 3)),
        np.array([np.nan, np.inf, -np.inf, 1e-300, 0.1]),
        np.arange(60.0).reshape(3, 20) / 7,
    ],
)
def test_arrays_are_printed_as_code_that_rebuilds_them(values):
    lines = pycode.assigned("x", {".": values}, "a comment")
    assert max(map(len, lines)) <= pycode.WIDTH + len("  # a comment")
    names = {}
    exec("\n".join([pycode.imports(lines), *lines]), names)
    np.testing.assert_array_equal(names["x"], values)


@pytest.mark.parametrize("shape", [(20,), (4, 5), (2, 3, 4)])
def test_sparse_arrays_are_printed_as_code_that_rebuilds_them(shape):
    sparse = np.zeros(shape)
    sparse.flat[[0, 7, -1]] = 0.1, 2.0, -3.0
    sparse.flat[5] = 2.0
    for leaves in ({".": sparse}, {"w": sparse, "b": np.ones(2)}):
        lines = pycode.assigned("x", leaves, "x")
        assert all("zeros" in line or "array" in line or line.startswith(("x[", "}", "x = {")) for line in lines)
        scope = {}
        exec("\n".join([pycode.imports(lines), *lines]), scope)
        np.testing.assert_array_equal(scope["x"] if "." in leaves else scope["x"]["w"], sparse)


def test_trees_get_a_line_for_each_leaf_once_they_are_long():
    short = pycode.assigned("p", {"a": np.array([1.0]), "b": np.array([2.0])}, "θ")
    assert short == ["p = {'a': array([1.]), 'b': array([2.])}  # θ"]
    long = pycode.assigned("p", {"a": np.arange(30.0), "b": np.array([2.0])}, "θ")
    names = {}
    exec("\n".join(["from numpy import array", *long]), names)
    np.testing.assert_array_equal(names["p"]["a"], np.arange(30.0))


def test_long_texts_are_broken_and_joined_again():
    blob = "6.170.15:" + "A" * 300
    lines = pycode.call("f", [f"structure={pycode.text(blob)}"])
    assert max(len(line) for line in "\n".join(lines).splitlines()) <= pycode.WIDTH
    assert eval("\n".join(lines), {"f": lambda structure: structure}) == blob
