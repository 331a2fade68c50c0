"""One task from its first draw to its verdicts, whatever its model raises."""

from __future__ import annotations

import time
from dataclasses import replace

from eqprop.engine import freed_memory_kept, separated_caches, unexpected
from eqprop.errors import EqpropError
from eqprop.results import Outcome, PairName, Progress, PropertyName, Verdict
from eqprop.search.ahead import Helper
from eqprop.search.driver import Search
from eqprop.search.task import Listener, Options, SearchTask, ignore


def search(
    task: SearchTask, options: Options, on_progress: Listener = ignore, helper: Helper | None = None
) -> tuple[Verdict, ...]:
    """One verdict for each asked property. A model that cannot be verified gives ``Outcome.ERROR`` with the reason.

    Args:
        task: the strategy of pairs, by name.
        options: what is asked of it, and how long.
        on_progress: told of each architecture.
        helper: judges a part of the batches of a fixed pair; the verdicts are the same.
    """
    on_progress(Progress(task.name, "started"))
    start = time.perf_counter()
    try:
        with separated_caches(options.precision), freed_memory_kept():
            verdicts = Search(task, options, on_progress, helper).verdicts()
    except EqpropError as error:
        verdicts = _errors(task, options, str(error))
    except Exception as error:  # noqa: BLE001 - nothing that a user's model raises may lose the other pairs' results
        verdicts = _errors(task, options, unexpected(error))
    seconds = time.perf_counter() - start
    verdicts = tuple(replace(verdict, seconds=seconds) for verdict in verdicts)
    on_progress(Progress(task.name, "finished", verdicts=verdicts))
    return verdicts


def _errors(task: SearchTask, options: Options, reason: str) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(PairName(task.name), PropertyName(p.name, p.order), Outcome.ERROR, reason) for p in options.properties
    )
