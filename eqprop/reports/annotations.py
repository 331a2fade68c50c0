"""GitHub's annotations: a line of output for each failing cell, which GitHub shows at the user's file and line."""

from __future__ import annotations

from eqprop.results import Report, Verdict, code_of


def github_annotations(report: Report) -> str:
    """``::error file=nets.py,line=12,title=…::…``, a line for each cell with which the run cannot succeed."""
    return "\n".join(_annotation(verdict, report.places.get(verdict.pair.name, "")) for verdict in report.failures)


def _annotation(verdict: Verdict, place: str) -> str:
    file, _, line = place.rpartition(":")
    title = f"{code_of(verdict)} {verdict.outcome}: {verdict.property.name} for {verdict.pair.name}"
    where = {"file": file, "line": line} if file else {}
    options = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in {**where, "title": title}.items())
    return f"::error {options}::{_escaped(_message(verdict))}"


def _message(verdict: Verdict) -> str:
    shown = verdict.counterexample
    return verdict.reason if shown is None else "\n".join(filter(None, (verdict.reason, str(shown))))


def _escaped(text: str, more: str = "") -> str:
    """As workflow commands want it: a line, and in options no separators either."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
