"""Float64 in a scope of its own: the user's JAX is the same before and after."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

import jax

from eqprop.engine.garbage import former_frozen
from eqprop.processes import ends_with_this

Precision = Literal["float64", "model"]

_separated: ContextVar[bool] = ContextVar("eqprop_separated", default=False)


def numbers_context(precision: Precision) -> AbstractContextManager[object]:
    """Float64 in a scope of its own; nothing for the model's own precision. The global configuration stays as it is."""
    return jax.enable_x64(True) if precision == "float64" else nullcontext()


@contextmanager
def separated_caches(precision: Precision) -> Generator[None]:
    """Keep what JAX traced in the user's precision apart from what it traces here in float64.

    JAX (0.10) remembers traced programs that close over float64 NumPy arrays without regard to the precision in force,
    and then fails in the other one, be it in eqprop or later in the user's own code. Its caches are therefore cleared
    where the two meet, once nothing refers to the traces any more. Nested uses are one. Where the process ends
    with this, nobody meets them.
    """
    meets = precision == "float64" and not jax.config.values["jax_enable_x64"] and not _separated.get()
    if not meets:
        yield
        return
    jax.clear_caches()
    token = _separated.set(True)
    try:
        with former_frozen():
            yield
    finally:
        _separated.reset(token)
        if not ends_with_this():
            jax.clear_caches()
