"""The table optimiser × group, printed: what ``eqprop optimizers`` shows."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eqprop.optimizers.grid import NO, SINGULAR, UNKNOWN, YES, Cell, chosen, searched
from eqprop.optimizers.installed import addresses
from eqprop.optimizers.pairs import columns
from eqprop.optimizers.zoo import ROWS, require_optax
from eqprop.properties.optimizers import STEPS
from eqprop.results import cleared_text

STYLES = {YES: "green", NO: "cyan", SINGULAR: "dim"}

SILENCE = 10.0
"""Seconds without a sign of life, where no terminal shows one."""


def run(
    *,
    match: str,
    targets: Sequence[str],
    output: str,
    save: Path | None,
    jobs: int,
    verbose: bool,
    every: bool = False,
) -> tuple[str, int]:
    """What the command prints after its progress, and its exit code.

    Args:
        match: a part of the names of optimisers or of groups.
        targets: ``"package.module:attribute"`` of users' own optimisers; the fifteen of the table where there is none.
        output: ``"text"`` or ``"json"``.
        save: the folder for counterexamples.
        jobs: worker processes.
        verbose: whether counterexamples are printed.
        every: whether all optimisers of optax, optax.contrib and torch.optim that are installed are targets.

    Raises:
        InvalidInput: without optax, for a match that leaves nothing, or a target that is no optimiser.
    """
    require_optax()
    wanted = chosen(match, (*targets, *addresses()) if every else targets)
    start = time.perf_counter()
    cells: list[Cell] = []
    with _progress(len(wanted)) as tell:
        for cell in searched(wanted, save, jobs=jobs):
            cells.append(cell)
            tell(cell)
    seconds = time.perf_counter() - start
    code = 0 if all(cell.agrees for cell in cells) else 1
    text = _as_json(cells, seconds, code) if output == "json" else _as_text(cells, seconds, save, verbose=verbose)
    return text, code


@contextmanager
def _progress(total: int) -> Generator[Callable[[Cell], None]]:
    """A line on a terminal's standard error that is gone afterwards; elsewhere one every ten seconds."""
    console = Console(file=sys.stderr)
    numbers = count(1)

    def line(cell: Cell) -> str:
        return f"{next(numbers)} of {total} cells, {cell.optimizer} × {cell.group}: {cell.found}"

    if sys.stderr.isatty() and not console.is_dumb_terminal:
        with console.status(f"0 of {total} cells") as status:
            yield lambda cell: status.update(line(cell))
        return
    latest = time.monotonic()

    def tell(cell: Cell) -> None:
        nonlocal latest
        text = line(cell)
        if time.monotonic() - latest >= SILENCE:
            latest = time.monotonic()
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    yield tell


def _as_json(cells: Sequence[Cell], seconds: float, code: int) -> str:
    record = {"exit_code": code, "seconds": seconds, "steps": STEPS, "cells": [cell.to_record() for cell in cells]}
    return json.dumps(record, indent=2, ensure_ascii=False)


def _as_text(cells: Sequence[Cell], seconds: float, save: Path | None, *, verbose: bool) -> str:
    # FORCE_COLOR must not put control codes into a pipe.
    console = Console(highlight=False, force_terminal=None if sys.stdout.isatty() else False)
    with console.capture() as captured:
        console.print(_commuting(cells))
        for line in _legend(cells):
            console.print(line)
        charges = [cell for cell in cells if cell.charge]
        if charges:
            console.print()
            console.print(_charges(charges))
            console.print(CHARGE_LEGEND)
        console.print()
        for line in _remarks(cells, seconds, save, verbose=verbose):
            console.print(line)
    examples = [f"\n{cell.counterexample}" for cell in cells if cell.counterexample] if verbose else []
    return "\n".join([captured.get().strip("\n"), *examples])


def _by_row(cells: Sequence[Cell]) -> dict[str, dict[str, Cell]]:
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.optimizer, {})[cell.group] = cell
    return rows


