"""What ends a process reaches it, and reaches no other one."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN = 0.1
"""Seconds after which a signal comes again that a callback has swallowed: that is over by then."""


@contextmanager
def heard(number: int, raises: type[BaseException]) -> Generator[None]:
    """A signal is not swallowed inside.

    Python runs handlers wherever it is. In a callback of a weak reference, of which JAX and PyTorch have many, it says
    that their exception is ignored, and goes on.

    Args:
        number: of the signal.
        raises: what its handler raises.
    """
    before = sys.unraisablehook

    def again(ignored: UnraisableHookArgs) -> None:
        if ignored.exc_type is raises:
            threading.Timer(AGAIN, _sent, [number]).start()
        else:
            before(ignored)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


def _sent(number: int) -> None:
    """Send a signal to the main thread, which runs handlers; it may be waiting for something."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:  # Windows
        signal.raise_signal(number)


@contextmanager
def interrupts_held() -> Generator[None]:
    """A process that is started inside never hears Ctrl-C, not even before its first line; this one does afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
