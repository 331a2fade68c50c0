"""Runs searches over subjects, here or in worker processes, and accounts for every expected cell."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from eqprop.cache import persistent_cache
from eqprop.cells import applying
from eqprop.errors import InvalidInput
from eqprop.ledger import Ledger
from eqprop.precision import separated_caches
from eqprop.profiles import GATE_SEED, profile_named
from eqprop.properties import CORE, KNOWN, LIBRARY, Property, by_name
from eqprop.report import Report
from eqprop.search import ignore, search
from eqprop.structures import LARGEST_SEED
from eqprop.subject import Options, Subject
from eqprop.verdict import Outcome, PairName, Progress, PropertyName, Verdict

Listener = Callable[[Progress], None]
PRECISIONS = ("float64", "model")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; ``report`` holds what was finished, and the other cells as missing."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__()


def make_options(
    *,
    profile: str = "gate",
    seed: int | None = None,
    precision: str = "float64",
    properties: Iterable[str | Property] | None = None,
    save: Path | None = None,
    architectures: int | None = None,
    optimizer: Any = None,
) -> Options:
    """The options of a run, from what users write; every face comes through here.

    Args:
        profile: a profile's name.
        seed: of the run; without one the profile decides whether runs repeat each other.
        precision: ``"float64"`` or ``"model"``.
        properties: names (or properties) to verify; all of the library by default, or (in ``quick``) its cheap part.
        save: the folder for counterexample files.
        architectures: how many distinct ones are probed, instead of the profile's number.
        optimizer: with optax's ``init`` and ``update``, or ``"package.module:attribute"`` of one; adds its properties.

    Raises:
        InvalidInput: for a name that there is not (naming those that there are), or a number out of range.
    """
    budget = profile_named(profile)
    if architectures is not None:
        if architectures < 1:
            msg = f"the number of architectures is {architectures}; expected at least 1."
            raise InvalidInput(msg)
        budget = budget.budgeted(architectures)
    if seed is None:
        seed = GATE_SEED if budget.fixed_seed else secrets.randbelow(LARGEST_SEED)
    if not 0 <= seed <= LARGEST_SEED:
        msg = f"the seed is {seed}; expected a number from 0 to {LARGEST_SEED}."
        raise InvalidInput(msg)
    if precision not in PRECISIONS:
        msg = f"the precision is {precision!r}; expected one of: {', '.join(PRECISIONS)}."
        raise InvalidInput(msg)
    return Options(
        profile=budget,
        seed=seed,
        precision="model" if precision == "model" else "float64",
        properties=_chosen(properties, optimizer, LIBRARY if budget.costly_batches else CORE),
        save=save,
    )


def _chosen(
    properties: Iterable[str | Property] | None, optimizer: Any, usual: tuple[Property, ...]
) -> tuple[Property, ...]:
    """In the order of the library; properties that are not of the library come last.

    Those of the optimiser are added, unless some of them are asked for by name.
    """
    of_optimizer: dict[str, Property] = {}
    if optimizer is not None:
        from eqprop.optimizers.target import properties_of

        of_optimizer = {p.name: p for p in properties_of(optimizer)}
    if properties is None:
        return (*usual, *of_optimizer.values())
    given = list(properties)
    if of_optimizer.keys().isdisjoint(p for p in given if isinstance(p, str)):
        given += of_optimizer.values()
    asked = [(of_optimizer.get(p) or by_name(p)) if isinstance(p, str) else p for p in given]
    if not asked:
        msg = f"properties is empty; expected some of: {', '.join(p.name for p in LIBRARY)}."
        raise InvalidInput(msg)
    return (*(p for p in LIBRARY if p in asked), *dict.fromkeys(p for p in asked if p not in LIBRARY))


def run_subjects(
    subjects: Sequence[Subject], options: Options, on_progress: Listener = ignore, *, jobs: int = 1
) -> Report:
    """Search every subject; the verdicts come in the order of the subjects, whatever the number of jobs.

    Args:
        subjects: what to verify; their names are distinct.
        options: of every search.
        on_progress: hears of every step.
        jobs: worker processes. Subjects without a target (objects passed in Python) and properties from outside the
            library cannot be found again by another process: a run that has one stays in this process.

    Raises:
        Interrupted: on Ctrl-C, with the report of what was finished.
    """
    start = time.perf_counter()
    ledger = Ledger()
    for subject in subjects:
        ledger.expect(subject.name, [p.name for p in options.properties], applying(subject, options))

    def report() -> Report:
        cells = [(subject.name, prop.name) for subject in subjects for prop in options.properties]
        filled = tuple(ledger.filled[cell] for cell in cells if cell in ledger.filled)
        seconds = time.perf_counter() - start
        return Report(filled, options.seed, options.profile.name, ledger.missing, seconds)

    try:
        portable = all(subject.target for subject in subjects) and set(options.properties) <= set(KNOWN)
        if jobs > 1 and len(subjects) > 1 and portable:
            from eqprop.workers import search_in_workers

            search_in_workers(subjects, options, on_progress, jobs=jobs, fill=ledger.fill)
        else:
            with separated_caches(options.precision):
                for subject in subjects:
                    ledger.fill(searched(subject, options, on_progress))
    except KeyboardInterrupt:
        raise Interrupted(report()) from None
    return report()


def searched(subject: Subject, options: Options, on_progress: Listener = ignore) -> tuple[Verdict, ...]:
    """One subject's verdicts, with the compilation cache on. A model that calls ``exit`` is an error like any other."""
    try:
        with persistent_cache():
            return search(subject, options, on_progress)
    except SystemExit as error:
        reason = f"the model ended the process (SystemExit: {error.code}); apply and the actions may not call exit()."
        return failed(subject.name, options, reason, on_progress)


def failed(name: str, options: Options, reason: str, on_progress: Listener = ignore) -> tuple[Verdict, ...]:
    """The verdicts of a subject whose search could not be finished."""
    verdicts = tuple(
        Verdict(PairName(name), PropertyName(p.name, p.order), Outcome.ERROR, reason) for p in options.properties
    )
    on_progress(Progress(name, "finished", verdicts=verdicts))
    return verdicts
