"""The ledger of a project, by pytest and by the command line: what vanishes turns a run red."""

from __future__ import annotations

import json
import sys
from textwrap import dedent

import pytest

from eqprop.faces.cli import main

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply, group=groups.Scaling(1)):
        moved = eqprop.Transformation(group, on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), moved, name=name)

    first = pair("first", lambda p, x: x * p)
    second = pair("second", lambda p, x: x * x * p)
    both = [first, second]
"""
TEST = """
    import eqprop, nets

    @eqprop.parametrize(nets.first, properties=["equivariance"])
    def test_first(case):
        case.verify()
"""
PROJECT = """
    [tool.eqprop]
    targets = ["nets:both"]
    properties = ["equivariance", "noether"]
    unseen = false
    max_architectures = 1
    probes = 8
"""
LEDGER = {
    "nets:both": {"first": ["equivariance", "noether"], "second": ["equivariance", "noether"]},
    "test_nets.py::test_first": {"first": ["equivariance"]},
}


@pytest.fixture
def project(folder, monkeypatch):
    """A project with two pairs, a decorated test, and a ledger of both."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (folder / "test_nets.py").write_text(dedent(TEST))
    (folder / "eqprop-ledger.json").write_text(json.dumps({"format": 1, "settings": {}, "cells": LEDGER}))
    return folder


@pytest.fixture
def run(project, run_here):
    return run_here


@pytest.fixture
def command(project, capsys):
    """The command line: exit code and output."""

    def call(*arguments: str):
        sys.modules.pop("nets", None)
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(arguments)
        return left.value.code, "".join(capsys.readouterr())

    return call


def change(project, file: str, old: str, new: str) -> None:
    path = project / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_run_that_fills_its_ledger_is_green(run, command):
    run().assert_outcomes(passed=5)
    code, said = command("verify", "--ledger", "--jobs", "1")
    assert (code, "2 pairs: 4 holds" in said) == (0, True), said


GONE = [
    pytest.param("pyproject.toml", '["nets:both"]', "[]", 4, id="no targets"),
    pytest.param("pyproject.toml", '["nets:both"]', '["nets:first"]', 2, id="another target", marks=pytest.mark.slow),
    pytest.param("nets.py", "both = [first, second]", "both = [first]", 2, id="a pair"),
    pytest.param("pyproject.toml", ', "noether"', "", 2, id="a property", marks=pytest.mark.slow),
    pytest.param("nets.py", "x * x * p)", "x * x * p, group=groups.Sign(1))", 1, id="no longer applicable"),
]


@pytest.mark.parametrize(("file", "old", "new", "count"), GONE)
def test_a_cell_that_vanishes_is_a_failure(project, run, command, file, old, new, count):
    change(project, file, old, new)
    result = run()
    assert result.parseoutcomes()["failed"] == count
    result.stdout.fnmatch_lines(["missing ?EQ30??: *: expected, *"])
    code, said = command("verify", "--ledger", "--jobs", "1")
    assert (code, f"{count} missing" in said) == (1, True), said


def test_what_vanishes_is_a_failure_of_one_worker(project, run):
    (project / "test_nets.py").write_text("def test_other(): pass")
    change(project, "nets.py", "both = [first, second]", "both = [first]")
    result = run("-n", "2")
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(["FAILED eqprop::second::noether - missing *"])


def test_a_decorated_test_that_vanishes_is_a_failure(project, run):
    (project / "test_nets.py").write_text("def test_other(): pass")
    result = run()
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["FAILED eqprop::test_nets.py::test_first::first::equivariance - missing *"])


def test_a_table_that_vanishes_is_a_failure(project, run):
    (project / "pyproject.toml").write_text("")
    run().assert_outcomes(passed=1, failed=4)


def test_who_asks_for_less_misses_nothing(project, run, command):
    change(project, "nets.py", "both = [first, second]", "both = [first]")
    run("test_nets.py").assert_outcomes(passed=1)
    run("-k", "first and noether").assert_outcomes(passed=1)
    run("--eqprop-property", "equivariance", "--eqprop", "nets:first").assert_outcomes(passed=2)
    assert command("verify", "--ledger", "--match", "first", "--jobs", "1")[0] == 0
    assert command("verify", "nets:first", "--property", "noether", "--jobs", "1")[0] == 0


def test_other_architectures_are_not_held_to_what_applies(project, run, command):
    change(project, "nets.py", "x * x * p)", "x * x * p, group=groups.Sign(1))")
    run("--eqprop-seed", "5").assert_outcomes(passed=4, skipped=1)
    assert command("verify", "--ledger", "--seed", "5", "--jobs", "1")[0] == 0
    change(project, "nets.py", "both = [first, second]", "both = [first]")
    run("--eqprop-seed", "5").assert_outcomes(passed=3, failed=2)
    code, said = command("verify", "--ledger", "--seed", "5", "--jobs", "1")
    assert (code, "2 missing" in said) == (1, True), said


@pytest.mark.slow
def test_a_profile_that_asks_for_less_misses_nothing(project, run, command):
    change(project, "pyproject.toml", 'properties = ["equivariance", "noether"]\n', "")
    ledger = project / "eqprop-ledger.json"
    kept = json.loads(ledger.read_text())
    kept["cells"]["nets:both"]["first"].append("training-run")
    ledger.write_text(json.dumps(kept))
    assert run("--eqprop-profile", "quick", "-k", "training").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert command("verify", "--ledger", "--profile", "quick", "--jobs", "1")[0] == 0


