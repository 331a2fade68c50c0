"""A second process that is started before this one has imported anything, and imports the same libraries meanwhile.

Nothing of the user's is run there before it was run here.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection
from types import ModuleType

from eqprop.processes import Spawned, spawned

LIBRARIES = frozenset({"equinox", "flax", "haiku", "optax", "torch", "transformers"})
"""What takes long to import, and imports the same wherever it is. (Keras asks the environment for its backend.)"""


@contextmanager
def started_early() -> Generator[Spawned]:
    """A process that may help with a pair, once one is found here: it imports what this one does inside."""
    beside = spawned(_begin)
    finder = _Telling(beside.pipe)
    sys.meta_path.insert(0, finder)
    try:
        yield beside
    finally:
        with suppress(ValueError):  # what was imported may have put other finders in the place of all
            sys.meta_path.remove(finder)
        beside.stop()


class _Telling(MetaPathFinder):
    """Finds nothing, and says what is looked for.

    Args:
        pipe: to the process that is told.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        del path, target
        if fullname in LIBRARIES:
            with suppress(OSError):  # it is gone: nobody helps
                self._pipe.send(fullname)


def _begin(pipe: Connection) -> None:
    from eqprop.runs import help_with

    help_with(pipe)
