"""Searches in worker processes that may die without taking anything else with them.

Each worker builds the tasks again from their target, because strategies and compiled functions cannot be sent. A pool
from the standard library is not used: one dead worker breaks all of ``ProcessPoolExecutor``, and hangs
``multiprocessing.Pool``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

from eqprop.errors import InvalidInput
from eqprop.kept import Allowance, KnownFailure
from eqprop.processes import Spawned, spawned
from eqprop.properties import by_name
from eqprop.results import Progress, Verdict
from eqprop.runs.single import failed, searched
from eqprop.runs.targets import resolve
from eqprop.search import Listener, Options, SearchTask

Fill = Callable[[Iterable[Verdict]], None]
Verdicts = tuple[Verdict, ...]


@dataclass
class Worker:
    """A process, and the task that it is searching."""

    beside: Spawned
    task: SearchTask | None = None


@dataclass(frozen=True)
class Known:
    """What a project says of a task's failures."""

    failures: dict[str, str]
    allowed: dict[str, Allowance]
    baseline: dict[str, KnownFailure]


def search_in_workers(
    tasks: Sequence[SearchTask], options: Options, on_progress: Listener, *, jobs: int, fill: Fill
) -> None:
    """Search the tasks in at most ``jobs`` processes; ``fill`` gets each one's verdicts as they arrive.

    A worker that dies (a crash, the system's memory limit, ``os._exit``) gives ``Outcome.ERROR`` for the task that
    it was searching, and is replaced.
    """
    waiting = deque(tasks)
    workers = [_started(options) for _ in range(min(jobs, len(tasks)))]
    try:
        for worker in workers:
            _hand(worker, waiting)
        while busy := [worker for worker in workers if worker.task]:
            ready = wait([worker.beside.pipe for worker in busy])
            for worker in (worker for worker in busy if worker.beside.pipe in ready):
                verdicts = _heard(worker, options, on_progress)
                if verdicts is None:
                    continue
                fill(verdicts)
                if worker.beside.process.exitcode is None or not waiting:
                    _hand(worker, waiting)
                    continue
                workers[workers.index(worker)] = replacement = _started(options)
                _hand(replacement, waiting)
    finally:
        for worker in workers:
            worker.beside.stop()


def _started(options: Options) -> Worker:
    names = tuple(p.name for p in options.properties)
    plain = replace(options, properties=())  # they are functions at heart, and travel by name
    return Worker(spawned(_work, plain, names))


def _hand(worker: Worker, waiting: deque[SearchTask]) -> None:
    """Give a worker the next task, or none."""
    worker.task = waiting.popleft() if waiting else None
    if worker.task:
        try:
            task = worker.task
            worker.beside.pipe.send(
                (task.address, task.name, dict(task.known_failures), dict(task.allowed), dict(task.baseline))
            )
        except OSError:
            return  # it died meanwhile; reading its pipe says so


def _heard(worker: Worker, options: Options, on_progress: Listener) -> Verdicts | None:
    """The verdicts of the worker's task, or None for a mere step towards them."""
    assert worker.task is not None, "only busy workers are listened to"
    try:
        message: Progress | Verdicts = worker.beside.pipe.recv()
    except (EOFError, OSError):
        worker.beside.process.join()
        return failed(worker.task.name, options, _epitaph(worker.beside.process.exitcode), on_progress)
    if isinstance(message, Progress):
        on_progress(message)
        return None
    return message


def _epitaph(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        likely = " (often the system's answer to a lack of memory)" if name == "SIGKILL" else ""
        return f"the process that searched it was killed by {name}{likely}."
    return f"the process that searched it ended with exit code {code} before it had a result."


# ---- in the worker ---------------------------------------------------------------------------------------------------


def _work(pipe: Connection, plain: Options, names: tuple[str, ...]) -> None:
    """Search what comes through the pipe until it closes."""
    # What models print would tear the table apart, and is no part of the JSON.
    sys.stdout.flush()
    os.dup2(2, 1)
    options = replace(plain, properties=tuple(by_name(name) for name in names))
    resolved: dict[str, dict[str, SearchTask]] = {}
    while True:
        try:
            target, name, *known = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(target, name, Known(*known), options, resolved, pipe.send))


def _answer(
    target: str,
    name: str,
    known: Known,
    options: Options,
    resolved: dict[str, dict[str, SearchTask]],
    tell: Listener,
) -> Verdicts:
    try:
        if target not in resolved:
            resolved[target] = {task.name: task for task in resolve(target)}
    except InvalidInput as error:
        return failed(name, options, str(error), tell)
    if name not in resolved[target]:
        reason = (
            f"{target} gave {name!r} in one process and {', '.join(resolved[target])} in another; expected the same."
        )
        return failed(name, options, reason, tell)
    task = replace(
        resolved[target][name], known_failures=known.failures, allowed=known.allowed, baseline=known.baseline
    )
    return searched(task, options, tell)
