"""One thread for BLAS while a program is walked.

More of them save little of the clock, where products are a part of the work only, and take the processors of whoever
else verifies, because they turn round while they wait for the next product. How many there are has a part in the last
bit, too, and a seed is to give the same numbers however many cores there are.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

_LIMITED = Lock()


@cache
def _libraries() -> ThreadpoolController:
    """NumPy's and SciPy's, which are loaded with the walk: to find them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Generator[None]:
    """Within it BLAS has one thread in the whole process, and afterwards as many as it had before.

    Where two threads are within, only the first one has a limit to take back: a number is the whole process's, and the
    second would leave it at what it found (findings/limits-of-two-threads.sh).
    """
    if not _LIMITED.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        _LIMITED.release()
