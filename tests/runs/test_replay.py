"""From a saved file or from names and numbers back to a verdict."""

from __future__ import annotations

import itertools
import json
import sys
from functools import partial
from pathlib import Path
from textwrap import dedent

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups, registry
from eqprop.counterexamples import saving
from eqprop.counterexamples.reading import TEXTS
from eqprop.evaluation import Program
from eqprop.results import Answer, Outcome
from eqprop.runs import replay, replaying
from eqprop.runs.targets import resolve

NUMBERS = itertools.count()
NET = """
    import jax, numpy as np, eqprop
    from eqprop import groups

    def apply(p, x):
        return jax.nn.relu(x @ p["w"]) @ p["v"]

    model = eqprop.Model(apply, {"v": np.ones((2, 1)), "w": np.ones((1, 2))}, np.ones((1, 1)))
    pair = eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(2), writes={"w": 1}, reads=READS), name="net")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a version of a module of a name of its own; returns that name."""
    name = f"replayed_nets_{next(NUMBERS)}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(reads):
        (tmp_path / f"{name}.py").write_text(dedent(NET).replace("READS", reads))
        sys.modules.pop(name, None)
        return name

    yield write
    sys.modules.pop(name, None)


def saved(tmp_path, target):
    (verdict,) = eqprop.run(resolve(target), properties=["equivariance"], save=tmp_path / "found").verdicts
    return verdict.counterexample.file


def test_a_saved_failure_is_falsified_until_it_is_mended(module, tmp_path):
    target = f"{module('{}')}:pair"
    file = saved(tmp_path, target)
    again = replay(file)
    assert (again.answer, again.exit_code) == (Answer.STILL_FAILS, 1)
    assert again.verdict.counterexample is not None
    module('{"v": 0}')
    assert (replay(file).answer, replay(file).exit_code) == (Answer.FIXED, 0)


def test_a_saved_failure_of_a_mutant_of_the_catalog_is_replayed(module, tmp_path):
    assert replay(saved(tmp_path, "catalog:relu-rescaling[forgets-w-out]")).answer is Answer.STILL_FAILS


def test_a_file_whose_pair_is_gone_says_so(module, tmp_path):
    target = f"{module('{}')}:pair"
    file = saved(tmp_path, target)
    recipe = json.loads(Path(file).read_text(encoding="utf-8"))
    (tmp_path / "other.json").write_text(json.dumps(recipe | {"subject": "another"}))
    assert_cannot_run(tmp_path / "other.json", "has no pair called 'another'. They are: net")


REGISTERED = """
    from hypothesis import strategies as st
    from eqprop import mutants

    @eqprop.register(name="NAME", reference="the test", mutants=[mutants.forgets("v")])
    def mine():
        return st.just(pair)
"""


@pytest.fixture
def registering(module, tmp_path):
    """A module that registers an entry, whose claim is wrong, at each of its imports; and what forgets that entry."""
    name = module("{}")
    entry = name.replace("_", "-")
    text = dedent(NET).replace("READS", "{}") + dedent(REGISTERED).replace("NAME", entry)
    (tmp_path / f"{name}.py").write_text(text)

    def forgotten():
        sys.modules.pop(name, None)
        registry._state.entries.pop(entry, None)

    yield name, entry, forgotten
    forgotten()


def test_the_failure_of_an_entry_of_ones_own_is_replayed_by_a_process_that_does_not_know_the_entry(
    registering, tmp_path
):
    name, _, forgotten = registering
    file = saved(tmp_path, f"{name}:mine")
    forgotten()
    assert replay(file).answer is Answer.STILL_FAILS


def test_the_failure_of_an_entry_that_was_asked_for_by_its_name_says_where_entries_of_ones_own_are_found(
    registering, tmp_path
):
    name, entry, forgotten = registering
    resolve(f"{name}:mine")
    file = saved(tmp_path, f"catalog:{entry}")
    assert replay(file).answer is Answer.STILL_FAILS
    forgotten()
    found = replay(file)
    assert found.answer is Answer.CANNOT_RUN
    assert f"no entry '{entry}'" in found.reason
    assert "registers is found as package.module:attribute, its function" in found.reason


