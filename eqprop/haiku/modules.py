"""Haiku's functions, whose parameters and state lie outside of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax

from eqprop.adapters import Module, Named, Tensors, arguments_of, initialised, library, model_of, named
from eqprop.arguments import got, mapping_of
from eqprop.claims import Inputs, Model, Outputs
from eqprop.engine import Array, Tree, kept_value
from eqprop.errors import InvalidInput


def from_module(
    module: Module,
    inputs: Inputs,
    params: Mapping[str, Tree] | None = None,
    state: Mapping[str, Tree] | None = None,
    *,
    rng: Array | None = None,
    loss: Callable[[Outputs], Array] | None = None,
    name: str = "",
    differentiate_state: bool = False,
    **options: Any,
) -> Model:
    """A function of Haiku's modules as a model f(θ, x).

    The parameters are a dictionary from paths to tensors, as Haiku calls them (``mlp/~/linear_0/w``), and beside them
    the state (``batch_norm/~/mean_ema/average``). A transformation moves state as it does parameters, derivatives do
    not act on it, and it is not updated: each call begins with the same.

    Args:
        module: what ``haiku.transform`` or ``haiku.transform_with_state`` returned, with or without
            ``haiku.without_apply_rng``, or the function that they take: ``lambda x: hk.nets.MLP([16, 1])(x)``.
        inputs: an example batch: what the function is called with, a tuple where that is several arguments. Integers
            are redrawn within the range that the example spans.
        params: what ``init`` or training returned; by default ``init`` with a fixed key.
        state: likewise.
        rng: a key: dropout draws the same mask in each call. A fixed one by default.
        loss: the model's own, ``loss(outputs) -> scalar``; None where losses are drawn.
        name: used in reports; the function's by default.
        differentiate_state: whether state is taken for parameters: where a continuous transformation moves it.
        **options: passed to the function: ``is_training=True``.

    Raises:
        InvalidInput: where Haiku is not installed, and for what is no function.
    """
    hk = library("haiku", extra="haiku")
    pure = _with_state(hk, module)
    key = jax.random.key(0) if rng is None else rng
    trained, remembered = map(Tensors.of, _weights(pure, key, inputs, options, params, state))

    def call(tensors: Named, inputs: Inputs) -> Outputs:
        held = trained.rebuilt(tensors), remembered.rebuilt(tensors)
        return pure.apply(*held, key, *arguments_of(inputs), **options)[0]

    return model_of(
        call,
        trained.by_path,
        remembered.by_path,
        inputs,
        loss=loss,
        name=named(name, _name_of(module), "eqprop.haiku.from_module"),
        differentiate_state=differentiate_state,
        remedy="A Haiku module is made and called inside of a function: lambda x: hk.nets.MLP([16, 1])(x).",
    )


def _weights(
    pure: Module, key: Array, inputs: Inputs, options: Mapping[str, Any], params: Tree, state: Tree
) -> tuple[Tree, Tree]:
    """Parameters and state: those that are given, and of the others what init makes."""
    made: tuple[Tree, Tree] = (_held(params, "params"), _held(state, "state"))
    if params is None or state is None:
        made = initialised(
            "Haiku's init",
            lambda: kept_value(lambda: pure.init(key, *arguments_of(inputs), **options)),
            remedy="A batch norm is initialised with is_training=True: pass params= and state= of your own init.",
        )
    return dict(made[0] if params is None else params), dict(made[1] if state is None else state)


def _held(given: Tree, what: str) -> Tree:
    """What was given for parameters or state, or None."""
    return given if given is None else mapping_of(given, "{'linear': {'w': …}}", f"eqprop.haiku.from_module: {what}")


def _with_state(hk: Module, module: Module) -> Module:
    """A pair of init and apply that has state, perhaps an empty one, and whose apply takes a key."""
    if isinstance(module, hk.TransformedWithState):
        return _with_key(module)
    if isinstance(module, hk.Transformed):
        return _with_key(hk.with_empty_state(module))
    if callable(module) and _has_signature(module):
        return hk.transform_with_state(module)
    msg = (
        f"eqprop.haiku.from_module: module is {got(module)}; expected what haiku.transform returned, or the function "
        "that it takes."
    )
    raise InvalidInput(msg)


def _with_key(module: Module) -> Module:
    """The pair, with an apply that takes a key where ``haiku.without_apply_rng`` has taken that off."""
    made, applied = (len(inspect.signature(each).parameters) for each in (module.init, module.apply))
    if applied - len(("params", "state")) != made - len(("rng",)):
        return module

    def apply(params: Tree, state: Tree, _: Array, *inputs: Any, **options: Any) -> Any:
        return module.apply(params, state, *inputs, **options)

    return module._replace(apply=apply)


def _has_signature(module: Module) -> bool:
    """Whether Python knows what it is called with, which Haiku asks; of ``type``, say, it does not."""
    try:
        inspect.signature(module)
    except (TypeError, ValueError):
        return False
    return True


def _name_of(module: Module) -> str:
    name = getattr(module, "__name__", "")
    return name if name.isidentifier() else "haiku"
