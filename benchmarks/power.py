"""Power: every mutant of the catalog against every property, and how readable and how quick the counterexamples are.

    python -m benchmarks.power            # the kill matrix
    python -m benchmarks.power --costly   # of all properties, trajectories and spectra included
    python -m benchmarks.power --shrink   # with counterexamples: readability and shrinking time
    python -m benchmarks.power --write    # also keep the matrix, in eqprop/authoring/kills.json, for the reference
    python -m benchmarks.power --new      # only mutants that the matrix does not have
    python -m benchmarks.power --write --from NAME   # go on with a run that was cut short there

A mutant counts as caught where a property of its own order is falsified and none of a lower order. Without ``--costly``
only properties up to its order are asked, the costly ones where no other catches it; what the matrix has of the others
stays.
"""

from __future__ import annotations

import ast
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from string import ascii_letters, digits, punctuation

import click
import numpy as np

from eqprop.authoring import kills
from eqprop.engine import persistent_cache
from eqprop.mutants import Mutant
from eqprop.probes import READABLE
from eqprop.profiles import PROFILES
from eqprop.properties import CORE, LIBRARY, Property, by_name
from eqprop.registry import Entry, entries
from eqprop.results import Counterexample
from eqprop.search import Options, Search, SearchTask

ARCHITECTURES = 3
WRITTEN_EVERY = 50
"""Mutants between two times that the matrix is kept: the whole takes the better part of an hour."""
MOST_UNITS = 2
MOST_NUMBERS = 16
LETTERS = ascii_letters + digits + punctuation
"""A property each, in the order of the library."""

PROFILE = PROFILES["gate"].budgeted(ARCHITECTURES, name="power", costly_batches=1)


@dataclass(frozen=True)
class Trial:
    """What the search made of one mutant."""

    entry: str
    mutant: str
    order: int
    killers: frozenset[str]
    counterexamples: tuple[Counterexample, ...] = ()
    shrink_seconds: tuple[float, ...] = field(default=())

    @property
    def lowest(self) -> int | None:
        """The lowest order of a falsified property."""
        return min((by_name(name).order for name in self.killers), default=None)

    @property
    def caught(self) -> bool:
        return self.lowest == self.order


def trial(entry: Entry, mutant: Mutant, *, seed: int = 0, shrink: bool = False, costly: bool = True) -> Trial:
    """Search one mutant on a few architectures; every falsified property is recorded, blocked or not."""
    name = f"{entry.name}[{mutant.name}]"
    task = SearchTask(name, mutant.of(entry.pairs), address=f"catalog:{name}")
    cheap = tuple(prop for prop in CORE if prop.order <= mutant.order)
    search = _explored(task, LIBRARY if costly else cheap, seed)
    if not costly and not Trial(entry.name, mutant.name, mutant.order, frozenset(search.gathered.violations)).caught:
        search = _explored(task, LIBRARY, seed)
    killers = frozenset(search.gathered.violations)
    found: list[Counterexample] = []
    seconds: list[float] = []
    if shrink:
        for prop in search.gathered.to_shrink():
            start = time.perf_counter()
            found.append(search.counterexample(prop))
            seconds.append(time.perf_counter() - start)
    return Trial(entry.name, mutant.name, mutant.order, killers, tuple(found), tuple(seconds))


def _explored(task: SearchTask, properties: tuple[Property, ...], seed: int) -> Search:
    search = Search(task, Options(PROFILE, seed=seed, properties=properties, judge_blocked=True))
    search.explore()
    search.expect_evaluated()
    return search


def named_trial(cell: tuple[str, str], seed: int, shrink: bool, costly: bool) -> Trial:
    """One cell in a worker process; what it returns is plain data."""
    chosen = entries()[cell[0]]
    with persistent_cache():
        return trial(chosen, chosen.mutant(cell[1]), seed=seed, shrink=shrink, costly=costly)


def is_readable(found: Counterexample) -> bool:
    """Whether every size that was drawn is at most 2, and at most 16 numbers are not zero, all of them simple.

    Zeros are not counted, because the smallest network may have more parameters: a GRU of two units has 20.
    """
    sizes = [size for drawn in found.architecture.values() for size in _whole_numbers(ast.literal_eval(drawn))]
    leaves = [leaf for arrays in found.recipe["probe"].values() for leaf in arrays.values()]
    numbers = np.array([value for leaf in leaves for value in leaf["values"]], dtype=float)
    simple = bool(np.isin(numbers, [0.0, *READABLE]).all())
    return max(sizes, default=0) <= MOST_UNITS and np.count_nonzero(numbers) <= MOST_NUMBERS and simple


def _whole_numbers(drawn: object) -> list[int]:
    values = drawn if isinstance(drawn, tuple) else (drawn,)
    return [value for value in values if isinstance(value, int) and not isinstance(value, bool)]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--costly", is_flag=True, help="Judge the costly properties as well, whatever catches the mutant.")