def test_a_file_whose_parameters_are_others_today_says_so(module, tmp_path):
    file = saved(tmp_path, f"{module('{}')}:pair")
    recipe = json.loads(Path(file).read_text(encoding="utf-8"))
    recipe["probe"]["params"] = {}
    (tmp_path / "other.json").write_text(json.dumps(recipe))
    assert_cannot_run(tmp_path / "other.json", "params: the paths are []; expected")


def test_a_file_says_what_was_claimed_and_with_which_versions_it_was_found(module, tmp_path):
    recipe = json.loads(Path(saved(tmp_path, f"{module('{}')}:pair")).read_text(encoding="utf-8"))
    assert recipe["versions"].keys() == {"python", "eqprop", "hypothesis", "jax", "jaxlib", "numpy"}
    assert recipe["claim"]["formula"]
    assert recipe["seed"] == 0


def test_a_pair_that_was_not_drawn_is_replayed_with_any_version_of_hypothesis(module, tmp_path):
    file = Path(saved(tmp_path, f"{module('{}')}:pair"))
    recipe = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(recipe | {"structure": "0.0.1:AAAA"}))
    assert replay(file).answer is Answer.STILL_FAILS


def test_many_numbers_lie_beside_the_file(module, tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "MOST_IN_JSON", 1)
    file = Path(saved(tmp_path, f"{module('{}')}:pair"))
    assert "npz" in file.read_text(encoding="utf-8")
    assert replay(file).answer is Answer.STILL_FAILS
    file.with_suffix(".npz").write_bytes(b"PK, and nothing else")
    assert_cannot_run(file, "is no counterexample file of eqprop")
    file.with_suffix(".npz").unlink()
    assert_cannot_run(file, "is no counterexample file of eqprop")


def test_nothing_beside_a_file_is_unpickled(module, tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "MOST_IN_JSON", 1)
    file = Path(saved(tmp_path, f"{module('{}')}:pair"))
    names = np.load(file.with_suffix(".npz")).files
    np.savez(file.with_suffix(".npz"), **dict.fromkeys(names, np.array([print], dtype=object)))
    assert_cannot_run(file, "allow_pickle=False")


def assert_cannot_run(file: Path, reason: str) -> None:
    found = replay(file)
    assert (found.answer, found.exit_code) == (Answer.CANNOT_RUN, 2)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "is no counterexample file of eqprop"),
        ("{}", "is no counterexample file of eqprop"),
        ('{"target": "", "probe": {}}', "is no counterexample file of eqprop: it lacks subject, pair, property"),
        (
            json.dumps({**dict.fromkeys((*TEXTS, "probe"), ""), "probe": {}, "pair": "net"}),
            "was passed as a Python object",
        ),
    ],
)
def test_a_file_that_is_no_counterexample_is_refused(text, message, tmp_path):
    (tmp_path / "file.json").write_text(text)
    assert_cannot_run(tmp_path / "file.json", message)


def test_a_missing_file_is_named(tmp_path):
    assert_cannot_run(tmp_path / "nowhere.json", "nowhere.json' cannot be read: No such file")


def test_a_structure_of_another_strategy_is_refused():
    with pytest.raises(eqprop.InvalidInput, match="Verify again to find it anew"):
        eqprop.load("catalog:relu-rescaling", structure="0.0.1:AAAA")


# -- check ------------------------------------------------------------------------------------------------------------


def doubled(p, x):
    return x @ p["w"] @ p["v"]


def linear():
    params = {"v": np.ones((2, 1)), "w": np.ones((1, 2))}
    scaling = eqprop.hidden_units(groups.Scaling(2), writes={"w": 1}, reads={"v": 0})
    return eqprop.Pair(eqprop.Model(doubled, params, np.ones((1, 1))), scaling, name="linear")


GOOD = {"params": {"v": [[1.0], [2]], "w": [[3.0, 4]]}, "inputs": [[1.0]], "element": [2.0, 3]}


def test_check_says_that_a_property_holds_at_the_given_numbers():
    verdict = eqprop.check(linear(), "equivariance", **GOOD)
    assert verdict.outcome is Outcome.HOLDS
    assert verdict.counterexample is None


