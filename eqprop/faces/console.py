"""What the commands of the command line share: lines of text, the number of jobs, a run with its display."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from eqprop.arguments import words_of
from eqprop.errors import InvalidInput
from eqprop.processes import Spawned
from eqprop.results import NO_DIGESTS, NOTHING_KEPT, Applying, Digests, Report, failure_blocks

if TYPE_CHECKING:
    from eqprop.search import Options, SearchTask

SLOW_TO_BUILD = 10.0
"""Seconds. A target that takes longer (it trains a network, say) is not built once more in every worker by default; to
import PyTorch takes half of that."""


def echo(text: str, stream: TextIO | None = None) -> None:
    """A line, as it is: click.echo writes UTF-8 to a stream that says it is ASCII.

    Whoever closed the output, or reads no more of it, wants no more; the exit code tells the rest.

    Raises:
        InvalidInput: where the output takes nothing: its disk is full.
    """
    out: TextIO | None = stream or sys.stdout
    if out is None:
        return
    try:
        out.write(f"{text}\n")
        out.flush()
    except BrokenPipeError:
        _silence(out)
    except OSError as error:
        _silence(out)
        msg = f"the output cannot be written: {words_of(error)}."
        raise InvalidInput(msg) from error


def _silence(out: TextIO) -> None:
    """What could not be written would be tried again when Python ends, whose exit code that would be then."""
    with suppress(OSError):  # a stream without a file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, out.fileno())
        os.close(null)


def jobs_of(text: str) -> int | None:
    """The number of jobs; None for ``auto``."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        msg = f"--jobs is {text!r}; expected a number from 1, or auto."
        raise click.UsageError(msg)
    return int(text)


def cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tasks_of(
    targets: tuple[str, ...], match: str = "", kept: Collection[str] = (), *, writing: bool = False
) -> tuple[list[SearchTask], bool]:
    """The tasks whose name contains a text, and whether a user's target took long to build.

    Args:
        targets: what is verified.
        match: the text.
        kept: the targets of which a ledger has cells. One that is gone is said, and its cells are missing.
        writing: whether that ledger is to be written. What cannot be found is a mistake then, and no cell is taken
            out for it.

    Raises:
        InvalidInput: where a target cannot be used, and where nothing is left that no ledger expects.
    """
    from eqprop.runs import Empty, Gone, resolve_all

    def say(target: str, error: Gone) -> None:
        if target not in kept or (writing and not isinstance(error, Empty)):
            raise error
        echo(f"eqprop: {error}", sys.stderr)

    start = time.perf_counter()
    tasks = resolve_all(targets, say)
    slow = any(":" in target for target in targets) and time.perf_counter() - start > SLOW_TO_BUILD
    matching = [task for task in tasks if match.lower() in task.name.lower()]
    if not (matching or kept):
        msg = f"--match {match!r} leaves no pair; the pairs are: {', '.join(s.name for s in tasks)}."
        raise InvalidInput(msg)
    return matching, slow


def run(
    tasks: list[SearchTask],
    options: Options,
    *,
    jobs: int,
    quiet: bool = False,
    verbose: bool = False,
    kept: Applying = NOTHING_KEPT,
    digests: Digests = NO_DIGESTS,
    early: Spawned | None = None,
) -> Report:
    """A run with its display; what was finished, where it is interrupted.

    Args:
        tasks: what is searched.
        options: how.
        jobs: in how many processes.
        quiet: whether the standard output is for something else.
        verbose: whether every property is shown.
        kept: what a ledger says must apply.
        digests: of the pairs of the ledger, where what is unchanged is not to be searched.
        early: see ``run_tasks``.
    """
    from eqprop.faces.display import board
    from eqprop.runs import Interrupted, run_tasks

    names = [task.name for task in tasks]
    show = board(names, architectures=options.profile.architectures, verbose=verbose, json=quiet, echo=echo)
    try:
        with show:
            return run_tasks(tasks, options, show, jobs=jobs, kept=kept, digests=digests, early=early)
    except Interrupted as stop:
        echo("eqprop: interrupted; what was finished:", sys.stderr)
        return stop.report


def print_report(report: Report) -> None:
    """What failed, then the summary."""
    for block in failure_blocks(report.verdicts):
        echo(f"\n{block}")
    echo(f"\n{report.summary()}")


def writable(folder: Path) -> Path | None:
    """The folder, if it can be made (with the first counterexample) and written to; else None, and says so."""
    from eqprop.counterexamples import folder_of, why_unwritable

    folder = folder_of(folder) or folder
    why = why_unwritable(folder)
    if why:
        echo(f"eqprop: counterexamples are not saved: {folder}: {why} (--save names another folder)", sys.stderr)
        return None
    return folder
