"""Float64 in a scope of its own: the user's JAX is the same before and after."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

import jax

Precision = Literal["float64", "model"]

YOUNG = 7_000
"""Objects that are made between two looks for garbage, at least: ten times as many as Python's own number."""

IMPORTED = 50_000
"""Likewise where libraries are imported: of 5.6 s of CPU time for JAX and PyTorch a fifth was looking for garbage."""

_separated: ContextVar[bool] = ContextVar("eqprop_separated", default=False)


def numbers_context(precision: Precision) -> AbstractContextManager[object]:
    """Float64 in a scope of its own; nothing for the model's own precision. The global configuration stays as it is."""
    return jax.enable_x64(True) if precision == "float64" else nullcontext()


@contextmanager
def separated_caches(precision: Precision) -> Generator[None]:
    """Keep what JAX traced in the user's precision apart from what it traces here in float64.

    JAX (0.10) remembers traced programs that close over float64 NumPy arrays without regard to the precision in force,
    and then fails in the other one, be it in eqprop or later in the user's own code. Its caches are therefore cleared
    where the two meet, once nothing refers to the traces any more. Nested uses are one.

    Garbage is looked for among what is made inside alone: the packages that were there before are many times as much.
    It is looked for a tenth as often: most of what a search makes is a program, which lives as long as the search.
    """
    meets = precision == "float64" and not jax.config.values["jax_enable_x64"] and not _separated.get()
    if not meets:
        yield
        return
    jax.clear_caches()
    token = _separated.set(True)
    freezes = not gc.get_freeze_count()  # else somebody has frozen what they want to stay so
    if freezes:
        gc.freeze()
    try:
        with garbage_rare(YOUNG):
            yield
    finally:
        _separated.reset(token)
        gc.collect()
        if freezes:
            gc.unfreeze()
        jax.clear_caches()


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
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
