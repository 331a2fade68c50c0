"""Modules of nnx, which hold their own variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from eqprop.adapters import Module, Named, Tensors, arguments_of, library, model_of
from eqprop.claims import Inputs, Model, Outputs
from eqprop.flax.widened import WIDE, is_narrow, is_wide


def nnx_model(module: Module, inputs: Inputs, options: Mapping[str, Any], **common: Any) -> Model:
    """The model of a module: a copy for each call, so that what the call writes into it is dropped.

    Args:
        module: an ``nnx.Module``, which stays as it is.
        inputs: what it is called with.
        options: of its call.
        **common: as ``model_of`` takes them.
    """
    nnx = library("flax.nnx", extra="flax")
    graph, trained, noise, rest = nnx.split(module, nnx.Param, nnx.RngState, ...)
    params, state = Tensors.of(trained, _short), Tensors.of(rest, _short)

    def call(tensors: Named, inputs: Inputs) -> Outputs:
        copy = nnx.merge(graph, params.rebuilt(tensors), noise, state.rebuilt(tensors), copy=True)
        if is_wide(tensors):
            _widen(nnx, copy)
        return copy(*arguments_of(inputs), **options)

    return model_of(call, params.by_path, state.by_path, inputs, **common)


def _widen(nnx: Module, copy: Module) -> None:
    """Have a copy make what it makes in the type of its parameters, as a recurrent cell its first carry, in float64."""
    for _, part in nnx.iter_graph(copy):  # nnx.iter_modules is not in flax 0.12.0
        if is_narrow(part):
            part.param_dtype = jnp.dtype(WIDE)


def _short(path: str) -> str:
    """A variable's path without the word that leads inside of it."""
    return path.removesuffix("/value")