def test_the_command_writes_what_it_found_and_keeps_what_is_said_of_tests(project, command):
    change(project, "nets.py", "both = [first, second]", "both = [first]")
    code, said = command("ledger", "update", "--jobs", "1")
    assert code == 0
    assert "- nets:both: second: noether\neqprop-ledger.json: 3 cells" in said
    cells = json.loads((project / "eqprop-ledger.json").read_text())["cells"]
    assert cells["test_nets.py::test_first"] == {"first": ["equivariance"]}


def test_nothing_is_written_where_something_fails(project, run, command):
    before = (project / "eqprop-ledger.json").read_text()
    change(project, "nets.py", "x * x * p", "x * p * p")
    code, said = command("ledger", "update", "--jobs", "1")
    assert (code, "left as it is: mend what fails first" in said) == (1, True)
    run("--eqprop-update-ledger").stdout.fnmatch_lines(["*left as it is: mend what fails first."])
    assert (project / "eqprop-ledger.json").read_text() == before


def test_a_whole_run_of_pytest_writes_what_it_found(project, run):
    (project / "eqprop-ledger.json").unlink()
    lines = [
        "+ nets:both: first: equivariance",
        "+ test_nets.py::test_first: first: eq*",
        "eqprop-ledger.json: 5 cells",
    ]
    run("--eqprop-update-ledger", "-n", "2").stdout.fnmatch_lines(lines)
    assert json.loads((project / "eqprop-ledger.json").read_text())["cells"] == LEDGER


def test_a_ledger_is_not_written_by_a_part_of_a_run(run):
    result = run("--eqprop-update-ledger", "test_nets.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --eqprop-update-ledger writes what a whole run finds*"])


@pytest.mark.parametrize("text", [None, "{"], ids=["gone", "broken"])
def test_a_ledger_that_is_named_and_cannot_be_read_ends_the_run(project, run, command, text):
    change(project, "pyproject.toml", "[tool.eqprop]", '[tool.eqprop]\nledger = "eqprop-ledger.json"')
    file = project / "eqprop-ledger.json"
    file.unlink() if text is None else file.write_text(text)
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the ledger *eqprop-ledger.json' *; `eqprop ledger update` writes it."])
    code, said = command("verify", "--ledger")
    assert (code, "Traceback" in said) == (2, False)


def test_a_project_without_a_ledger_is_told_how_to_write_one(project, command):
    (project / "eqprop-ledger.json").unlink()
    code, said = command("verify", "--ledger")
    assert code == 2
    assert "eqprop-ledger.json; `eqprop ledger update` writes it." in said


FOUND = {"find nets:model": {"nets:model": ["R₊^3, powers 1, -1 on a, b", "S_3 on a, b", "no other symmetry"]}}
MODEL = """
    import jax
    import numpy as np
    import eqprop

    def activation(z):
        return jax.nn.relu(z)

    def model():
        weights = {"a": np.ones((2, 3)), "b": np.ones((3, 2))}
        return eqprop.Model(lambda p, x: activation(x @ p["a"]) @ p["b"], weights, np.ones((4, 2)))
"""


@pytest.fixture
def found(project):
    """A project with a model whose symmetries are found, and a ledger of them."""
    (project / "nets.py").write_text(dedent(MODEL), encoding="utf-8")
    (project / "test_nets.py").unlink()
    change(project, "pyproject.toml", 'targets = ["nets:both"]', 'find = ["nets:model"]')
    kept = {"format": 1, "settings": {}, "cells": FOUND}
    (project / "eqprop-ledger.json").write_text(json.dumps(kept))
    return project


@pytest.mark.slow
def test_symmetries_that_are_found_are_cells(found, run, command):
    run().assert_outcomes(passed=3)
    code, said = command("verify", "--ledger", "--jobs", "1")
    assert (code, "3 holds" in said) == (0, True), said
    (found / "eqprop-ledger.json").unlink()
    assert command("ledger", "update", "--jobs", "1")[0] == 0
    assert json.loads((found / "eqprop-ledger.json").read_text())["cells"] == FOUND


def test_a_refactoring_that_loses_a_symmetry_or_gains_one_is_a_failure(found, run, command):
    change(found, "nets.py", "jax.nn.relu(z)", "jax.numpy.tanh(z)")
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["FAILED eqprop::nets:model::R₊^3, powers 1, -1 on a, b - missing *"])
    code, said = command("verify", "--ledger", "--jobs", "1")
    assert code == 1, said
    assert "found, and not in the ledger: signs of 3 on a, b" in said


def test_a_model_that_vanishes_is_a_failure(found, run, command):
    change(found, "pyproject.toml", '["nets:model"]', "[]")
    run().assert_outcomes(failed=3)
    code, said = command("verify", "--ledger", "--jobs", "1")
    assert (code, "3 missing" in said) == (1, True), said


def test_what_pytest_writes_leaves_the_symmetries_of_models_as_they_are(found, run):
    (found / "test_nothing.py").write_text("def test_nothing(): pass")
    change(found, "pyproject.toml", "find =", 'targets = ["neuron-permutation"]\n    find =')
    run("--eqprop-update-ledger").assert_outcomes(passed=2, skipped=1)
    assert json.loads((found / "eqprop-ledger.json").read_text())["cells"].items() >= FOUND.items()
