"""Freed memory stays with the process while programs are walked.

A walk frees an array at its last use and takes a new one for the next operation. An allocator that gives what is freed
back to the system has it mapped again page by page, which costs more than what is worked out in it.
"""

from __future__ import annotations

from functools import cache

import numpy as np

LARGEST_ADAPTED = (32 << 20) - (1 << 16)
"""Bytes: the largest array of its own mapping from whose end glibc learns that such arrays come and go, with room for
its header."""


@cache
def keep_what_is_freed() -> None:
    """Let glibc keep up to twice ``LARGEST_ADAPTED`` at hand, once a process.

    When a mapped array is freed, glibc takes arrays of its size from the heap from then on, and gives the heap's end
    back only where twice that size is free (``mallopt(3)``, ``M_MMAP_THRESHOLD``). One array that is never written, and
    so takes no memory, stands for those that are to come. Whoever has set these limits keeps them, and other allocators
    are as they were.
    """
    np.empty(LARGEST_ADAPTED, np.uint8)
