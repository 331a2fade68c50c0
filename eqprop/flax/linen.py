"""Modules of linen: variables lie outside of them, in collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from eqprop.adapters import Module, Named, Tensors, arguments_of, initialised, library, model_of
from eqprop.arguments import got
from eqprop.claims import Inputs, Model, Outputs
from eqprop.engine import Tree, kept_value
from eqprop.errors import InvalidInput
from eqprop.flax.widened import widening


def linen_model(
    module: Module, inputs: Inputs, variables: Tree, rngs: Tree, options: Mapping[str, Any], **common: Any
) -> Model:
    """The model of a module; its collections other than ``params`` are state, and what it writes into them is dropped.

    Args:
        module: a ``linen.Module``.
        inputs: what it is called with.
        variables: its collections, or None.
        rngs: a key, keys by name, or None. Streams without a key of their own draw from that of ``params``.
        options: of its call.
        **common: as ``model_of`` takes them.
    """
    linen = library("flax.linen", extra="flax")
    keys = rngs if isinstance(rngs, Mapping) else {"params": jax.random.key(0) if rngs is None else rngs}
    what = f"linen module {type(module).__name__!r}: init"
    if variables is None:
        variables = initialised(what, lambda: kept_value(lambda: module.init(keys, *arguments_of(inputs), **options)))
    held = _checked(variables)
    params = Tensors.of(held["params"])
    state = Tensors.of({collection: held[collection] for collection in held if collection != "params"})

    def call(tensors: Named, inputs: Inputs) -> Outputs:
        kept = state.rebuilt(tensors)
        all_of_it = {"params": params.rebuilt(tensors), **kept}
        with widening(linen, tensors):
            return module.apply(all_of_it, *arguments_of(inputs), rngs=keys, mutable=list(kept), **options)[0]

    return model_of(call, params.by_path, state.by_path, inputs, **common)


def _checked(variables: Tree) -> Mapping[str, Tree]:
    if not isinstance(variables, Mapping) or "params" not in variables:
        msg = (
            f"eqprop.flax.from_module: variables is {got(variables)}; expected what module.init returned, or "
            "{'params': …} with the other collections of the module."
        )
        raise InvalidInput(msg)
    return variables
