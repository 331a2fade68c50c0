"""The ledger as a file: what applied, a cell a line, and what is wrong with a file that is none."""

from __future__ import annotations

import json

import pytest

from eqprop.errors import InvalidInput
from eqprop.kept import KeptLedger, is_test, ledger_in, ledger_of, rewritten
from eqprop.results import Outcome, PairName, PropertyName, Verdict

SETTINGS = {"profile": "gate", "seed": 0, "precision": "float64"}


def cell(pair: str, name: str, outcome: Outcome = Outcome.HOLDS) -> Verdict:
    return Verdict(PairName(pair), PropertyName(name, 1), outcome)


FOUND = ledger_of(
    [
        ("nets:b", cell("q", "noether")),
        ("nets:a", cell("p", "noether")),
        ("nets:a", cell("p", "equivariance", Outcome.KNOWN_FAILURE)),
        ("nets:a", cell("p", "inertia", Outcome.NOT_APPLICABLE)),
    ],
    SETTINGS,
)


def test_what_applied_is_kept_by_target_and_pair():
    assert list(FOUND.each()) == [
        ("nets:a", "p", "equivariance"),
        ("nets:a", "p", "noether"),
        ("nets:b", "q", "noether"),
    ]


def test_a_file_has_a_cell_a_line_and_comes_back(tmp_path):
    file = tmp_path / "ledger.json"
    assert rewritten(file, FOUND, tests=False)[-1] == "ledger.json: 3 cells"
    lines = [line.strip(' ",') for line in file.read_text().splitlines()]
    assert lines.count("noether") == 2
    assert list(ledger_in(file).each()) == list(FOUND.each())
    assert ledger_in(file).settings == SETTINGS


def test_what_came_and_went_is_said(tmp_path):
    file = tmp_path / "ledger.json"
    rewritten(file, FOUND, tests=False)
    fewer = KeptLedger({"nets:a": {"p": ["noether", "bracket"]}}, SETTINGS)
    assert rewritten(file, fewer, tests=False) == [
        "+ nets:a: p: bracket",
        "- nets:a: p: equivariance",
        "- nets:b: q: noether",
        "ledger.json: 2 cells",
    ]


def test_cells_of_decorated_tests_stay_unless_tests_were_run(tmp_path):
    file = tmp_path / "ledger.json"
    test = "tests/test_nets.py::test_it"
    assert (is_test(test), is_test("nets:a")) == (True, False)
    rewritten(file, KeptLedger({test: {"p": ["noether"]}}, SETTINGS), tests=True)
    rewritten(file, FOUND, tests=False)
    assert test in ledger_in(file).cells
    rewritten(file, FOUND, tests=True)
    assert test not in ledger_in(file).cells


def test_of_what_is_asked_for_only_that_is_expected():
    assert FOUND.of({"nets:b"}).applying() == {"q": ["noether"]}
    assert FOUND.without({"nets:a"}).applying() == {"q": ["noether"]}


def test_what_pairs_were_is_kept_with_their_cells(tmp_path):
    file = tmp_path / "ledger.json"
    digests = {"nets:a": {"p": "3f1c"}, "nets:b": {"q": "77aa"}}
    file.write_text(KeptLedger(FOUND.cells, FOUND.settings, digests).text())
    read = ledger_in(file)
    assert (read.digests, read.digest_of("q"), read.digest_of("r")) == (digests, "77aa", "")
    assert read.of({"nets:a"}).digests == {"nets:a": {"p": "3f1c"}}


def kept(**changed: object) -> str:
    return json.dumps({"format": 1, "settings": {}, "cells": {}, **changed})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "is no JSON in UTF-8", id="cut"),
        pytest.param("[]", r"is \[\] \(list\); expected a mapping of format 1", id="list"),
        pytest.param(kept(format=9), "is format 9; expected a mapping of format 1", id="later"),
        pytest.param(kept(cells=["noether"]), r"has \['noether'\] in it; expected target → pair → prop", id="flat"),
        pytest.param(kept(cells={"a": {"p": [1]}}), r"has \{'a'.*; expected target → pair → properties", id="numbers"),
        pytest.param(kept(cells={"a": ["p"]}), r"has \{'a'.*; expected target → pair → properties", id="shallow"),
        pytest.param(kept(settings=3), "has 3 in it", id="settings"),
        pytest.param(kept(digests=["x"]), r"has digests = \['x'\]; expected target → pair → text", id="digests"),
        pytest.param(kept(digests={"a": {"p": 3}}), "has digests = .*; expected target → pair → text", id="digest"),
    ],
)
def test_what_is_no_ledger_is_refused_with_what_writes_one(tmp_path, text, message):
    file = tmp_path / "ledger.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=f"the ledger .*{message}.*`eqprop ledger update` writes it"):
        ledger_in(file)


def test_a_ledger_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read: No such file or directory; `eqprop ledger update`"):
        ledger_in(tmp_path / "ledger.json")