@click.option("--new", is_flag=True, help="Only mutants that the matrix does not have.")
@click.option("--shrink", is_flag=True, help="Also shrink, and report readability and time.")
@click.option("--match", default="", help="Only entries whose name contains this.")
@click.option("--mutant", default="", help="Only mutants whose name contains this.")
@click.option("--from", "first", metavar="ENTRY", help="Only this entry and those behind it in the catalog.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--write",
    is_flag=True,
    help="Also keep what was found in eqprop/authoring/kills.json, and the rest as it is there.",
)
@click.option("--jobs", default=os.cpu_count(), show_default=True, help="Worker processes.")
def main(
    *,
    costly: bool,
    new: bool,
    shrink: bool,
    match: str,
    mutant: str,
    first: str | None,
    seed: int,
    write: bool,
    jobs: int,
) -> None:
    """Print the matrix property × mutant."""
    columns = dict(zip(LETTERS, LIBRARY, strict=False))
    for letter, prop in columns.items():
        click.echo(f"{letter}  {prop.name} (order {prop.order})")
    click.echo()
    asked = [entry for entry in _beginning_with(first) if match in entry.name]
    of_entries = [(entry.name, m.name) for entry in asked for m in entry.mutants]
    known = {kill.cell for kill in kills.kills()} if new else frozenset[tuple[str, str]]()
    cells = [cell for cell in of_entries if mutant in cell[1] and cell not in known]
    trials: list[Trial] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for t in pool.map(partial(named_trial, seed=seed, shrink=shrink, costly=costly), cells):
            row = "".join(letter if prop.name in t.killers else "·" for letter, prop in columns.items())
            mark = "caught" if t.caught else f"NOT CAUGHT at its order (lowest: {t.lowest})"
            click.echo(f"{row}  order {t.order}  {t.entry}: {t.mutant}  {mark}")
            trials.append(t)
            if write and len(trials) % WRITTEN_EVERY == 0:
                _write(trials, costly=costly)
    _summary(trials, shrink=shrink)
    if write:
        _write(trials, costly=costly)
    if not all(t.caught for t in trials):
        raise SystemExit(1)


def _beginning_with(name: str | None) -> list[Entry]:
    """The entries of the catalog in its order, all or from this one on."""
    catalog = entries()
    if name is None:
        return list(catalog.values())
    if name not in catalog:
        msg = f"no entry is named {name!r}; `eqprop list` shows them"
        raise click.BadParameter(msg, param_hint="--from")
    return list(catalog.values())[list(catalog).index(name) :]


def _write(trials: list[Trial], *, costly: bool) -> None:
    """Keep the kill matrix in the package: what was measured anew, and of the rest what is still in the catalog."""
    file = Path(kills.__file__).with_name(kills.FILE)
    kept = {} if costly else {kill.cell: _not_asked_of(kill) for kill in kills.kills()}
    new = [
        kills.Kill(t.entry, t.mutant, t.order, tuple(sorted(t.killers | kept.get((t.entry, t.mutant), frozenset()))))
        for t in trials
    ]
    matrix = kills.updated(kills.kills(), new, kills.own_cells())
    file.write_text(kills.written(matrix), encoding="utf-8")
    click.echo(f"{file}: {len(matrix)} of {len(kills.own_cells())} mutants")


def _not_asked_of(kill: kills.Kill) -> frozenset[str]:
    found = (by_name(name) for name in kill.falsified)
    return frozenset(prop.name for prop in found if prop.costly or prop.order > kill.order)


def _summary(trials: list[Trial], *, shrink: bool) -> None:
    killed = {name for t in trials for name in t.killers}
    idle = [p.name for p in LIBRARY if p.name not in killed]
    click.echo(f"\n{sum(t.caught for t in trials)} of {len(trials)} mutants caught at their own order")
    busy = len(LIBRARY) - len(idle)
    click.echo(f"{busy} of {len(LIBRARY)} properties kill a mutant; idle: {', '.join(idle) or 'none'}")
    if not shrink:
        return
    simplest = [
        min(t.counterexamples, key=lambda found: (not is_readable(found), found.numbers))
        for t in trials
        if t.counterexamples
    ]
    readable = [found for found in simplest if is_readable(found)]
    seconds = [s for t in trials for s in t.shrink_seconds[:1]]
    click.echo(f"{len(readable)} of {len(simplest)} mutants have a readable counterexample")
    for found in simplest:
        if found not in readable:
            click.echo(f"  not: {found.pair}, {found.property}: {found.numbers} numbers, {dict(found.architecture)}")
    click.echo(f"shrinking: median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s")


if __name__ == "__main__":
    main()
