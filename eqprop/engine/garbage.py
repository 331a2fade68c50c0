"""Python's collector, kept from looking again and again through what lives on."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from eqprop.processes import ends_with_this

YOUNG = 7_000
"""Objects that are made between two looks for garbage, at least: ten times as many as Python's own number."""

IMPORTED = 50_000
"""Likewise where libraries are imported: of 5.6 s of CPU time for JAX and PyTorch a fifth was looking for garbage."""

MANY = 250_000
"""Objects of programs from which on they are frozen: to look through a search's few is no work."""

ALL = 10_000_000
"""Objects of programs after which garbage is looked for among those that are frozen, too."""


class _Frozen:
    """What is frozen for some time: what was there before, and what long series of programs leave."""

    def __init__(self) -> None:
        self._made = 0
        self._many = 0 if ends_with_this() else MANY
        gc.freeze()

    def program_made(self, objects: int) -> None:
        """Count what was made without the collector, and freeze it where it has become much.

        Most of it goes by itself with its program; the little that is garbage waits for a look at everything.
        """
        self._made += objects
        if self._made > ALL:
            gc.unfreeze()
            gc.collect()
            self._made = self._many
        if self._made >= self._many:
            gc.freeze()

    def undone(self) -> None:
        """Collect the garbage that there is, and leave nothing frozen."""
        if self._made >= self._many:
            gc.unfreeze()
        gc.collect()
        gc.unfreeze()


_frozen: ContextVar[_Frozen | None] = ContextVar("eqprop_frozen", default=None)


@contextmanager
def former_frozen() -> Generator[None]:
    """Garbage is looked for among what is made inside alone, and a tenth as often; once more at the end.

    The packages that were there before are many times as much, and most of what a search makes is a program, which
    lives as long as the search. Where somebody has frozen what they want to stay so, nothing else is. What is left of a
    process that ends with this (``processes``) goes with it, and is looked through neither here nor at its end.
    """
    frozen = None if gc.get_freeze_count() else _Frozen()
    token = _frozen.set(frozen)
    try:
        with garbage_rare(YOUNG):
            yield
    finally:
        _frozen.reset(token)
        if not ends_with_this():
            gc.collect() if frozen is None else frozen.undone()


@contextmanager
def garbage_rare(objects: int = IMPORTED) -> Generator[None]:
    """Where most of what is made lives on: garbage is looked for less often inside.

    Args:
        objects: that are made between two looks, at least.
    """
    young, *older = gc.get_threshold()
    gc.set_threshold(max(young, objects) if young else 0, *older)  # 0: somebody wants none
    try:
        yield
    finally:
        gc.set_threshold(young, *older)


@contextmanager
def garbage_kept() -> Generator[None]:
    """Without garbage collection inside.

    Tracing makes many objects that live on, and looking through them again and again takes a fifth of its time.
    """
    enabled, before = gc.isenabled(), gc.get_count()[0]
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            frozen = _frozen.get()
            if frozen is not None:
                frozen.program_made(gc.get_count()[0] - before)
            gc.enable()
