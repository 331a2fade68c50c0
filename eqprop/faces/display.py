"""How a run looks while it goes on: lines that stay for finished pairs, on a terminal a live part for running ones."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event, Thread
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from eqprop.results import (
    Outcome,
    PairSummary,
    Progress,
    cell_line,
    cell_lines,
    evaluation_lines,
    fitted,
    header,
    name_width,
)

STYLES = {
    Outcome.HOLDS: "green",
    Outcome.KNOWN_FAILURE: "green",
    Outcome.NOT_APPLICABLE: "dim",
    Outcome.UNCHANGED: "dim",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.BLOCKED: "yellow",
}
"""Everything else is red."""


class Board(AbstractContextManager["Board"]):
    """Listens to progress; the base class shows nothing."""

    def __call__(self, progress: Progress) -> None:
        """Hear of a step."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Leave the terminal as it was."""


SILENT = 10.0
"""Seconds without a line after which a run that is not on a terminal says on the standard error that it goes on."""


class SilentBoard(Board):
    """Nothing but signs of life on the standard error, where the standard output is JSON.

    Args:
        otherwise: what goes on while no pair is searched.
        hint: is said behind each sign, where they come so rarely that there is room.
    """

    def __init__(self, otherwise: str = "", hint: str = "") -> None:
        self.otherwise = otherwise
        self.hint = hint
        self.running: dict[str, Progress] = {}
        self.start = self.said = time.perf_counter()
        self.ended = Event()

    def __enter__(self) -> SilentBoard:
        Thread(target=self._live, name="eqprop-signs-of-life", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.ended.set()

    def _live(self) -> None:
        while not self.ended.wait(SILENT / 10):
            now = time.perf_counter()
            if now - self.said >= SILENT:
                self.said = now
                sys.stderr.write(f"{now - self.start:.0f} s: {self.sign()}\n")
                sys.stderr.flush()

    def sign(self) -> str:
        """What goes on."""
        doing = ", ".join(map(_doing, list(self.running.values()))) or self.otherwise
        return f"{doing}{self.hint}"

    def __call__(self, progress: Progress) -> None:
        if progress.stage == "finished":
            self.running.pop(progress.pair, None)
        else:
            self.running[progress.pair] = progress


class StatusBoard(SilentBoard):
    """The same on a terminal: one line on its standard error, which is gone afterwards."""

    def __enter__(self) -> StatusBoard:
        self.status = Console(file=sys.stderr).status(self.sign())
        self.status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.status.stop()

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        self.status.update(self.sign())


class PlainBoard(SilentBoard):
    """A line for each finished pair, for pipes and logs: no control codes, nothing that moves."""

    def __init__(self, names: Sequence[str], echo: Callable[[str], None], *, verbose: bool = False) -> None:
        super().__init__()
        self.width = name_width(names, shutil.get_terminal_size((120, 24)).columns)
        self.echo = echo
        self.verbose = verbose
        echo(header(self.width))

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if not progress.verdicts:
            return
        self.said = time.perf_counter()
        if progress.stage == "settled":
            for _, line in settled_lines(progress):
                self.echo(line)
            return
        overview = PairSummary.of(progress.verdicts)
        self.echo(overview.line(self.width))
        if self.verbose or overview.worth_details:
            for _, line in cell_lines(progress.verdicts):
                self.echo(line)
        for line in evaluation_lines(progress.verdicts) if self.verbose else ():
            self.echo(line)


def settled_lines(progress: Progress) -> list[tuple[Outcome, str]]:
    """What is settled of a pair so far, a line for each property."""
    return [(v.outcome, f"{cell_line(v)} so far, for {progress.pair}") for v in progress.verdicts]


def _doing(progress: Progress) -> str:
    """What goes on in one pair, in a few words."""
    stage = f"shrinking {progress.shrinking}" if progress.shrinking else progress.stage
    return f"{progress.pair} ({stage}, {progress.probes} probes of {progress.architectures} architectures)"


class LiveBoard(Board):
    """The same lines in colour, and below them what is being searched at the moment.

    Only running pairs are redrawn, so that any number of pairs fits on any terminal and finished lines scroll away.
    """

    def __init__(self, names: Sequence[str], console: Console, *, architectures: int, verbose: bool = False) -> None:
        self.console = console
        self.total = len(names)
        self.finished = 0
        self.architectures = architectures
        self.verbose = verbose
        self.width = name_width(names, console.width)
        self.running: dict[str, Progress] = {}
        self.started: dict[str, float] = {}
        self.start = time.perf_counter()
        self.live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveBoard:
        self._print(Text(header(self.width), style="bold"))
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.live.stop()

    def __call__(self, progress: Progress) -> None:
        if progress.stage == "settled":
            for outcome, line in settled_lines(progress):
                self._print(Text(line, style=STYLES.get(outcome, "red")))
        if progress.stage != "finished":
            self.started.setdefault(progress.pair, time.perf_counter())
            self.running[progress.pair] = progress
            return
        self.running.pop(progress.pair, None)
        self.finished += 1
        if not progress.verdicts:
            return
        overview = PairSummary.of(progress.verdicts)
        result = Text(overview.result, style=STYLES.get(overview.outcome, "bold red"))
        self._print(Text(f"{overview.numbers(self.width)}  ").append_text(result))
        if self.verbose or overview.worth_details:
            for outcome, line in cell_lines(progress.verdicts):
                self._print(Text(line, style=STYLES.get(outcome, "red")))
        for line in evaluation_lines(progress.verdicts) if self.verbose else ():
            self._print(Text(line, style="dim"))

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True, highlight=False)

    def _render(self) -> Group:
        now = time.perf_counter()
        # A copy: progress arrives while the display's own thread draws.
        lines = [
            Text(self._running_line(progress, now - self.started[name]), style="cyan", no_wrap=True, overflow="crop")
            for name, progress in list(self.running.items())
        ]
        count = Text(f"{self.finished} of {self.total} pairs, {now - self.start:.0f} s", style="dim")
        return Group(*lines, count)

    def _running_line(self, progress: Progress, seconds: float) -> str:
        doing = f"shrinking {progress.shrinking}" if progress.shrinking else progress.stage
        archs = f"{progress.architectures}/{self.architectures}"
        blank = " " * 33  # four orders and the resolution
        return f"{fitted(progress.pair, self.width)}{blank}{archs:>6} {progress.probes:>7} {seconds:>6.1f}s  {doing}"


def board(names: Sequence[str], *, architectures: int, verbose: bool, json: bool, echo: Callable[[str], None]) -> Board:
    """The board that suits the output: live on a terminal, lines elsewhere; beside JSON only on the standard error."""
    console = Console(file=sys.stderr if json else sys.stdout)
    if moves(console):
        return LiveBoard(names, console, architectures=architectures, verbose=verbose)
    return SilentBoard() if json else PlainBoard(names, echo, verbose=verbose)


def signs_of_life(otherwise: str, hint: str = "") -> Board:
    """A board of a command whose answer comes at its end; for its arguments see ``SilentBoard``."""
    return StatusBoard(otherwise) if moves(Console(file=sys.stderr)) else SilentBoard(otherwise, hint)


def moves(console: Console) -> bool:
    """Whether lines may be drawn again. Not ``console.is_terminal``: FORCE_COLOR puts no cursor movements in a pipe."""
    return console.file.isatty() and not console.is_dumb_terminal
