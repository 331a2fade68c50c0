"""Known failures of a project: tried again before anything is searched, with an end, and never silent."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from eqprop.faces.cli import main
from eqprop.kept import baseline_file
from eqprop.runs import single

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply, group=groups.Scaling(1)):
        moved = eqprop.Transformation(group, on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), moved, name=name)

    good = pair("good", lambda p, x: x * p)
    bad = pair("bad", lambda p, x: x * p * p)
    both = [good, bad]
"""
PROJECT = """
    [tool.eqprop]
    targets = ["nets:both"]
    properties = ["equivariance", "noether"]
    unseen = false
    max_architectures = 1
    probes = 8
"""
ASKED = ("--property", "equivariance", "--property", "noether", "--max-architectures", "1", "--jobs", "1")
VERIFY = ("verify", "nets:both", "--baseline", *ASKED)
ADD = ("baseline", "add", "found.json", "--reason", "ticket 7")


@pytest.fixture
def eqprop(folder, capsys):
    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out + err

    return run


@pytest.fixture
def kept(eqprop, folder):
    """A project with one known failure, until the end of 2030."""
    code, _ = eqprop(*VERIFY, "--save", "found")
    assert code == 1
    (file,) = (folder / "found").iterdir()
    file.rename(folder / "found.json")
    code, said = eqprop(*ADD, "--expires", "2030-12-31")
    assert (code, said) == (0, "+ nets:both: bad: equivariance: ticket 7 (until 2030-12-31)\n")
    return folder / "eqprop-baseline.json"


def mend() -> None:
    nets: Any = sys.modules["nets"]
    nets.both[1] = nets.good.replaced(name="bad")


def on(day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_file, "today", lambda: day)


def test_a_known_failure_is_tried_again_and_not_searched(kept, eqprop, monkeypatch):
    searched = []
    search = single.search

    def spied(task, options, *rest):
        searched.append((task.name, [prop.name for prop in options.properties]))
        return search(task, options, *rest)

    monkeypatch.setattr(single, "search", spied)
    code, said = eqprop(*VERIFY, "--verbose")
    assert code == 0
    assert "its counterexample STILL FAILS: ticket 7 (until 2030-12-31)" in said
    assert searched == [("good", ["equivariance", "noether"]), ("bad", ["noether"])]


def test_what_rests_on_a_known_failure_is_one(kept, eqprop):
    said = eqprop(*VERIFY, "--format", "json")[1]
    record, _ = json.JSONDecoder().raw_decode(said)  # behind it the standard error, which a slow run writes to
    noether = record["verdicts"][3]
    assert (noether["pair"], noether["property"], noether["outcome"]) == ("bad", "noether", "known failure")
    assert noether["reason"] == "rests on equivariance, a known failure: ticket 7 (until 2030-12-31)"


def test_the_overview_does_not_say_that_such_a_pair_holds(kept, eqprop):
    _, said = eqprop(*VERIFY)
    (line,) = (line for line in said.splitlines() if line.startswith("bad "))
    assert line.endswith("  known failure")


def test_without_the_baseline_it_is_falsified(kept, eqprop):
    arguments = [argument for argument in VERIFY if argument != "--baseline"]
    assert eqprop(*arguments)[0] == 1


def test_an_end_that_has_passed_excuses_nothing(kept, eqprop, monkeypatch):
    on(date(2030, 12, 31), monkeypatch)
    assert eqprop(*VERIFY)[0] == 0
    on(date(2031, 1, 1), monkeypatch)
    code, said = eqprop(*VERIFY)
    assert code == 1
    assert "expired on 2030-12-31, and its counterexample STILL FAILS: ticket 7" in " ".join(said.split())
    assert "eqprop replay " in said
    assert eqprop("baseline", "show")[0] == 1


def test_what_is_fixed_is_an_unexpected_pass_until_it_is_pruned(kept, eqprop):
    mend()
    code, said = eqprop(*VERIFY)
    assert code == 1
    assert "unexpected pass [EQ304]: bad: equivariance: its counterexample FIXED: ticket 7" in said
    code, said = eqprop("baseline", "show")
    assert (code, said.splitlines()[-1].startswith("FIXED  nets:both: bad")) == (1, True)
    code, said = eqprop("baseline", "prune")
    assert (code, said) == (0, "- nets:both: bad: equivariance: ticket 7 (until 2030-12-31)\n")
    assert list((kept.parent / "eqprop-known").iterdir()) == []
    assert eqprop(*VERIFY)[0] == 0


