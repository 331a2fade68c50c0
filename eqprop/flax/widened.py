"""Modules whose parameters are given in float64, whatever type they were made to have.

A module keeps the type that its parameters were made in, ``param_dtype``, and the first carry of a recurrent cell has
it, too: float32 beside parameters in float64, which a scan refuses. ``dtype``, in which a user has it compute, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax.numpy as jnp
import numpy as np

from eqprop.adapters import Module, Named

WIDE = "float64"


def is_wide(tensors: Named) -> bool:
    """Whether tensors are in float64, and what is made beside them can be."""
    return jnp.result_type(float) == np.float64 and any(leaf.dtype == np.float64 for leaf in tensors.values())


def is_narrow(module: Module) -> bool:
    """Whether a module says of its parameters that they have another floating-point type."""
    kept = getattr(module, "param_dtype", None)
    return kept is not None and jnp.issubdtype(kept, jnp.floating) and jnp.dtype(kept) != np.float64


def widening(linen: Module, tensors: Named) -> AbstractContextManager[Any]:
    """For the length of a call of linen's: the cells of its ``RNN`` begin in float64 where the tensors are in it."""

    def inside(call: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any], context: Module) -> Any:
        rnn = context.module
        if isinstance(rnn, linen.RNN) and context.method_name == "__call__" and is_narrow(rnn.cell):
            object.__setattr__(rnn.cell, "param_dtype", jnp.dtype(WIDE))  # of a copy, which each call makes
        return call(*args, **options)

    return linen.intercept_methods(inside) if is_wide(tensors) else nullcontext()
