"""How much memory a run took."""

from __future__ import annotations

import sys
from importlib import import_module


def peak_memory() -> int:
    """The most memory, in bytes, that this process has held so far, or one of its processes that have ended.

    0 where the system does not say (Windows).
    """
    try:
        resource = import_module("resource")
    except ModuleNotFoundError:
        return 0
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return most if sys.platform == "darwin" else 1024 * most
