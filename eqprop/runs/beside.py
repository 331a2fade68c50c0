"""A second process for the search of a single pair: it has the same pair, and judges a part of its batches."""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from multiprocessing.connection import Connection

import jax

from eqprop.engine import OutOfTime, freed_memory_kept, persistent_cache, seconds_left, separated_caches
from eqprop.processes import Spawned, end_with_this, heard, spawned
from eqprop.properties import KNOWN, by_name
from eqprop.runs.targets import resolve
from eqprop.search import Ask, Helper, HelperGone, Judge, Options, SearchTask, Told


@contextmanager
def helper_of(task: SearchTask, options: Options, early: Spawned | None = None) -> Generator[Helper | None]:
    """A process that helps with a task; None where it cannot find the pair, or is longer in starting than it takes off.

    It finds what has an address, and properties of the library. The costly ones are what it helps with; of the catalog
    each structure is another pair, and an accelerator's memory is one process's.

    Args:
        task: what is searched.
        options: of the search.
        early: the process, where it is there: it runs ``help_with``.
    """
    found = task.address and set(options.properties) <= set(KNOWN)
    costly = any(prop.costly for prop in options.properties)
    known = task.built_in or task.control or task.baseline
    if not (found and costly) or known or jax.default_backend() != "cpu":
        if early is not None:
            early.stop()
        yield None
        return
    beside = early or spawned(help_with)
    try:
        yield Beside(beside, task, options)
    finally:
        beside.stop()


class Beside:
    """See ``Helper``.

    Args:
        beside: the process, which runs ``help_with``.
        task: what is searched; the process can find it.
        options: of the search, with properties of the library.
    """

    def __init__(self, beside: Spawned, task: SearchTask, options: Options) -> None:
        self._beside, self._pipe = beside, beside.pipe
        plain = replace(options, properties=())  # they are functions at heart, and travel by name
        with suppress(OSError):  # it is gone, and whoever asks it hears so
            self._pipe.send((task.address, task.name, plain, tuple(prop.name for prop in options.properties)))

    def ask(self, asks: Sequence[Ask], *, reverse_only: bool) -> None:
        try:
            self._pipe.send((list(asks), reverse_only))
        except OSError as error:
            raise HelperGone from error

    def answers(self, *, wait: bool) -> list[tuple[Ask, Told | None]]:
        found: list[tuple[Ask, Told | None]] = []
        try:
            while self._pipe.poll(seconds_left() if wait and not found else 0):
                ask, told = self._pipe.recv()
                found.append((ask, _unpacked(told)))
        except (EOFError, OSError) as error:
            if not found:
                raise HelperGone from error
        if wait and not found:
            raise OutOfTime
        return found

    def stop(self) -> None:
        self._pipe.close()
        self._beside.process.terminate()


def _unpacked(told: bytes | None) -> Told | None:
    """What was sent; what holds a type that only the other process finds is judged here."""
    try:
        return pickle.loads(told) if told is not None else None
    except Exception:  # noqa: BLE001 - whatever the type raises
        return None


# ---- in the other process --------------------------------------------------------------------------------------------


def help_with(pipe: Connection) -> None:
    """Judge what comes through the pipe until it closes: names of what to import, then whose batches, then these.

    Args:
        pipe: to who asks.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what libraries hold of the system is given back
    atexit.register(gc.freeze)  # see ``main`` of the command line
    end_with_this()
    # What models print and warn of is said by the process that shows the table.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a name of the system's, no path
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    with heard(signal.SIGTERM, SystemExit), suppress(EOFError, OSError):
        while isinstance(told := pipe.recv(), str):
            with suppress(Exception):  # where it can be done without here, it can be there
                import_module(told)
        address, name, plain, names = told
        options = replace(plain, properties=tuple(map(by_name, names)))
        with persistent_cache(), separated_caches(options.precision), freed_memory_kept():
            try:
                judge = Judge(next(task for task in resolve(address) if task.name == name), options)
            except Exception:  # noqa: BLE001 - a target that is another one here: who asked judges all by itself
                return
            while True:
                asks, reverse_only = pipe.recv()
                for ask in asks:
                    pipe.send((ask, _packed(judge.told(ask, reverse_only=reverse_only))))


def _packed(told: Told | None) -> bytes | None:
    """What can be sent; what holds a type of the model's own that cannot is for the other process to judge."""
    try:
        return pickle.dumps(told) if told is not None else None
    except Exception:  # noqa: BLE001 - whatever the type raises
        return None
