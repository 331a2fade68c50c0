"""The cells of the optimiser table: what is predicted of an optimiser and a group, and what a search finds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from eqprop.claims import Pair
from eqprop.engine import each, numbers_context, persistent_cache, separated_caches
from eqprop.errors import InvalidInput
from eqprop.optimizers import installed
from eqprop.optimizers.pairs import Column, columns
from eqprop.optimizers.zoo import ROWS, Row
from eqprop.probes import cast_probe, output_shapes, probes_of, user_loss
from eqprop.profiles import PROFILES
from eqprop.properties import Point, Property
from eqprop.properties.optimizers import CHARGE, charge_drift, optimizer_charge, optimizer_properties
from eqprop.results import Counterexample, Outcome, Record
from eqprop.runs import as_tasks, found
from eqprop.search import Failure, Options, Search, SearchTask, outcome_of

TARGET = "eqprop.optimizers.pairs:pairs"

PROFILE = replace(PROFILES["gate"], name="optimizers", examples=2, architectures=1, shrinks=1)
"""Pairs and losses are fixed: two batches of probes on one compiled program."""

DRIFTS = 16
"""Probes over which the drift of a charge is averaged (the median)."""

YES, NO, UNKNOWN, SINGULAR = "yes", "no", "?", "n/a"

ANSWERS = {Outcome.HOLDS: YES, Outcome.FALSIFIED: NO}
"""What the outcome of a cell says about commuting; any other leaves it open."""

Answer = tuple[str, str]
"""One of the words, and the reason where it needs one."""


@dataclass(frozen=True)
class Charge:
    """What happens to the charges of a group.

    Attributes:
        predicted: whether the first-order part of every step vanishes (``"yes"``, ``"no"``, ``"?"``, ``"n/a"``).
        found: likewise.
        drift: |Q(θ_T) − Q(θ₀)| / (‖θ₀‖ ‖k_ξ(θ₀)‖), the median over some probes; None where it was not measured.
        words: what is known.
    """

    predicted: str
    found: str
    drift: float | None
    words: str


@dataclass(frozen=True)
class Cell:
    """An optimiser and a group. Plain data.

    Attributes:
        optimizer: its name.
        group: its name.
        predicted: whether the optimiser commutes (``"yes"``, ``"no"``, ``"?"`` for a user's own, ``"n/a"``).
        step: what was found of one step (``"?"``: nothing was settled).
        trajectory: what was found of a trajectory.
        reason: why nothing was settled, or does not apply.
        resolution: the smallest relative error of a step that would have been noticed, median over probes.
        cleared: how many suspected probes a closer look found to be rounding.
        counterexample: of a "no".
        charge: of a group with charges.
        seconds: that it took.
    """

    optimizer: str
    group: str
    predicted: str
    step: str
    trajectory: str
    reason: str
    resolution: float | None
    cleared: int
    counterexample: Counterexample | None
    charge: Charge | None
    seconds: float = 0.0

    @property
    def found(self) -> str:
        """Of the step and the trajectory together: ``yes/no`` where they differ."""
        return self.step if self.step == self.trajectory else f"{self.step}/{self.trajectory}"

    @property
    def agrees(self) -> bool:
        """Whether everything was found as predicted, or something at all where nothing is predicted."""
        pairs = [(self.predicted, self.step), (self.predicted, self.trajectory)]
        pairs += [(self.charge.predicted, self.charge.found)] if self.charge else []
        as_said = all(seen != UNKNOWN if said == UNKNOWN else seen == said for said, seen in pairs)
        return as_said and (NO not in (self.step, self.trajectory) or self.counterexample is not None)

    def to_record(self) -> Record:
        """As JSON."""
        return asdict(self) | {"agrees": self.agrees}


SINGULAR_HESSIAN = "singular Hessian: a translation leaves the loss as it is, so H b = 0 everywhere"


REFUSED = "it refuses such parameters: "


def chosen(match: str, targets: Sequence[str] = ()) -> list[tuple[Row, Column]]:
    """The cells whose optimiser or group has a name with this text, row by row.

    Raises:
        InvalidInput: where there is none, or a target is no optimiser.
    """
    rows = [_own(target) for target in targets] or list(ROWS)
    of_rows = [row for row in rows if match.lower() in row.name]
    of_columns = [column for column in columns() if match.lower() in column.name]
    if not of_rows and not of_columns:
        msg = (
            f"--match {match!r} leaves nothing; the optimisers are: {', '.join(r.name for r in rows)}; the groups are: "
            f"{', '.join(c.name for c in columns())}."
        )
        raise InvalidInput(msg)
    return [(row, column) for row in of_rows or rows for column in of_columns or columns()]


def _own(target: str) -> Row:
    _, name, found_at = found(target)
    refuses = found_at.startswith(f"{installed.__name__}:")
    return Row(name, lambda: found(target)[0], charge="not predicted", address=found_at, refuses=refuses)


def searched(cells: Sequence[tuple[Row, Column]], save: Path | None, *, jobs: int = 1) -> Iterator[Cell]:
    """The cells with what is found, in order, each as soon as it and those before it are known.

    Raises:
        InvalidInput: where a process that searched some of them was killed.
    """
    tasks = [(row.name, row.address, column.name, save) for row, column in cells]
    if jobs == 1 or len(tasks) == 1:
        yield from map(_searched, tasks)
        return
    # Fresh interpreters: JAX's threads do not survive a fork.
    try:
        with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
            yield from pool.map(_searched, tasks)
    except BrokenProcessPool as error:
        msg = (
            "a process that searched cells of the table was killed (often the system's answer to a lack of memory); "
            "with --jobs 1 all are searched in this one."
        )
        raise InvalidInput(msg) from error


def _searched(task: tuple[str, str, str, Path | None]) -> Cell:
    name, address, group, save = task
    row = _own(address) if address else next(r for r in ROWS if r.name == name)
    return search_cell(row, next(c for c in columns() if c.name == group), save)


def search_cell(row: Row, column: Column, save: Path | None = None) -> Cell:
    """Search one cell, and shrink what contradicts commuting."""
    start = time.perf_counter()
    # In a function of its own: what a search has made is garbage before JAX's caches are cleared, and goes with them.
    with persistent_cache(), separated_caches("float64"):
        cell = _cell(row, column, save)
    return replace(cell, seconds=time.perf_counter() - start)


def _cell(row: Row, column: Column, save: Path | None) -> Cell:
    singular = row.hessian and column.maps is None
    optimizer = row.make()
    step, trajectory = (
        replace(prop, rests_on=())  # each is asked for itself
        for prop in optimizer_properties(optimizer, row.name, found_at=row.found_at)
    )
    properties = (step, trajectory, *((optimizer_charge(optimizer, row.name),) if column.charged else ()))
    search = Search(_task(column), Options(profile=PROFILE, properties=properties, save=save))
    answers, counterexample = _found(search, properties)
    measured = column.charged and not singular and CHARGE not in search.askable.errors
    drift, why = _drift_or_why(optimizer, row.name, column.pair) if measured else (None, "")
    if why:
        answers[CHARGE] = UNKNOWN, why
    if singular and all(found == UNKNOWN for found, _ in answers.values()):
        answers = dict.fromkeys(answers, (SINGULAR, SINGULAR_HESSIAN))
    if row.refuses and step.name in search.askable.errors:
        answers = dict.fromkeys(answers, (SINGULAR, f"{REFUSED}{search.askable.errors[step.name]}"))
    reasons = [reason for _, reason in answers.values() if reason]
    resolution = search.gathered.tallies[step.name].resolution()[0]
    return Cell(
        optimizer=row.name,
        group=column.name,
        predicted=SINGULAR if singular else _word(row.predicts(column.maps)),
        step=answers[step.name][0],
        trajectory=answers[trajectory.name][0],
        reason=reasons[0] if reasons else "",
        resolution=None if np.isnan(resolution) else resolution,
        cleared=sum(tally.cleared for tally in search.gathered.tallies.values()),
        counterexample=counterexample,
        charge=_charge(row, column, answers[CHARGE][0], drift, singular=singular) if column.charged else None,
    )


def _task(column: Column) -> SearchTask:
    (task,) = as_tasks(column.pair)
    return replace(task, address=TARGET)


def _found(search: Search, properties: Sequence[Property]) -> tuple[dict[str, Answer], Counterexample | None]:
    """The answer to each property, and a counterexample to the first that is violated."""
    try:
        search.explore()
        violated = search.gathered.violations
        broken = next((prop for prop in properties if prop.name in violated and prop.name != CHARGE), None)
        counterexample = search.told(broken) if broken else None
        evidence = search.evidence()
    except Exception as error:  # noqa: BLE001 - a user's own optimiser may raise anything
        return dict.fromkeys((prop.name for prop in properties), (UNKNOWN, Failure.of(error).reason)), None
    return {prop.name: _answer(*outcome_of(evidence, prop)) for prop in properties}, counterexample


def _answer(outcome: Outcome, reason: str) -> Answer:
    return ANSWERS.get(outcome, UNKNOWN), reason


def _word(answer: bool | None) -> str:
    return UNKNOWN if answer is None else YES if answer else NO


def _charge(row: Row, column: Column, found_is: str, drift: float | None, *, singular: bool) -> Charge:
    if singular:
        return Charge(SINGULAR, found_is, None, SINGULAR_HESSIAN)
    conserved = column.maps is None and row.predicts_charge(None)
    words = "conserved: u is orthogonal to the translation" if conserved else row.charge
    return Charge(_word(row.predicts_charge(column.maps)), found_is, drift, words)


def _drift_or_why(optimizer: object, name: str, pair: Pair) -> tuple[float | None, str]:
    """The drift of the charges, or why it cannot be measured."""
    try:
        return _drift(optimizer, name, pair), ""
    except Exception as error:  # noqa: BLE001 - a user's own optimiser may raise anything
        return None, Failure.of(error).reason


def _drift(optimizer: object, name: str, pair: Pair) -> float:
    """The median relative drift of a charge over a trajectory."""
    assert pair.model.loss is not None, "losses of the table are fixed"
    loss = user_loss(pair.model.loss)
    with numbers_context("float64"):
        needed = frozenset({"params", "inputs", "algebra", "targets"})
        drawn = probes_of(pair, loss, output_shapes(pair, "float64"), needed, np.random.default_rng(0), DRIFTS)
        probes = cast_probe(pair, drawn, "float64")
        what = f"the drift of the charges of {name!r}"
        drift, _, size = each(what, lambda probe: charge_drift(optimizer, Point(pair, probe, loss)), probes)
        return float(np.nanmedian(np.abs(drift) / size))
