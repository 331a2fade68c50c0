"""Targets that the ledger has and that are gone: an empty list, a renamed attribute, a deleted module."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from eqprop.faces.cli import main
from eqprop.faces.plugin_settings import Settings
from eqprop.runs import Gone

pytest_plugins = "pytester"

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name):
        signs = eqprop.Transformation(groups.Sign(1), lambda s, p: s * p, lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(lambda p, x: x * p, np.ones(1), np.ones(1), name="m"), signs, name=name)

    first, second = pair("first"), pair("second")
    both = [second]
"""
PROJECT = """
    [tool.eqprop]
    targets = ["nets:first", "nets:both"]
    properties = ["equivariance"]
    unseen = false
    max_architectures = 1
    probes = 4
"""
CELLS = {"nets:first": {"first": ["equivariance"]}, "nets:both": {"second": ["equivariance"]}}


@pytest.fixture
def command(folder, capsys):
    """The command line of a project with a ledger, which reads the modules anew: exit code and output."""
    (folder / "eqprop-ledger.json").write_text(json.dumps({"format": 1, "settings": {}, "cells": CELLS}))

    def call(*arguments: str) -> tuple[int, str]:
        sys.modules.pop("nets", None)
        importlib.invalidate_caches()
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main([*arguments, "--jobs", "1"])
        assert isinstance(left.value.code, int)
        return left.value.code, "".join(capsys.readouterr())

    return call


def change(folder, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


GONE = {
    "is empty: there is nothing to verify": ("nets.py", "both = [second]", "both = []"),
    "'nets' has no attribute 'both'": ("nets.py", "both = [second]", "other = [second]"),
    "no module named 'stay'": ("pyproject.toml", "nets:both", "stay:both"),
}


@pytest.mark.parametrize("why", GONE)
def test_a_target_that_is_gone_is_missing_and_the_others_are_verified(folder, command, why):
    change(folder, *GONE[why])
    ledger = folder / "eqprop-ledger.json"
    ledger.write_text(ledger.read_text().replace("nets:both", "stay:both") if "stay" in why else ledger.read_text())
    code, said = command("verify", "--ledger")
    assert (code, "missing [EQ302]: second: expected, and nothing verified it" in said) == (1, True), said
    assert why in said
    assert "1 holds, 1 missing" in said


@pytest.mark.parametrize("part", [("--match", "second"), ("nets:both",), ("--changed", "--match", "SEC")])
def test_who_asks_for_what_is_gone_hears_that_it_is_missing(folder, command, part):
    change(folder, "nets.py", "both = [second]", "both = []")
    code, said = command("verify", "--ledger", *part)
    assert (code, "1 pair: 1 missing" in said) == (1, True), said


def test_what_no_ledger_knows_is_a_mistake(folder, command):
    for part, said in (
        (("nets:bath",), "'nets' has no attribute 'bath'. Did you mean both?"),
        (("--match", "third"), "--match 'third' leaves no pair, and the ledger has no cells of any"),
    ):
        code, out = command("verify", "--ledger", *part)
        assert (code, said in out) == (2, True), out


def test_a_ledger_is_written_without_what_has_no_pairs_and_never_for_want_of_a_name(folder, command):
    ledger = folder / "eqprop-ledger.json"
    change(folder, "nets.py", "both = [second]", "bath = [second]")
    code, said = command("ledger", "update")
    assert (code, "'nets' has no attribute 'both'" in said) == (2, True), said
    assert json.loads(ledger.read_text())["cells"] == CELLS
    change(folder, "nets.py", "bath = [second]", "both = []")
    code, said = command("ledger", "update")
    assert (code, "- nets:both: second: equivariance\neqprop-ledger.json: 1 cells" in said) == (0, True), said
    change(folder, "pyproject.toml", '["nets:first", "nets:both"]', "[]")
    code, said = command("ledger", "update")
    assert (code, "- nets:first: first: equivariance\neqprop-ledger.json: 0 cells" in said) == (0, True), said
    code, said = command("verify", "--ledger")
    assert (code, "no targets in [tool.eqprop], and the ledger has no cells of any" in said) == (2, True), said


def test_the_plugin_has_a_case_that_says_why(folder):
    change(folder, "nets.py", "both = [second]", "both = []")
    sys.modules.pop("nets", None)
    importlib.invalidate_caches()
    settings = Settings(targets=("nets:first", "nets:both"), asked={"properties": ["equivariance"]}, cells=CELLS)
    cases = {case.id: case for case in settings.cases()}
    reason = cases["second::equivariance"].verdict.reason
    assert reason.startswith("expected, and nothing verified it: nets:both is empty")
    assert "first::equivariance" in cases
    with pytest.raises(Gone, match="nets:both is empty"):
        Settings(targets=("nets:both",), cells={}).cases()


NOTHING = {
    "targets = []": ("pyproject.toml", '["nets:first", "nets:both"]', "[]"),
    "an empty attribute": ("nets.py", "both = [second]", "both = []"),
}


@pytest.mark.parametrize("change_of", NOTHING.values(), ids=NOTHING)
def test_nothing_to_verify_and_no_ledger_is_a_usage_error_of_pytest(pytester, change_of):
    pytester.makepyfile(nets=NETS)
    pytester.makefile(".toml", pyproject=PROJECT)
    change(pytester.path, *change_of)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    said = done.stderr.str() + done.stdout.str()
    assert "targets is empty, so that nothing is verified; " in said or "nothing to verify" in said


def test_a_decorated_test_of_no_pairs_is_an_error_at_its_line(pytester):
    pytester.makepyfile("import eqprop\n@eqprop.parametrize([])\ndef test_none(case):\n    case.verify()\n")
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(["*pairs is empty: there is nothing to verify*"])
