"""Markdown for a pull request or ``$GITHUB_STEP_SUMMARY``: the table of pairs, every failure, what its code means."""

from __future__ import annotations

import math

from eqprop.results import KINDS, PairSummary, Report, Verdict, code_of, number, pair_summaries

HEADINGS = ("pair", "order 0", "order 1", "order 2", "order 3", "resolution", "outcome")
MOST_SHOWN = 20
"""Failures that are shown in full; GitHub takes a megabyte."""


def markdown(report: Report) -> str:
    """The report in one page."""
    lines = [f"## eqprop is {'green' if report.ok else 'red'}", "", report.summary().splitlines()[-1], ""]
    lines += [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    lines += [_row(summary) for summary in pair_summaries(report.verdicts)]
    shown = report.failures[:MOST_SHOWN]
    lines += [line for failure in shown for line in _failure(failure, report.places.get(failure.pair.name, ""))]
    if len(report.failures) > MOST_SHOWN:
        lines += ["", f"and {len(report.failures) - MOST_SHOWN} further failures."]
    lines += [line for code in sorted({code_of(failure) for failure in report.failures}) for line in _explained(code)]
    return "\n".join([*lines, ""])


def _row(summary: PairSummary) -> str:
    resolution = "–" if math.isnan(summary.resolution) else number(summary.resolution)
    return f"| {' | '.join([_cell(summary.pair), *summary.held, resolution, _cell(summary.result)])} |"


def _failure(verdict: Verdict, place: str) -> list[str]:
    code, what = code_of(verdict), f"{verdict.outcome}: {verdict.property.name} for {verdict.pair.name}"
    lines = ["", f"### [{code}](#{code.lower()}) {_cell(what)}", ""]
    lines += [f"`{place}`", ""] if place else []
    lines += [_cell(verdict.reason), ""] if verdict.reason else []
    if verdict.counterexample is not None:
        fence = "~~~~"
        lines += ["<details><summary>counterexample</summary>", "", f"{fence}text", str(verdict.counterexample), fence]
        lines += ["", "</details>"]
    return lines


def _explained(code: str) -> list[str]:
    kind = KINDS[code]
    return ["", f"#### {code}", "", f"**{kind.title}.** {kind.cause} *Mend:* {kind.mend}"]


def _cell(text: str) -> str:
    """A text that stays in its place of a table, and is no mark-up."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
