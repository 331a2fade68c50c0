"""JUnit's XML: a suite for each pair, a case for each cell."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eqprop.results import Outcome, Report, Verdict, code_of

NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SKIPPED = (Outcome.NOT_APPLICABLE, Outcome.KNOWN_FAILURE, Outcome.UNCHANGED)


def junit(report: Report) -> str:
    """The report as XML. Skipped is what does not apply, is unchanged or known to fail; an error what could not run."""
    root = Element("testsuites", name="eqprop")
    pairs: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        pairs.setdefault(verdict.pair.name, []).append(verdict)
    for pair, verdicts in pairs.items():
        _suite(root, pair, verdicts)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: Element, pair: str, verdicts: list[Verdict]) -> None:
    errors = sum(verdict.outcome is Outcome.ERROR for verdict in verdicts)
    failures = sum(not verdict.accepted for verdict in verdicts) - errors
    skipped = sum(verdict.outcome in SKIPPED for verdict in verdicts)
    counts = {"tests": len(verdicts), "failures": failures, "errors": errors, "skipped": skipped}
    seconds = max(verdict.seconds for verdict in verdicts)
    texts = {key: str(value) for key, value in counts.items()}
    suite = SubElement(root, "testsuite", {"name": _plain(f"eqprop.{pair}"), "time": f"{seconds:.3f}", **texts})
    for verdict in verdicts:
        _case(suite, verdict, seconds / len(verdicts))


def _case(suite: Element, verdict: Verdict, seconds: float) -> None:
    """The time of a pair's one search is shared among its cells."""
    names = {"classname": _plain(f"eqprop.{verdict.pair.name}"), "name": verdict.property.name}
    case = SubElement(suite, "testcase", {**names, "time": f"{seconds:.3f}"})
    properties = SubElement(case, "properties")
    shown = {"outcome": verdict.outcome, "code": code_of(verdict), "resolution": verdict.resolution}
    for name, value in {**shown, "probes": verdict.probes}.items():
        SubElement(properties, "property", name=f"eqprop.{name}", value=str(value))
    message = _plain(f"{code_of(verdict)} {verdict.outcome}: {verdict.reason}".strip())
    if verdict.outcome in SKIPPED:
        SubElement(case, "skipped", message=message)
    elif not verdict.accepted:
        kind = "error" if verdict.outcome is Outcome.ERROR else "failure"
        SubElement(case, kind, message=message).text = _plain(str(verdict.counterexample or verdict.reason))


def _plain(text: str) -> str:
    """Without characters that XML has no place for."""
    return NOT_IN_XML.sub("�", text)