def test_a_counterexample_that_cannot_run_is_an_error_of_its_cell(kept, eqprop):
    next((kept.parent / "eqprop-known").iterdir()).write_text("{}")
    code, said = eqprop(*VERIFY)
    assert code == 2
    assert "error [EQ306]: bad: equivariance: known failure, and its counterexample CANNOT RUN: " in said
    assert eqprop("baseline", "prune") == (0, "")
    assert "bad" in kept.read_text()


WHOLE = ("verify", "--ledger", "--jobs", "1")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("pair", "bda", "no pair of 'nets:both' is called 'bda'. Did you mean bad?"),
        ("target", "nets:gone", "no pair of 'nets:gone' is called 'bad'."),
        ("property", "noetherr", "nobody asks for 'noetherr'. Did you mean noether?"),
    ],
)
def test_a_known_failure_of_nothing_is_an_error_of_a_whole_run_and_pruned(kept, eqprop, folder, field, value, said):
    record = json.loads(kept.read_text())
    record["known"][0][field] = value
    kept.write_text(json.dumps(record))
    (folder / "eqprop-ledger.json").write_text('{"format": 1, "settings": {}, "cells": {}}')
    code, out = eqprop(*WHOLE)
    assert code == 2
    assert f"known failure of nothing: the baseline has it, and {said}" in out
    eqprop("baseline", "prune")
    assert json.loads(kept.read_text())["known"] == []


def test_a_baseline_hides_no_misspelt_known_failure_of_the_table(kept, eqprop, folder):
    table = '[tool.eqprop.known_failures]\n"bda::noether" = "ticket 8"\n"tested::noether" = "of a decorated test"\n'
    (folder / "pyproject.toml").write_text(dedent(PROJECT) + table)
    cells = {"test_nets.py::test_it": {"tested": ["noether"]}}
    (folder / "eqprop-ledger.json").write_text(json.dumps({"format": 1, "settings": {}, "cells": cells}))
    code, out = eqprop(*WHOLE)
    assert code == 2
    assert "[tool.eqprop.known_failures] has it, and no pair is called 'bda'. Did you mean bad?" in out
    assert "tested" not in out


def test_what_does_not_fail_is_not_added(eqprop, folder):
    eqprop(*VERIFY, "--save", "found")
    (file,) = (folder / "found").iterdir()
    mend()
    code, said = eqprop("baseline", "add", str(file), "--reason", "why not")
    assert (code, "is no known failure: FIXED." in said) == (2, True)
    assert not (folder / "eqprop-baseline.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("baseline", "add", "nowhere.json", "--reason", "x"), "'nowhere.json' cannot be read"),
        (("baseline", "add", "pyproject.toml", "--reason", "x"), "is no counterexample file"),
        (("baseline", "add", "nowhere.json", "--reason", " "), "--reason is empty"),
        (("baseline", "add", "nowhere.json", "--reason", "x", "--expires", "soon"), "--expires is 'soon'; expected a"),
        (("baseline", "add", "nowhere.json"), "Missing option '--reason'"),
    ],
)
def test_what_cannot_be_added_exits_with_2_and_one_line(eqprop, arguments, said):
    code, out = eqprop(*arguments)
    assert (code, out.count("\n")) == (2, 1)
    assert said in out


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ('"bad"', "has known = 'bad'; expected a list"),
        ('["bad"]', "entry 1 is 'bad'; expected texts for target, pair, property, reason, expires, counterexample"),
        ('[{"pair": "bad"}]', "entry 1 is {'pair': 'bad'}; expected texts for target"),
    ],
)
def test_what_is_no_baseline_is_refused(eqprop, folder, known, said):
    (folder / "eqprop-baseline.json").write_text(f'{{"format": 1, "known": {known}}}')
    code, out = eqprop("baseline", "show")
    assert (code, said in out) == (2, True), out


def test_a_known_failure_has_a_reason_and_a_day(eqprop, kept):
    record = json.loads(kept.read_text())
    for changed, said in (({"reason": " "}, "has no reason"), ({"expires": "x"}, "expected a day such as")):
        kept.write_text(json.dumps({"format": 1, "known": [record["known"][0] | changed]}))
        code, out = eqprop("baseline", "show")
        assert (code, said in out) == (2, True), out


def test_a_file_says_where_it_lies_relative_to_the_baseline(kept):
    assert Path(json.loads(kept.read_text())["known"][0]["counterexample"]).parts[0] == "eqprop-known"
