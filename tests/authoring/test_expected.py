"""The ledger of a run: cells that are not filled, or that vanished, are failures; the catalog's are committed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from eqprop.authoring import expected, own_entries
from eqprop.profiles import PROFILES
from eqprop.properties import LIBRARY
from eqprop.results import Ledger, Outcome, PairName, PropertyName, Report, Verdict
from eqprop.runs import as_tasks, run_tasks
from eqprop.search import Options, SearchTask

pytestmark = pytest.mark.installed


def verdict(outcome: Outcome, *, pair: str = "a", prop: str = "noether", resolution: float = 1.26e-13) -> Verdict:
    return Verdict(PairName(pair), PropertyName(prop, 1), outcome, resolution=resolution)


def missing_of(ledger: Ledger) -> list[tuple[str, str]]:
    return [cell for cell, found in ledger.verdicts({}).items() if found.outcome is Outcome.MISSING]


def test_a_cell_without_a_verdict_is_missing():
    ledger = Ledger()
    ledger.expect("a", ["noether", "equivariance"])
    ledger.fill([verdict(Outcome.HOLDS)])
    assert missing_of(ledger) == [("a", "equivariance")]


def test_a_cell_that_is_known_to_apply_is_missing_where_it_does_not_any_more():
    ledger = Ledger()
    ledger.expect("a", ["noether"], applying=["noether"])
    ledger.fill([verdict(Outcome.NOT_APPLICABLE)])
    assert missing_of(ledger) == [("a", "noether")]


def test_a_property_that_was_not_asked_for_is_not_missing():
    ledger = Ledger()
    ledger.expect("a", ["noether"], applying=["noether", "hessian-generator"])
    ledger.fill([verdict(Outcome.HOLDS)])
    assert missing_of(ledger) == []


def test_a_run_of_the_catalog_fails_where_a_cell_vanished(monkeypatch):
    task = as_tasks(own_entries()["glu-rescaling"])[0]
    monkeypatch.setattr(expected, "cells", lambda: {task.name: {"averaged-gradient": 1e-13}})
    options = Options(properties=tuple(p for p in LIBRARY if p.name in {"averaged-gradient", "equivariance"}))
    report = run_tasks([task], options)
    assert report.missing == ((task.name, "averaged-gradient"),)
    assert report.exit_code == 1


def test_only_runs_like_the_default_one_are_compared():
    name, kept = next((name, row) for name, row in expected.cells().items() if len(row) > 1)
    task = SearchTask(name, st.nothing(), built_in=True)
    fewer = replace(PROFILES["gate"], architectures=3)
    assert expected.applying(task, Options()) == set(kept)
    assert expected.applying(task, Options(profile=PROFILES["deep"])) == set(kept)
    assert expected.applying(task, Options(profile=fewer)) == frozenset()
    assert expected.applying(task, Options(seed=1)) == frozenset()
    assert expected.applying(replace(task, built_in=False), Options()) == frozenset()


def test_a_report_is_kept_without_what_does_not_apply_and_with_one_digit_of_each_resolution():
    nothing = verdict(Outcome.KNOWN_FAILURE, prop="equivariance", resolution=float("nan"))
    report = Report((verdict(Outcome.HOLDS), verdict(Outcome.NOT_APPLICABLE, prop="bracket"), nothing))
    found = expected.measured(report)
    assert found == {"a": {"noether": 1e-13, "equivariance": None}}
    assert json.loads(expected.written(found)) == found


def test_every_entry_of_the_catalog_has_its_cells_and_nothing_else_has():
    assert set(expected.cells()) == set(own_entries()), (
        f"eqprop/authoring/cells.json is out of date; write it: {expected.MEASURE}"
    )


@pytest.mark.parametrize("entry", own_entries().values(), ids=own_entries())
def test_the_premise_and_the_gradient_are_among_the_cells_of(entry):
    applies = expected.cells()[entry.name]
    exact = {"equivariance", "jacobian-covariance", "hessian-covariance"}
    near = {"near-equivariance", "defect", "defect-curvature"}
    least = {"equivariance"} if entry.control else near if "defect" in applies else exact
    assert least <= set(applies) <= {prop.name for prop in LIBRARY}
    assert entry.control == "" or set(applies) == {"equivariance"}