@pytest.mark.parametrize(("evaluator", "cleared"), [("numpy", 0), ("xla", 1)])
def test_check_does_not_take_rounding_inside_the_program_for_a_violation(absorbing, evaluator, cleared, monkeypatch):
    """Compiled, some 1e4 floors of 63 perturbed copies; walked, copies round inside from the start."""
    monkeypatch.setattr(replaying, "Program", partial(Program, evaluator=evaluator))
    numbers = {"params": {"a": [0.3], "w": np.array([1.1, 1.3, 1.7])}, "inputs": np.ones(3)}
    verdict = eqprop.check(absorbing, "equivariance", **numbers, element=[1, 2, 0])
    assert verdict.outcome is Outcome.HOLDS
    assert verdict.floors < 1
    assert verdict.to_record()["cleared"] == cleared


def test_what_the_compiled_program_does_not_violate_is_inconclusive_in_a_check_as_in_a_search(disputing):
    forgetful = eqprop.hidden_units(groups.Scaling(2), writes={"w": 1})
    pair = linear().replaced(transformation=forgetful)
    (searched,) = eqprop.run(pair, properties=["equivariance"]).verdicts
    checked = eqprop.check(pair, "equivariance", **GOOD)
    assert checked.outcome is searched.outcome is Outcome.INCONCLUSIVE
    assert checked.reason == searched.reason
    assert "the compiled program does not" in checked.reason


def test_check_and_search_mean_the_same_by_an_empty_statement():
    bent = eqprop.Model(lambda p, x: p["w"] * x, {"w": np.ones(2)}, np.ones(1), loss=jnp.sum, trained=False)
    pair = eqprop.Pair(bent, eqprop.Transformation(groups.Permutation(2), lambda s, p: {"w": p["w"][s]}))
    (searched,) = eqprop.run(pair, properties=["gauss-newton-covariance"]).verdicts
    fields = {"params": {"w": [1.0, 2.0]}, "inputs": [3.0], "element": [1, 0]}
    fields |= {"tangent": {"w": [1.0, 0.5]}, "targets": [0.0, 0.0]}
    checked = eqprop.check(pair, "gauss-newton-covariance", **fields)
    assert checked.outcome is searched.outcome is Outcome.NOT_APPLICABLE
    assert checked.reason == searched.reason


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"element": None}, "missing: element"),
        ({"tangents": 1}, "unknown: tangents"),
        ({"element": [1.0]}, r"element, \.: the shape is \(1,\); expected \(2,\)"),
        ({"params": {"w": [[3.0, 4]]}}, r"params: the paths are \['w'\]; expected \['v', 'w'\]"),
    ],
)
def test_check_names_what_does_not_fit(changed, message):
    numbers = {k: v for k, v in {**GOOD, **changed}.items() if v is not None}
    with pytest.raises(eqprop.InvalidInput, match=message):
        eqprop.check(linear(), "equivariance", **numbers)


def of_parts(p, x):
    return {"y": x[0] @ p["layer"]["w"] @ p["layer"]["v"] * x[1]["gain"]}


def nested():
    params = {"layer": {"v": np.ones((2, 1)), "w": np.ones((1, 2))}}
    scaling = eqprop.hidden_units(groups.Scaling(2), writes={"layer/w": 1}, reads={"layer/v": 0})
    return eqprop.Pair(eqprop.Model(of_parts, params, (np.ones((1, 1)), {"gain": np.ones(())})), scaling, name="nested")


OF_PARTS = {
    "params": {"layer": {"v": [[1.0], [2]], "w": [[3.0, 4]]}},
    "inputs": ([[1.0]], {"gain": 2.0}),
    "element": [2.0, 3],
}


@pytest.mark.parametrize(
    "given",
    [
        OF_PARTS,
        {**OF_PARTS, "inputs": {"0": [[1.0]], "1/gain": 2.0}},
        {**OF_PARTS, "params": {"layer/v": [[1.0], [2]], "layer/w": [[3.0, 4]]}},
    ],
    ids=["trees", "inputs by paths", "params by paths"],
)
def test_check_takes_numbers_as_the_model_does_or_by_their_paths(given):
    assert eqprop.check(nested(), "equivariance", **given).outcome is Outcome.HOLDS


