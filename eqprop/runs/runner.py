"""Runs searches over tasks, here or in worker processes, and accounts for every expected cell."""

from __future__ import annotations

import time
from collections.abc import Sequence

from eqprop.authoring import applying
from eqprop.engine import separated_caches
from eqprop.properties import KNOWN
from eqprop.results import NOTHING_KEPT, Applying, Ledger, Report
from eqprop.runs.peak import peak_memory
from eqprop.runs.places import place_of
from eqprop.runs.single import Listener, searched
from eqprop.runs.workers import search_in_workers
from eqprop.search import Options, SearchTask, ignore


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; ``report`` holds what was finished, and the other cells as missing."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__()


def run_tasks(
    tasks: Sequence[SearchTask],
    options: Options,
    on_progress: Listener = ignore,
    *,
    jobs: int = 1,
    kept: Applying = NOTHING_KEPT,
) -> Report:
    """Search every task; the verdicts come in the order of the tasks, whatever the number of jobs.

    Args:
        tasks: what to verify; their names are distinct.
        options: of every search.
        on_progress: hears of every step.
        jobs: worker processes. Subjects without a target (objects passed in Python) and properties from outside the
            library cannot be found again by another process: a run that has one stays in this process.
        kept: what a ledger says of pairs, those that are no task any more among them.

    Raises:
        Interrupted: on Ctrl-C, with the report of what was finished.
    """
    start = time.perf_counter()
    ledger = Ledger()
    for task in tasks:
        ledger.expect(task.name, [p.name for p in options.properties], applying(task, options))
    for pair, names in kept.items():
        ledger.expect(pair, names, names)

    def report() -> Report:
        found = ledger.verdicts({prop.name: prop.order for prop in (*KNOWN, *options.properties)})
        cells = [(task.name, prop.name) for task in tasks for prop in options.properties]
        ordered = tuple(found[cell] for cell in dict.fromkeys([*cells, *found]))
        failing = {verdict.pair.name for verdict in ordered if not verdict.accepted}
        places = {task.name: place for task in tasks if task.name in failing and (place := place_of(task))}
        seconds = time.perf_counter() - start
        return Report(ordered, options.seed, options.profile.name, seconds, peak_memory(), places)

    try:
        portable = all(task.address for task in tasks) and set(options.properties) <= set(KNOWN)
        if jobs > 1 and len(tasks) > 1 and portable:
            search_in_workers(tasks, options, on_progress, jobs=jobs, fill=ledger.fill)
        else:
            with separated_caches(options.precision):
                for task in tasks:
                    ledger.fill(searched(task, options, on_progress))
    except KeyboardInterrupt:
        raise Interrupted(report()) from None
    return report()
