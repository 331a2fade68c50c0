"""What the report of a test carries of its cell, and the cells of all tests, from all workers.

Imports neither JAX nor hypothesis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from eqprop.faces.plugin_settings import ID_PREFIX
from eqprop.kept import is_test
from eqprop.results import GRAVEST, Outcome, PairName, PropertyName, Record, Verdict

if TYPE_CHECKING:
    from eqprop.faces.cases import Absent, Case
    from eqprop.faces.symmetry_cells import SymmetryCase

CELL = "eqprop_cell"
"""The attribute of a test's report that has its cell as a record: xdist sends what of a report is plain data."""

CRASHED = "???"
"""When xdist says that a test was run with which its worker died."""

XPASSED = "[XPASS(strict)]"
"""How pytest begins what it says of a test that passes and was marked to fail."""


@dataclass(frozen=True)
class Searched:
    """How a cell was searched: seed, name of the profile, and precision."""

    seed: int
    profile: str
    precision: str


@dataclass(frozen=True)
class Cell:
    """What a test found. Plain data.

    Attributes:
        target: what named the pair: a target, or the id of a decorated test.
        verdict: as pytest has it.
        place: ``file:line`` of the model, where the cell fails.
        digest: what the pair is, where a ledger is to be written that says so.
        searched: how; None of a cell that nothing searched.
        peak: the most memory, in bytes, that the test's process had held by then.
    """

    target: str
    verdict: Verdict
    place: str = ""
    digest: str = ""
    searched: Searched | None = None
    peak: int = 0

    @classmethod
    def of(cls, case: Case | Absent | SymmetryCase, report: pytest.TestReport, *, digests: bool) -> Cell:
        """Of a case that is done.

        Args:
            case: of the test.
            report: what pytest says of it.
            digests: whether a ledger is to be written.
        """
        from eqprop.faces.cases import Case
        from eqprop.runs import peak_memory

        verdict = marked(case.verdict, report)
        place = "" if verdict.accepted else case.place
        if not isinstance(case, Case):
            return cls(case.target, verdict, place, peak=peak_memory())
        options = case.search.options
        searched = Searched(options.seed, options.profile.name, options.precision)
        return cls(case.target, verdict, place, case.search.now if digests else "", searched, peak_memory())

    @property
    def properties(self) -> list[tuple[str, object]]:
        """What JUnit files of pytest show of it."""
        record = self.verdict.to_record() | {"target": self.target}
        shown = ("target", "pair", "property", "outcome", "resolution", "worst_resolution", "probes")
        return [(f"eqprop.{name}", record[name]) for name in shown]

    @property
    def test(self) -> str:
        """The decorated test that asked; empty for a target."""
        return self.target if is_test(self.target) else ""

    def to_record(self) -> Record:
        """As what xdist can send."""
        searched = asdict(self.searched) if self.searched else None
        return {**vars(self), "verdict": self.verdict.to_record(), "searched": searched}

    @classmethod
    def from_record(cls, record: Record) -> Cell:
        """The cell that ``to_record`` wrote."""
        fields: Record = {**record, "verdict": Verdict.from_record(record["verdict"])}
        fields["searched"] = Searched(**record["searched"]) if record["searched"] else None
        return cls(**fields)


def marked(verdict: Verdict, report: pytest.TestReport) -> Verdict:
    """The verdict, where ``pytest.mark.xfail`` has the last word on the test: what fails is a known failure then."""
    why: str | None = getattr(report, "wasxfail", None)
    if why is not None and report.skipped and not verdict.accepted:
        reason = f"xfail: {why}" if why else "xfail, without a reason"
        return replace(verdict, outcome=Outcome.KNOWN_FAILURE, reason=reason, counterexample=None)
    said: Any = report.longrepr
    if report.failed and isinstance(said, str) and said.startswith(XPASSED) and verdict.accepted:
        reason = f"expected to fail: {said.removeprefix(XPASSED).strip() or 'xfail, without a reason'}"
        return replace(verdict, outcome=Outcome.UNEXPECTED_PASS, reason=reason)
    return verdict


def merged(reports: Iterable[pytest.TestReport]) -> tuple[Cell, ...]:
    """The cells in the reports of tests; where a worker died with a cell, an error of that cell."""
    reports = list(reports)
    found = [Cell.from_record(record) for report in reports if (record := _record_in(report))]
    targets = {cell.target for cell in found}
    lost = [cell for report in reports if getattr(report, "when", "") == CRASHED and (cell := _lost(report, targets))]
    return (*_once(found), *lost)


def _record_in(report: pytest.TestReport) -> Record | None:
    return getattr(report, CELL, None) if getattr(report, "when", "") == "call" else None


def _once(cells: Iterable[Cell]) -> Iterable[Cell]:
    """Each cell of a decorated test once, as the gravest that it is where further arguments run it several times."""
    kept: dict[object, Cell] = {}
    for place, cell in enumerate(cells):
        key = (cell.test, *cell.verdict.cell) if cell.test else place
        kept[key] = min(kept.get(key, cell), cell, key=lambda one: GRAVEST.index(one.verdict.outcome))
    return kept.values()


def _lost(report: pytest.TestReport, targets: Collection[str]) -> Cell | None:
    """The cell that a worker of xdist was at when it died; None for a test that is none of eqprop's."""
    test, bracket, decorated = report.nodeid.partition("[")
    target, cell = (test, decorated.removesuffix("]")) if bracket and test in targets else ("", report.nodeid)
    if not target and not cell.startswith(ID_PREFIX):
        return None
    pair, _, name = cell.removeprefix(ID_PREFIX).rpartition("::")
    reason = f"the process that searched it died ({' '.join(str(report.longrepr).split())})."
    return Cell(target, Verdict(PairName(pair), PropertyName(name, 0), Outcome.ERROR, reason))


def told_apart(cells: Iterable[Cell]) -> list[Cell]:
    """The cells, those of pairs of one name in several tests with names that say the test: they may be other pairs."""
    cells = list(cells)
    askers: dict[str, set[str]] = {}
    for cell in cells:
        askers.setdefault(cell.verdict.pair.name, set()).add(cell.test)
    return [_with_test(cell) if len(askers[cell.verdict.pair.name]) > 1 and cell.test else cell for cell in cells]


def _with_test(cell: Cell) -> Cell:
    name = PairName(f"{cell.verdict.pair.name} in {cell.test}")
    return replace(cell, verdict=replace(cell.verdict, pair=name))
