"""Keras models on the JAX backend, whose variables are put in place for one call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax.numpy as jnp
import numpy as np

from eqprop.adapters import Module, Named, arguments_of, initialised, library, model_of, named
from eqprop.arguments import got
from eqprop.claims import Inputs, Model, Outputs
from eqprop.engine import Array
from eqprop.errors import InvalidInput
from eqprop.keras.widened import widened

SEEDS = "seed_generator_state"
"""What Keras calls the state of its random numbers."""


def from_module(
    module: Module,
    inputs: Inputs,
    *,
    loss: Callable[[Outputs], Array] | None = None,
    name: str = "",
    differentiate_state: bool = False,
    **options: Any,
) -> Model:
    """A Keras model or layer as a model f(θ, x); the backend is JAX.

    The parameters are a dictionary from the paths of the variables (``sequential/dense/kernel``) to tensors: what is
    trainable, and beside it the state, which is what is not (moving statistics, frozen layers). A transformation moves
    state as it does parameters, derivatives do not act on it, and it is not updated: each call begins with the same,
    and with the same random numbers, so that dropout draws one mask.

    Args:
        module: a ``keras.Model`` or ``keras.Layer``; one that is not built yet is called with the inputs once.
        inputs: an example batch: what the model is called with, a tuple where that is several arguments. Integers are
            redrawn within the range that the example spans.
        loss: the model's own, ``loss(outputs) -> scalar``; None where losses are drawn.
        name: used in reports; the model's by default.
        differentiate_state: whether state is taken for parameters: where a continuous transformation moves it.
        **options: passed to the model's call: ``training=True``.

    Raises:
        InvalidInput: where Keras is not installed or has another backend, for what is no layer of it, and where two
            variables have one path.
    """
    keras = library("keras", extra="keras")
    if keras.backend.backend() != "jax":
        msg = (
            f"eqprop.keras.from_module: the backend of Keras is {keras.backend.backend()!r}; expected 'jax'. Set the "
            "environment variable KERAS_BACKEND=jax before keras is imported."
        )
        raise InvalidInput(msg)
    if not isinstance(module, keras.Layer):
        msg = f"eqprop.keras.from_module: module is {got(module)}; expected a keras.Model or a keras.Layer."
        raise InvalidInput(msg)
    if not module.built:
        initialised(f"Keras model {module.name!r}", lambda: module(*arguments_of(inputs), **options))
    trained, rest = module.trainable_variables, module.non_trainable_variables
    params, state = _by_path(trained, module), _by_path(rest, module)

    def call(tensors: Named, inputs: Inputs) -> Outputs:
        given = [[jnp.asarray(tensors.get(v.path, v.value)) for v in variables] for variables in (trained, rest)]
        wide = jnp.result_type(float) == np.float64 and any(leaf.dtype == np.float64 for leaf in given[0])
        with widened(module) if wide else nullcontext():
            return module.stateless_call(*given, *arguments_of(inputs), **options)[0]

    return model_of(
        call,
        params,
        state,
        inputs,
        loss=loss,
        name=named(name, module.name, "eqprop.keras.from_module"),
        differentiate_state=differentiate_state,
    )


def _by_path(variables: list[Module], module: Module) -> dict[str, Array]:
    """The variables by their paths, without the state of random numbers."""
    found: dict[str, Array] = {}
    for variable in variables:
        if variable.path in found:
            msg = f"Keras model {module.name!r}: two variables have the path {variable.path!r}; name its layers apart."
            raise InvalidInput(msg)
        if not variable.path.endswith(SEEDS):
            found[variable.path] = variable.value
    return found
