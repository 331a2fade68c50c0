"""Verdicts and reports as data and as text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eqprop.results import (
    Counterexample,
    Outcome,
    PairName,
    PairSummary,
    PropertyName,
    Report,
    Series,
    Verdict,
    cell_lines,
    failure_blocks,
    fitted,
    header,
    missing,
    name_width,
    pair_summaries,
    vanished,
)
from eqprop.results.summaries import cell_line
from eqprop.results.verdict import ACCEPTED

COUNTEREXAMPLE = Counterexample(
    pair="relu",
    property="noether",
    order=1,
    statement="the gradient is orthogonal to the orbit",
    formula="⟨∇L, k_ξ⟩ = 0",
    residual=0.5,
    margin=30.0,
    floor=1e-16,
    leaf="w1",
    index=(0, 1),
    lhs=1.0,
    rhs=0.5,
    architecture={"hidden": "1"},
    code="params = array([1., 2.])",
    numbers=2,
    shrunk="from 9 numbers to 2",
    notes=("computes in float32",),
    replay="eqprop replay .eqprop/x.json",
    file=".eqprop/x.json",
    recipe={"target": "nets:pairs"},
)


def verdict(name="noether", outcome=Outcome.HOLDS, *, pair="relu", order=1, **rest) -> Verdict:
    return Verdict(PairName(pair), PropertyName(name, order), outcome, **rest)


FALSIFIED = verdict(outcome=Outcome.FALSIFIED, residual=0.5, floor=1e-16, counterexample=COUNTEREXAMPLE)


def test_a_printed_report_is_what_failed_and_the_summary_and_its_repr_is_one_line():
    report = Report((FALSIFIED, verdict("equivariance", order=0)), seconds=1.0)
    assert str(report) == report.failures_text()
    assert repr(report) == "<Report of 1 pair: 1 holds, 1 falsified in 1.0 s (seed 0, profile gate)>"


def test_a_report_comes_back_from_json():
    report = Report((FALSIFIED, verdict("equivariance", order=0, residual=0.0, floor=1.0), missing("relu", "x", 2)))
    again = Report.from_record(json.loads(report.to_json()))
    assert again.to_json() == report.to_json()
    assert str(again.verdicts[0].counterexample) == str(COUNTEREXAMPLE)


SERIES = Series("Q along the flow", (1.0, 0.1 + 0.2, -1e-300), (1.0, 0.3, 0.0))


@pytest.mark.parametrize("series", [SERIES, Series("nothing yet", (), ()), None], ids=["some", "empty", "none"])
def test_a_verdict_comes_back_from_json_with_its_series(series):
    before = verdict("charge-flow", series=series, residual=0.0, floor=1.0)
    again = Verdict.from_record(json.loads(json.dumps(before.to_record())))
    assert again.series == series
    assert again.to_record() == before.to_record()


def test_a_record_from_before_there_were_series_has_none():
    record = verdict().to_record()
    del record["series"]
    assert Verdict.from_record(record).series is None


def test_json_has_no_nan():
    json.loads(Report((verdict(),)).to_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_code_follows_the_outcome(outcome):
    expected = {Outcome.ERROR: 2} | dict.fromkeys(ACCEPTED, 0)
    report = Report((verdict("equivariance"), verdict(outcome=outcome)))
    assert report.exit_code == expected.get(outcome, 1)


def test_a_run_in_which_nothing_applies_is_no_success():
    assert Report((verdict(outcome=Outcome.NOT_APPLICABLE),)).exit_code == 1


def test_a_missing_cell_is_no_success():
    report = Report((verdict(), missing("relu", "equivariance", 0)))
    assert (report.exit_code, report.missing) == (1, (("relu", "equivariance"),))


def test_a_property_that_is_known_to_apply_is_missing_where_it_does_not():
    idle = vanished(verdict(outcome=Outcome.NOT_APPLICABLE, reason="T moves"))
    assert (idle.outcome, idle.reason) == (Outcome.MISSING, "expected, and does not apply any more: T moves")
    held = verdict()
    assert vanished(held) is held  # not ==: of two NaN Python 3.13 says that they differ


@pytest.mark.parametrize(
    "part",
    [
        "Falsified: noether (order 1) for relu",
        "⟨∇L, k_ξ⟩ = 0",
        "w1[0, 1]: left 1, right 0.5",
        "5e+15 rounding floors",
        "hidden=1",
        "from 9 numbers to 2",
        "computes in float32",
        "params = array([1., 2.])",
        "eqprop replay .eqprop",
    ],
)
def test_a_counterexample_says(part):
    assert part in str(COUNTEREXAMPLE)


def test_an_overview_counts_what_holds_by_order_among_what_applies():
    cells = [
        verdict(
            "equivariance", order=0, resolution=1e-13, worst_resolution=1e-9, probes=768, architectures=12, seconds=4.0
        ),
        verdict("noether", Outcome.NOT_APPLICABLE),
        verdict("gradient-covariance", resolution=1e-10, worst_resolution=1e-3),
        verdict("hessian-covariance", Outcome.INCONCLUSIVE, order=2),
    ]
    overview = PairSummary.of(cells)
    assert overview.held == ("1/1", "1/1", "0/1", "-")
    assert (overview.resolution, overview.probes, overview.architectures) == (1e-10, 768, 12)
    assert (
        overview.line(5)
        == "relu    1/1   1/1   0/1     -    1e-10    12     768    4.0s  inconclusive: hessian-covariance"
    )


def test_headings_stand_above_their_columns():
    line, title = PairSummary.of([verdict("equivariance", order=0, seconds=1.0)]).line(12), header(12)
    for heading, value in (("ord 0", "1/1"), ("archs", "0"), ("time", "1.0s")):
        assert title.index(heading) + len(heading) == line.index(value, title.index(heading) - 2) + len(value)
    assert title.index("outcome") == line.index("holds")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.HOLDS, Outcome.NOT_APPLICABLE], "holds"),
        ([Outcome.KNOWN_FAILURE, Outcome.NOT_APPLICABLE], "known failure"),
        ([Outcome.BLOCKED, Outcome.FALSIFIED, Outcome.HOLDS], "falsified: p1"),
        ([Outcome.FALSIFIED, Outcome.FALSIFIED], "falsified: p0 and 1 more"),
        ([Outcome.ERROR, Outcome.ERROR], "error"),
    ],
)
def test_a_pair_is_as_bad_as_its_worst_cell(outcomes, expected):
    assert PairSummary.of([verdict(f"p{i}", outcome) for i, outcome in enumerate(outcomes)]).result == expected


def test_overviews_keep_the_order_of_pairs():
    cells = [verdict(pair="b"), verdict(pair="a"), verdict("equivariance", pair="b")]
    assert [overview.pair for overview in pair_summaries(cells)] == ["b", "a"]


def test_a_line_fits_eighty_columns_while_the_name_is_cut():
    names = ["a-very-long-name-of-a-pair-that-no-terminal-has-room-for"]
    width = name_width(names, 80)
    assert len(PairSummary.of([verdict(pair=names[0])]).line(width)) <= 80
    assert fitted(names[0], width) == "a-ver...-for"


@pytest.mark.parametrize("columns", [20, 80, 100])
def test_names_that_differ_do_so_when_they_are_cut(columns):
    names = [f"transformer-block/attention-{which}-of-the-head" for which in ("queries", "values", "keys")]
    names += [f"net in tests/test_{file}.py::test_symmetries" for file in ("first", "second")]
    width = name_width(names, columns)
    assert len({fitted(name, width) for name in names}) == len(names)
    assert {len(fitted(name, width)) for name in names} == {width}


def test_a_cell_line_gives_the_reason():
    assert cell_line(verdict(outcome=Outcome.BLOCKED, reason="rests on x")).endswith("blocked: rests on x")


def failures_of(*verdicts):
    return failure_blocks(verdicts)


def test_failures_of_one_pair_with_one_reason_are_told_together():
    blocked = [verdict(name, Outcome.BLOCKED, reason="rests on noether") for name in ("a", "b")]
    shown = failures_of(FALSIFIED, *blocked, missing("relu", "c", 2), missing("relu", "d", 2))
    assert shown[0] == f"{COUNTEREXAMPLE}\n  explain   eqprop explain EQ103"
    assert shown[1].splitlines() == [
        "blocked [EQ301]: relu: a, b: rests on noether",
        "missing [EQ302]: relu: c, d: expected, and nothing verified it",
    ]


def test_of_many_failures_with_one_reason_three_are_named():
    vague = [verdict(name, Outcome.INCONCLUSIVE, reason="it is NaN") for name in "abcdefg"]
    assert failures_of(*vague) == ["inconclusive [EQ201]: relu: a, b, c and 4 others: it is NaN"]
    assert Report(tuple(vague)).failures_text().count("it is NaN") == 1


def test_an_error_of_every_cell_is_told_once_for_a_pair():
    errors = tuple(verdict(name, Outcome.ERROR, reason="apply raises") for name in ("a", "b"))
    assert failures_of(*errors) == ["error [EQ401]: relu: apply raises"]


def test_of_a_pair_that_is_gone_no_cells_are_named():
    assert failures_of(missing("gone", "a", 0), missing("gone", "b", 1)) == [
        "missing [EQ302]: gone: expected, and nothing verified it"
    ]


def test_an_error_of_some_cells_names_them():
    cells = [verdict("a"), verdict("b", Outcome.ERROR, reason="no rule")]
    assert failures_of(*cells) == ["error [EQ401]: relu: b: no rule"]
    overview = PairSummary.of(cells)
    assert overview.result == "error: b"
    assert overview.worth_details


def test_a_reason_is_told_once_among_the_cells():
    cells = [verdict(name, Outcome.ERROR, reason="no rule") for name in ("a", "b")]
    assert [line.rpartition("  ")[2] for _, line in cell_lines(cells)] == ["error: no rule", "error: as a"]


def test_a_cell_line_has_the_median_and_the_worst_resolution():
    assert "1e-13 (worst 1e-09)" in cell_line(verdict(resolution=1e-13, worst_resolution=1e-9))


@pytest.mark.parametrize(("cleared", "where"), [(1, "at 1 probe"), (2, "at 2 probes")])
def test_a_cell_line_says_what_a_closer_look_cleared(cleared: int, where: str):
    line = cell_line(verdict(cleared=cleared))
    assert line.endswith(f"holds: {where} the sides differed by rounding inside the program")


def test_what_was_cleared_takes_nothing_back_from_a_cell_that_is_falsified():
    assert cell_line(replace(FALSIFIED, cleared=1)).endswith("falsified")


def test_a_report_without_failures_has_nothing_to_tell():
    assert failures_of(replace(FALSIFIED, outcome=Outcome.HOLDS)) == []


def test_cells_that_do_not_apply_are_listed_last_by_reason():
    idle = [verdict(name, Outcome.NOT_APPLICABLE, reason="T moves") for name in ("inertia", "sharpness")]
    lines = [line for _, line in cell_lines([*idle, verdict("noether")])]
    assert lines == [cell_line(verdict("noether")), "  not applicable: T moves: inertia, sharpness"]
