"""What the pytest plugin tells of a run, merged from all workers: a line for each pair, and the ledger.

Imports neither JAX nor hypothesis.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from eqprop.faces.plugin_settings import ID_PREFIX, Settings
from eqprop.kept import ledger_of, rewritten
from eqprop.reports import asked, write
from eqprop.results import Outcome, PairName, PropertyName, Report, Verdict, header, name_width, pair_summaries

VERDICT = "eqprop_verdict"
"""The attribute of a test's report that has its verdict as a record: xdist sends what of a report is plain data."""


CRASHED = "???"
"""When xdist says that a test was run with which its worker died."""


@dataclass(frozen=True)
class Merged:
    """The cells of all tests that were run, here or in workers.

    Attributes:
        cells: target and verdict of each.
        places: pair → ``file:line`` of its model, of pairs with failures.
        digests: target → pair → what it is, where a ledger is to be written.
    """

    cells: tuple[tuple[str, Verdict], ...]
    places: Mapping[str, str]
    digests: Mapping[str, Mapping[str, str]]

    def report(self, settings: Settings) -> Report:
        """As a run of the command line gives it."""
        verdicts = tuple(verdict for _, verdict in self.cells)
        return Report(verdicts, settings.seed, settings.profile, places=self.places)


def merged(reports: Iterable[pytest.TestReport]) -> Merged:
    """The verdicts in the reports of tests; where a worker died with a cell, an error of that cell."""
    reports = list(reports)
    records = [record for report in reports if (record := getattr(report, VERDICT, None)) and report.when == "call"]
    places = {record["verdict"]["pair"]: record["place"] for record in records if record["place"]}
    found = [(record["target"], Verdict.from_record(record["verdict"])) for record in records]
    digests: dict[str, dict[str, str]] = {}
    for record in records:
        if record["digest"]:
            digests.setdefault(record["target"], {})[record["verdict"]["pair"]] = record["digest"]
    targets = {target for target, _ in found}
    lost = [cell for report in reports if getattr(report, "when", "") == CRASHED and (cell := _lost(report, targets))]
    return Merged((*found, *lost), places, digests)


def _lost(report: pytest.TestReport, targets: Collection[str]) -> tuple[str, Verdict] | None:
    """The cell that a worker of xdist was at when it died; None for a test that is none of eqprop's."""
    test, bracket, decorated = report.nodeid.partition("[")
    target, cell = (test, decorated.removesuffix("]")) if bracket and test in targets else ("", report.nodeid)
    if not target and not cell.startswith(ID_PREFIX):
        return None
    pair, _, name = cell.removeprefix(ID_PREFIX).rpartition("::")
    reason = f"the process that searched it died ({' '.join(str(report.longrepr).split())})."
    return target, Verdict(PairName(pair), PropertyName(name, 0), Outcome.ERROR, reason)


def summarised(found: Merged, terminal: pytest.TerminalReporter, settings: Settings) -> None:
    """Print a line for each pair, and what claims that hold do not look at; write what reports are asked for."""
    report = found.report(settings)
    pairs = pair_summaries(report.verdicts)
    width = name_width([overview.pair for overview in pairs], shutil.get_terminal_size((120, 24)).columns)
    terminal.section("eqprop")
    terminal.line(header(width))
    for overview in pairs:
        terminal.line(overview.line(width), green=overview.accepted, red=not overview.accepted)
    for line in report.unseen():
        terminal.line(line)
    terminal.line(settings.text)
    write(report, map(asked, settings.reports), terminal.line)


def updated(found: Merged, terminal: pytest.TerminalReporter, settings: Settings) -> None:
    """Write the ledger of what applied, and print what changed; nothing is written where something failed."""
    path = Path(settings.ledger_file)
    if found.report(settings).failures:
        terminal.line(f"{path} is left as it is: mend what fails first.", red=True)
        return
    told = {"profile": settings.profile, "seed": settings.seed, "precision": settings.precision}
    for line in rewritten(path, ledger_of(found.cells, told, found.digests), tests=True):
        terminal.line(line)