def _table(first: str, *heads: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for head in heads:
        table.add_column(head, no_wrap=True)
    return table


def _commuting(cells: Sequence[Cell]) -> Table:
    shown = [column for column in columns() if any(cell.group == column.name for cell in cells)]
    table = _table("optimizer", *(column.head for column in shown))
    for name, row in _by_row(cells).items():
        table.add_row(name, *(_mark(row.get(column.name)) for column in shown))
    return table


def _mark(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    if cell.agrees or cell.predicted == cell.step == cell.trajectory:
        return Text(cell.found, style=STYLES.get(cell.found, "yellow"))
    return Text(f"{cell.found}!", style="bold red")


def _legend(cells: Sequence[Cell]) -> Iterator[Text]:
    yield Text(f"yes: one step and {STEPS} steps commute with the group; no: with a counterexample", style="dim")
    for column in columns():
        if any(cell.group == column.name for cell in cells):
            yield Text(f"  {column.head:<6} {column.name}: {column.text}", style="dim")


CHARGE_LEGEND = Text(
    "A step u moves a charge by ⟨u, k⟩ + ½⟨u, A u⟩. u·k: the first term is there; η²: it vanishes at every step; 0: so "
    f"does the second. The numbers: |Q(θ_T) − Q(θ₀)| / ‖θ₀‖‖k(θ₀)‖ after {STEPS} steps, median.",
    style="dim",
)


def _charges(cells: Sequence[Cell]) -> Table:
    shown = [column for column in columns() if any(cell.group == column.name for cell in cells)]
    table = _table("charges", *(column.head for column in shown))
    table.add_column("what happens to them")
    words = {row.name: row.charge for row in ROWS}
    for name, row in _by_row(cells).items():
        table.add_row(name, *(_drift(row.get(c.name)) for c in shown), words.get(name, "not predicted"))
    return table


def _drift(cell: Cell | None) -> Text:
    if cell is None or cell.charge is None:
        return Text("")
    charge = cell.charge
    moves = next(column for column in columns() if column.name == cell.group).maps is not None
    order = {YES: "η²" if moves else "0", NO: "u·k"}.get(charge.found, charge.found)
    size = "" if charge.drift is None else f" {charge.drift:.0e}"
    as_said = charge.found == charge.predicted or (charge.predicted == UNKNOWN != charge.found)
    return Text(f"{order}{size}" if as_said else f"{order}{size}!", style="" if as_said else "bold red")


def _remarks(cells: Sequence[Cell], seconds: float, save: Path | None, *, verbose: bool) -> Iterator[Text]:
    for cell in cells:
        if not cell.agrees:
            charge = f"; charge: predicted {cell.charge.predicted}, found {cell.charge.found}" if cell.charge else ""
            why = f": {cell.reason}" if cell.reason else ""
            found = f"predicted {cell.predicted}, found {cell.found}{charge}{why}"
            yield Text(f"{cell.optimizer} × {cell.group}: {found}", style="bold red")
    for reason in dict.fromkeys(cell.reason for cell in cells if cell.found == SINGULAR):
        yield Text(f"n/a: {reason}", style="dim")
    cleared = cleared_text(sum(cell.cleared for cell in cells))
    if cleared:
        yield Text(cleared, style="dim")
    counts = [sum(cell.found == answer for cell in cells) for answer in (YES, NO, SINGULAR)]
    agreeing = sum(cell.agrees for cell in cells)
    examples = [cell.counterexample for cell in cells if cell.counterexample]
    where = f" in {save}" if save and any(example.file for example in examples) else ""
    hint = "" if verbose or not examples else " (--verbose prints them)"
    yield Text(
        f"{len(cells)} cells in {seconds:.0f} s: {counts[0]} yes, {counts[1]} no, {counts[2]} n/a; ", end=""
    ).append(f"{agreeing} as predicted; {len(examples)} counterexamples{where}{hint}")