def test_check_takes_a_list_for_a_tuple_of_arrays():
    pair = nested()
    flat = pair.replaced(
        model=eqprop.Model(
            lambda p, x: of_parts(p, (x[0], {"gain": x[1]})), pair.model.params, (np.ones((1, 1)), np.ones(()))
        )
    )
    numbers = {**OF_PARTS, "inputs": [[[1.0]], 2.0]}
    assert eqprop.check(flat, "equivariance", **numbers).outcome is Outcome.HOLDS


def test_check_says_which_tree_the_model_takes():
    with pytest.raises(eqprop.InvalidInput, match=r"paths are \['0'\]; expected .*, or a tree .*\(Ellipsis, {'gain'"):
        eqprop.check(nested(), "equivariance", **{**OF_PARTS, "inputs": ([[1.0]],)})


OUTSIDE = [
    (groups.Scaling(2), np.array([1.0, -1.0]), "factors above 0"),
    (groups.Scaling(2), np.array([1.0, np.nan]), "factors above 0"),
    (groups.ComplexScaling(1), np.zeros((1, 2)), "complex factors other than 0"),
    (groups.Permutation(3), np.array([0, 0, 2]), "each place from 0 to 2 once"),
    (groups.Sign(2), np.array([1, 2], np.int32), "signs, each 1 or -1"),
    (groups.SignedPermutation(2), (np.array([1, 1]), np.array([1, 1], np.int32)), "each place from 0 to 1 once"),
    (groups.Monomial(2), (np.array([1, 0]), np.zeros(2)), "factors above 0"),
    (groups.Cyclic(4), np.array(4, np.int32), "a whole number from 0 to 3"),
    (groups.Dihedral(4), (np.array(1, np.int32), np.array(0, np.int32)), "a whole number from 0 to 3, and 1 or -1"),
    (groups.Rotation(2), np.diag([1.0, -1.0]), "a rotation, of determinant 1"),
    (groups.Orthogonal(2), np.diag([1.0, 2.0]), "an orthogonal matrix"),
    (groups.FixingOnes(2), np.diag([1.0, -1.0]), "an orthogonal matrix, AᵀA = 1, of which each row sums to 1"),
    (groups.FixingOnes(2), np.array([[2.0, -1.0], [-1.0, 2.0]]), "an orthogonal matrix"),
    (groups.GeneralLinear(2), np.ones((2, 2)), "an invertible matrix"),
    (groups.ComplexLinear(2), np.ones((2, 2, 2)), "real and imaginary part of an invertible complex matrix"),
    (groups.ComplexLinear(1, "halves"), np.array([[[np.inf]], [[0.0]]]), "real and imaginary part of an invertible"),
    (groups.Integers(2), np.array([1.0, 0.5]), "whole numbers"),
    (groups.Integers(1), np.array([np.nan]), "whole numbers"),
    (groups.Product(groups.Scaling(1), groups.Sign(1)), (np.ones(1), np.zeros(1, np.int32)), "signs"),
    (groups.Power(groups.Scaling(1), 2), np.array([[1.0], [0.0]]), "factors above 0"),
]


@pytest.mark.parametrize(("group", "element", "expected"), OUTSIDE, ids=lambda value: str(value)[:30])
def test_a_group_knows_what_is_none_of_its_elements(group, element, expected):
    assert group.expected(element).startswith(expected)
    rng = np.random.default_rng(0)
    assert {group.expected(group.sample(rng, reach)) for reach in np.linspace(0.05, 1, 20)} == {""}
    assert {group.expected(one) for one in [group.identity(), *group.simple()]} == {""}


def test_check_refuses_an_element_that_is_none_of_its_group():
    """Correct models are not equivariant under it: that would be a false alarm."""
    numbers = {**GOOD, "element": [2.0, -3.0]}
    message = r"element: array\(\[ 2., -3.\]\) is no element of Scaling\(n=2\); expected factors above 0"
    with pytest.raises(eqprop.InvalidInput, match=message):
        eqprop.check(linear(), "equivariance", **numbers)


def test_check_names_the_losses():
    with pytest.raises(eqprop.InvalidInput, match="no loss is called 'hinge'; the losses are: squared error"):
        eqprop.check(linear(), "noether", loss="hinge", **GOOD)
