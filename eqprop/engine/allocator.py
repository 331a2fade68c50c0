"""glibc's allocator, told for some time to keep what is freed.

A walk frees an array at its last use and takes a new one for the next operation. What is given back to the system in
between is mapped again page by page, and to have a page costs several times what is worked out in it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Protocol, cast

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of ``mallopt`` (malloc.h): how much is free at the heap's end before it is given back, and from which size
on an array is a mapping of its own, which is given back as soon as it is freed."""

KEEPING = {TRIM_THRESHOLD: 2**31 - 1, MMAP_THRESHOLD: 2**30}
ADAPTED = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20}
"""What glibc comes to by itself where large arrays are freed, and the most that it comes to."""


class Glibc(Protocol):
    """What is asked of it (``mallopt(3)``, ``malloc_trim(3)``)."""

    def mallopt(self, parameter: int, value: int, /) -> int:
        """Set a parameter."""
        ...

    def malloc_trim(self, pad: int, /) -> int:
        """Give back all that is free but for so many bytes at the heap's end."""
        ...


USERS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_")


def is_set(environment: Mapping[str, str]) -> bool:
    """Whether the user has set how memory is kept; it stays so."""
    return not environment.keys().isdisjoint(USERS) or "glibc.malloc" in environment.get("GLIBC_TUNABLES", "")


@cache
def _glibc() -> Glibc | None:
    """None where there is another C library, or where the user has set how it keeps memory."""
    if sys.platform != "linux" or is_set(os.environ):
        return None
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        return None
    library.malloc_trim.argtypes = [ctypes.c_size_t]
    return cast("Glibc", library)


class _Uses:
    """How many there are at present, of all threads."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = Lock()


_USES = _Uses()


@contextmanager
def freed_memory_kept() -> Generator[None]:
    """Within it the process keeps the memory of what is freed, and at its end gives back all that is free.

    Uses in another, and in other threads, are one. With another C library than glibc, or where the user has set how
    glibc keeps memory (``MALLOC_TRIM_THRESHOLD_``, ``GLIBC_TUNABLES``, …), nothing changes.
    """
    glibc = _glibc()
    if glibc is None:
        yield
        return
    with _USES.lock:
        _USES.count += 1
        if _USES.count == 1:
            _tell(glibc, KEEPING)
    try:
        yield
    finally:
        with _USES.lock:
            _USES.count -= 1
            if not _USES.count:
                _tell(glibc, ADAPTED)
                glibc.malloc_trim(0)


def _tell(glibc: Glibc, parameters: Mapping[int, int]) -> None:
    """What an older glibc does not take (arrays of more than 32 MiB) stays as it was."""
    for parameter, value in parameters.items():
        glibc.mallopt(parameter, value)
