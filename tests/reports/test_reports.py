"""A report as JUnit, Markdown and annotations, and shards joined."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from eqprop.errors import InvalidInput
from eqprop.reports import Shard, asked, github_annotations, junit, markdown, merged, report_in, write
from eqprop.results import Outcome, PairName, PropertyName, Report, Verdict


def cell(pair: str, name: str, outcome: Outcome = Outcome.HOLDS, reason: str = "") -> Verdict:
    return Verdict(PairName(pair), PropertyName(name, 1), outcome, reason, seconds=2.0, resolution=1e-9, probes=8)


CELLS = (
    cell("net", "noether"),
    cell("net", "bracket", Outcome.NOT_APPLICABLE, "no algebra"),
    cell("net", "gradient-covariance", Outcome.INCONCLUSIVE, "it is <NaN> | \x00"),
    cell("a,b: c", "noether", Outcome.ERROR, "raises\n100% of the time"),
)
REPORT = Report(CELLS, places={"net": "nets.py:12"})


def test_junit_has_a_suite_for_each_pair_and_a_case_for_each_cell():
    root = ET.fromstring(junit(REPORT))
    suites = {suite.get("name"): suite for suite in root}
    counts = ("tests", "failures", "errors", "skipped")
    assert [suites["eqprop.net"].get(count) for count in counts] == ["3", "1", "0", "1"]
    assert [suites["eqprop.a,b: c"].get(count) for count in counts] == ["1", "0", "1", "0"]
    (failure,) = root.iter("failure")
    assert failure.get("message") == "EQ201 inconclusive: it is <NaN> | �"
    assert {p.get("value") for p in root.iter("property") if p.get("name") == "eqprop.code"} == {"", "EQ201", "EQ401"}


def test_annotations_are_a_line_for_each_failure_at_the_users_file():
    first, second = github_annotations(REPORT).splitlines()
    title = "EQ201 inconclusive%3A gradient-covariance for net"
    assert first == f"::error file=nets.py,line=12,title={title}::it is <NaN> | \x00"
    assert second == "::error title=EQ401 error%3A noether for a%2Cb%3A c::raises%0A100%25 of the time"


def test_markdown_has_the_table_the_failures_and_what_their_codes_mean():
    text = markdown(REPORT)
    assert text.startswith("## eqprop is red\n")
    assert "| net | - | 1/2 | - | - | 1e-09 | inconclusive: gradient-covariance |" in text
    assert (
        "### [EQ201](#eq201) inconclusive: gradient-covariance for net\n\n`nets.py:12`\n\nit is &lt;NaN> \\| " in text
    )
    assert "#### EQ401\n\n**it could not be evaluated.**" in text
    assert markdown(Report(CELLS[:1])).startswith("## eqprop is green\n")


def test_a_report_comes_back_from_its_file(tmp_path):
    file = tmp_path / "report.json"
    write(replace(REPORT, shard="1/2"), [("json", str(file))], pytest.fail)
    again = report_in(file)
    assert (again.shard, again.places, len(again.verdicts)) == ("1/2", REPORT.places, 4)
    assert [verdict["code"] for verdict in json.loads(file.read_text())["verdicts"]] == ["", "", "EQ201", "EQ401"]


def test_markdown_is_added_to_what_a_file_has_and_others_are_written_anew(tmp_path):
    for kind, times in (("markdown", 2), ("junit", 1)):
        file = tmp_path / kind
        for _ in range(2):
            write(REPORT, [asked(f"{kind}={file}")], pytest.fail)
        assert file.read_text("utf-8").count("a,b: c | " if kind == "markdown" else "<testsuites") == times


def test_a_form_that_there_is_not_is_refused():
    with pytest.raises(
        InvalidInput, match=r"the report is 'xml=a'; expected KIND=FILE.*json, junit, markdown, html, gi"
    ):
        asked("xml=a")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be written: Is a directory"):
        write(REPORT, [("json", str(tmp_path))], pytest.fail)


@pytest.mark.parametrize(
    ("file", "why"), [("", "it is a folder"), ("gone/a.json", "there is no folder"), ("a" * 300, "File name too long")]
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(tmp_path, file: str, why: str):
    with pytest.raises(InvalidInput, match=f"^the report [^:]* cannot be written: {why}"):
        asked(f"json={tmp_path / file}")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/2/3", "-1/2", "a/b", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InvalidInput, match="expected i/n with i from 1 to n, as in 2/5"):
        Shard.of(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_together_have_each_name_once(count):
    names = ["b", "a", "d", "c", "e"]
    parts = [Shard(index, count).part(names) for index in range(1, count + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names)


SHARDS = [Report((cell("a", "noether"),), shard="1/2"), Report((cell("b", "noether"),), shard="2/2", seconds=3.0)]


def test_shards_are_one_report_in_any_order():
    for reports in (SHARDS, SHARDS[::-1]):
        report = merged(reports, {"a": ["noether"], "b": ["noether"]})
        assert {verdict.pair.name for verdict in report.verdicts} == {"a", "b"}
        assert (report.ok, report.seconds, report.shard) == (True, 3.0, "")


def test_a_cell_of_the_ledger_that_no_shard_has_is_missing():
    assert merged(SHARDS, {"c": ["noether"]}).missing == (("c", "noether"),)


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        pytest.param(SHARDS[:1], "of the shards 1/2; expected each of 1/2, 2/2 once", id="one is missing"),
        pytest.param([SHARDS[0]] * 2, "of the shards 1/2, 1/2; expected each", id="one is there twice"),
        pytest.param([replace(SHARDS[0], shard="")], "the shard is ''", id="no shard"),
        pytest.param([SHARDS[0], replace(SHARDS[1], seed=5)], "of different runs", id="another seed"),
        pytest.param([SHARDS[0], replace(SHARDS[0], shard="2/2")], "several shards have a: noether", id="a cell twice"),
    ],
)
def test_what_is_not_all_shards_of_one_run_is_refused(reports, message):
    with pytest.raises(InvalidInput, match=message):
        merged(reports, {})
