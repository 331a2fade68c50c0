"""What the pytest plugin tells of a run: short tracebacks, a line for each pair, reports, and the ledger.

Imports neither JAX nor hypothesis.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pytest

from eqprop.errors import EqpropError
from eqprop.faces.plugin_records import Cell, Searched, told_apart
from eqprop.faces.plugin_settings import Settings
from eqprop.kept import ledger_of, rewritten
from eqprop.profiles import PROFILES
from eqprop.reports import asked, write
from eqprop.results import Report, header, name_width, pair_summaries


def report_of(cells: Sequence[Cell], settings: Settings, seconds: float = 0.0) -> Report:
    """As a run of the command line gives it.

    Args:
        cells: of all tests that were run.
        settings: of the run, for what no cell says of itself.
        seconds: that it took.
    """
    cells = told_apart(cells)
    ways = _ways(cells, settings)
    seeds = {way.seed for way in ways}
    return Report(
        tuple(cell.verdict for cell in cells),
        seeds.pop() if len(seeds) == 1 else settings.seed,
        ", ".join(_profiles(ways)),
        seconds,
        max((cell.peak for cell in cells), default=0),
        {cell.verdict.pair.name: cell.place for cell in cells if cell.place},
    )


def _ways(cells: Sequence[Cell], settings: Settings) -> set[Searched]:
    """All in which cells were searched; of a run that searched none, the one that it would have been."""
    searched = {cell.searched for cell in cells if cell.searched}
    return searched or {Searched(settings.seed, settings.profile, settings.precision)}


def _profiles(ways: set[Searched]) -> list[str]:
    """Each once, the smaller ones first."""
    return sorted({way.profile for way in ways}, key=list(PROFILES).index)


def searched_text(cells: Sequence[Cell], settings: Settings) -> str:
    """In one line how the cells were searched."""
    ways = _ways(cells, settings)
    seeds, precisions = sorted({way.seed for way in ways}), sorted({way.precision for way in ways})
    told = {"seed": [str(seed) for seed in seeds], "profile": _profiles(ways), "precision": precisions}
    return ", ".join(f"{name}{'s' if len(values) > 1 else ''} {', '.join(values)}" for name, values in told.items())


def summarised(cells: Sequence[Cell], terminal: pytest.TerminalReporter, settings: Settings, seconds: float) -> None:
    """Print a line for each pair, and what claims that hold do not look at; write what reports are asked for."""
    report = report_of(cells, settings, seconds)
    pairs = pair_summaries(report.verdicts)
    width = name_width([overview.pair for overview in pairs], shutil.get_terminal_size((120, 24)).columns)
    terminal.section("eqprop")
    terminal.line(header(width))
    for overview in pairs:
        terminal.line(overview.line(width), green=overview.accepted, red=not overview.accepted)
    for line in report.unseen():
        terminal.line(line)
    terminal.line(searched_text(cells, settings))
    write(report, map(asked, settings.reports), terminal.line)


def updated(cells: Sequence[Cell], terminal: pytest.TerminalReporter, settings: Settings) -> None:
    """Write the ledger of what applied, and print what changed; nothing is written where something failed."""
    path = Path(settings.ledger_file)
    if any(not cell.verdict.accepted for cell in cells):
        terminal.line(f"{path} is left as it is: mend what fails first.", red=True)
        return
    told = {"profile": settings.profile, "seed": settings.seed, "precision": settings.precision}
    digests: dict[str, dict[str, str]] = {}
    for cell in cells:
        if cell.digest:
            digests.setdefault(cell.target, {})[cell.verdict.pair.name] = cell.digest
    found = ledger_of([(cell.target, cell.verdict) for cell in cells], told, digests)
    for line in rewritten(path, found, tests=True):
        terminal.line(line)


def shorten(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Show what eqprop raises without eqprop's own frames: its message says all, at the user's line.

    The traceback of the exception itself stays, for debuggers.
    """
    if isinstance(excinfo.value, EqpropError) and (shown := _without_own(excinfo.tb)):
        excinfo.traceback = type(excinfo.traceback)(shown)


def _without_own(tb: TracebackType | None) -> TracebackType | None:
    """Linked anew, because pytest follows the links of what it shows."""
    every: list[TracebackType] = []
    while tb is not None:
        every.append(tb)
        tb = tb.tb_next
    shown: TracebackType | None = None
    for one in reversed(every):
        if one.tb_frame.f_globals.get("__name__", "").partition(".")[0] != "eqprop":
            shown = TracebackType(shown, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return shown
