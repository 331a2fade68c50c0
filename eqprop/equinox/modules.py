"""Equinox's modules, which are pytrees: arrays are tensors, and everything else stays inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from eqprop.adapters import Module, Named, Tensors, arguments_of, library, model_of, named
from eqprop.arguments import flag, got
from eqprop.claims import Inputs, Model, Outputs
from eqprop.engine import Array, Tree, tree_of
from eqprop.equinox.state import Remembered
from eqprop.errors import InvalidInput

REMEDY = "A module with state needs state=, one with dropout key=, and one that takes a whole batch per_sample=False."


def from_module(
    module: Module,
    inputs: Inputs,
    state: Tree = None,
    *,
    key: Array | None = None,
    per_sample: bool = True,
    axis_name: str = "batch",
    loss: Callable[[Outputs], Array] | None = None,
    name: str = "",
    differentiate_state: bool = False,
    **options: Any,
) -> Model:
    """A module of Equinox as a model f(θ, x).

    The parameters are a dictionary from paths to the arrays of the module, as its fields are called
    (``layers/0/weight``), and beside them its state (``norm/mean``). A transformation moves state as it does
    parameters, derivatives do not act on it, and it is not updated: each call begins with the same.

    Args:
        module: an ``equinox.Module`` that can be called, in the mode that is to be verified
            (``equinox.nn.inference_mode``).
        inputs: an example batch: what the module is called with, a tuple where that is several arguments. Integers are
            redrawn within the range that the example spans.
        state: an ``equinox.nn.State``, for a module that is called as ``module(x, state)`` and returns both.
        key: for a module that is called with ``key=``: dropout draws the same masks in each call.
        per_sample: whether the module takes one sample, as Equinox's own do: it is mapped over the first axis of all
            inputs then, each sample with a key of its own.
        axis_name: of that axis, for what looks at the whole batch.
        loss: the module's own, ``loss(outputs) -> scalar``; None where losses are drawn.
        name: used in reports; the module's class by default.
        differentiate_state: whether state is taken for parameters: where a continuous transformation moves it.
        **options: passed to the module's call: ``inference=True``.

    Raises:
        InvalidInput: where Equinox is not installed, for what is no module of it, or none that can be called, and for
            what is no state.
    """
    eqx = library("equinox", extra="equinox")
    if not (isinstance(module, eqx.Module) and callable(module)):
        msg = f"eqprop.equinox.from_module: module is {got(module)}; expected an equinox.Module that can be called."
        raise InvalidInput(msg)
    if not (state is None or isinstance(state, eqx.nn.State)):
        msg = f"eqprop.equinox.from_module: state is {got(state)}; expected an equinox.nn.State, or None."
        raise InvalidInput(msg)
    mapped = flag(per_sample, "eqprop.equinox.from_module: per_sample")
    if mapped:
        _check_samples(inputs)
    arrays, rest = eqx.partition(module, eqx.is_array)
    params, remembered = Tensors.of(arrays), Remembered(eqx, module, state)

    def call(tensors: Named, inputs: Inputs) -> Outputs:
        whole = eqx.combine(params.rebuilt(tensors), rest)
        kept = remembered.rebuilt(tensors)

        def one(arguments: tuple[Inputs, ...], key: Array | None) -> Outputs:
            keyed = options if key is None else {**options, "key": key}
            return whole(*arguments, *kept, **keyed)[0] if kept else whole(*arguments, **keyed)

        arguments = arguments_of(inputs)
        return _over_samples(one, arguments, key, axis_name) if mapped else one(arguments, key)

    return model_of(
        call,
        params.by_path,
        remembered.by_path,
        inputs,
        loss=loss,
        name=named(name, type(module).__name__, "eqprop.equinox.from_module"),
        differentiate_state=differentiate_state,
        remedy=REMEDY,
    )


def _check_samples(inputs: Inputs) -> None:
    """Refuse inputs that have no samples."""
    leaves = jax.tree.leaves(tree_of(inputs, "eqprop.equinox.from_module: inputs"))
    if not (leaves and all(map(np.ndim, leaves))):
        msg = (
            f"eqprop.equinox.from_module: inputs is {got(inputs)}; expected arrays whose first axis is that of the "
            "samples. A module that takes a whole batch needs per_sample=False."
        )
        raise InvalidInput(msg)


def _over_samples(
    one: Callable[..., Outputs], arguments: tuple[Inputs, ...], key: Array | None, axis_name: str
) -> Outputs:
    """A function of one sample and its key, at each sample."""
    keys = None if key is None else jax.random.split(key, jax.tree.leaves(arguments)[0].shape[0])
    return jax.vmap(one, axis_name=axis_name)(arguments, keys)
