"""Runs searches over tasks, here or in worker processes, and accounts for every expected cell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext

from eqprop.authoring import applying
from eqprop.engine import separated_caches
from eqprop.processes import Spawned
from eqprop.properties import KNOWN
from eqprop.results import NO_DIGESTS, NOTHING_KEPT, Applying, Digests, Ledger, Progress, Report
from eqprop.runs.beside import helper_of
from eqprop.runs.peak import peak_memory
from eqprop.runs.places import place_of
from eqprop.runs.single import searched
from eqprop.runs.unchanged import Told, as_kept
from eqprop.runs.workers import search_in_workers
from eqprop.search import Listener, Options, SearchTask, ignore


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
    digests: Digests = NO_DIGESTS,
    early: Spawned | None = None,
) -> Report:
    """Search every task; the verdicts come in the order of the tasks, whatever the number of jobs.

    Args:
        tasks: what to verify; their names are distinct.
        options: of every search.
        on_progress: hears of every step.
        jobs: how many processes; a second one judges a part of the batches of a single pair. Subjects without a target
            (objects passed in Python) and properties from outside the library cannot be found again by another process:
            a run that has one stays in this process.
        kept: what a ledger says of pairs, those that are no task any more among them.
        digests: pair → that of a ledger, where what is unchanged since is not to be searched.
        early: that second process, where it was started before anything was known; it is ended.

    Raises:
        Interrupted: on Ctrl-C, with the report of what was finished.
    """
    start = time.perf_counter()
    ledger, told = Ledger(), Told()
    for task in tasks:
        ledger.expect(task.name, [p.name for p in options.properties], applying(task, options))
    for pair, names in kept.items():
        ledger.expect(pair, names, names)

    def report(why: str = "") -> Report:
        found = ledger.verdicts({prop.name: prop.order for prop in (*KNOWN, *options.properties)}, why)
        cells = [(task.name, prop.name) for task in tasks for prop in options.properties]
        ordered = tuple(found[cell] for cell in dict.fromkeys([*cells, *found]))
        failing = {verdict.pair.name for verdict in ordered if not verdict.accepted}
        places = {task.name: place for task in tasks if task.name in failing and (place := place_of(task))}
        seconds = time.perf_counter() - start
        return Report(ordered, options.seed, options.profile.name, seconds, peak_memory(), places)

    def unchanged(task: SearchTask) -> bool:
        found = as_kept(task, options, digests.get(task.name, ""), kept.get(task.name, ()), told)
        if found:
            ledger.fill(found)
            on_progress(Progress(task.name, "finished", verdicts=found))
        return bool(found)

    try:
        left = [task for task in tasks if not unchanged(task)]
        portable = all(task.address for task in tasks) and set(options.properties) <= set(KNOWN)
        single = jobs > 1 and len(left) == 1
        if early is not None and not single:
            early.stop()
        if jobs > 1 and len(left) > 1 and portable:
            search_in_workers(left, options, on_progress, jobs=jobs, fill=ledger.fill)
        else:
            helped = helper_of(left[0], options, early) if single else nullcontext()
            with helped as helper, separated_caches(options.precision):
                for task in left:
                    ledger.fill(searched(task, options, on_progress, helper))
    except KeyboardInterrupt:
        raise Interrupted(report("the run was interrupted before")) from None
    return report()
