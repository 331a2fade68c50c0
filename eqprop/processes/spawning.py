"""Fresh interpreters with a pipe each: JAX's threads do not survive a fork."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

from eqprop.processes.signals import interrupts_held

SECONDS_TO_STOP = 2.0


class Spawned(NamedTuple):
    """A process, and our end of the pipe to it."""

    process: SpawnProcess
    pipe: Connection

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self.pipe.close()
        self.process.terminate()
        self.process.join(SECONDS_TO_STOP)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def spawned(work: Callable[..., None], *given: object) -> Spawned:
    """A process that runs ``work(pipe, *given)`` with its end of a pipe, and never outlives this one.

    Args:
        work: a function of a module: it travels by name, and only that module is imported for it.
        given: travels, too.
    """
    if os.name == "posix":
        resource_tracker.ensure_running()  # with the first process otherwise, and it lets Ctrl-C through again
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *given), daemon=True)
    with interrupts_held():  # Ctrl-C reaches every process of the terminal; this one decides
        process.start()
    theirs.close()  # or the end of the process would not be the end of the pipe
    return Spawned(process, ours)
