"""Calls of compiled programs that end, whatever the program does: one that stands still is an error of its own.

A compiled program cannot be interrupted, so each call has a thread of its own, and whoever waits for it watches the
time that the process has spent on its processors, or in the queue for one. The thread of a call that stands still is
left behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from threading import Thread
from typing import Any

import jax

from eqprop.engine.compiling import compiler_options
from eqprop.engine.trees import Tree
from eqprop.errors import Stalled

LIMIT = 60.0
"""Seconds in which the process uses no more than ``IDLE`` of a processor until a call is given up."""

IDLE = 0.03
"""A live table that is drawn meanwhile takes up to two hundredths of a processor; a process among many gets more."""

QUEUED = 0.5
"""Threads that had work and no processor for that part of the time were kept from it by other processes. A live table
on a machine that is as busy waits for less."""

POLL = 0.5
"""Seconds from one look to the next. Those in which the process itself was stopped are not counted."""


def attended(call: Callable[..., Tree], what: str) -> Callable[..., Tree]:
    """The call, with what it raises and with JAX in the caller's precision.

    Args:
        call: of a compiled program; it must not trace anything.
        what: names what it computes, for the error.

    Raises:
        Stalled: by the returned function, where the process uses no processor for ``LIMIT`` seconds meanwhile.
    """

    def waited(*arguments: Tree) -> Tree:
        future: Future[Tree] = Future()
        wide = jax.config.values["jax_enable_x64"]

        def work() -> None:
            try:
                with jax.enable_x64(wide):
                    future.set_result(jax.block_until_ready(call(*arguments)))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                future.set_exception(error)

        Thread(target=copy_context().run, args=(work,), name="eqprop-program", daemon=True).start()
        return _result(future, what)

    return waited


def prepared(what: str, function: Callable[..., Tree], *arguments: Tree) -> Callable[..., Tree]:
    """A function compiled with little effort, for what is asked before or beside a search; attended.

    Args:
        what: names what it computes, for the error.
        function: of arrays, or of trees of them.
        arguments: of the shapes and types that it will be given.
    """
    lowered: Any = jax.jit(function).lower(*arguments)
    return attended(lowered.compile(compiler_options=compiler_options()), what)


def _result(future: Future[Tree], what: str) -> Tree:
    idle, spent, queued = 0.0, time.process_time(), in_queue()
    while True:
        try:
            return future.result(POLL)
        except TimeoutError:
            if future.done():  # it was the call that raised this
                raise
        idle += POLL
        if time.process_time() - spent > IDLE * LIMIT or in_queue() - queued > QUEUED * LIMIT:
            idle, spent, queued = 0.0, time.process_time(), in_queue()
        if idle >= LIMIT:
            msg = (
                f"the program of {what} stood still: this process has used no processor for {LIMIT:g} s. A callback "
                "that waits longer than that for something else must not be part of a model; otherwise try another "
                "release of jaxlib, or one processor (taskset -c 0 eqprop verify ...)."
            )
            raise Stalled(msg)


def in_queue() -> float:
    """Seconds that the threads of this process have waited for a processor while they had work; 0 but on Linux."""
    return sum(map(_waited, Path("/proc/self/task").glob("*/schedstat"))) / 1e9


def _waited(account: Path) -> int:
    """Of one thread, in nanoseconds: the second of three numbers, which the kernel keeps."""
    with suppress(OSError):  # the thread has ended meanwhile
        return int(account.read_text().split()[1])
    return 0
