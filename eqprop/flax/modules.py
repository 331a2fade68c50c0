"""One function for both kinds of modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eqprop.adapters import Module, library, named
from eqprop.arguments import got
from eqprop.claims import Inputs, Model, Outputs
from eqprop.engine import Array, Tree
from eqprop.errors import InvalidInput
from eqprop.flax.linen import linen_model
from eqprop.flax.nnx import nnx_model


def from_module(
    module: Module,
    inputs: Inputs,
    variables: Mapping[str, Tree] | None = None,
    *,
    rngs: Tree = None,
    loss: Callable[[Outputs], Array] | None = None,
    name: str = "",
    differentiate_state: bool = False,
    **options: Any,
) -> Model:
    """A module of Flax as a model f(θ, x).

    The parameters are a dictionary from paths to tensors: those of linen's collection ``params`` and nnx's ``Param``,
    as printing them shows (``Dense_0/kernel``, ``layers/0/kernel``), and beside them the state: linen's other
    collections (``batch_stats/BatchNorm_0/mean``), nnx's other variables (``norm/mean``). A transformation moves state
    as it does parameters, derivatives do not act on it, and it is not updated: each call begins with the same.

    Parameters are in float64 unless ``precision="model"`` is asked for, and the cells of an ``RNN`` begin in that, too.
    A carry that the module makes by itself, by ``initialize_carry`` in front of a scan, keeps linen's ``param_dtype``.

    Args:
        module: a ``linen.Module``, or an ``nnx.Module`` in the mode (``train()``, ``eval()``) that is to be verified.
        inputs: an example batch: what the module is called with, a tuple where that is several arguments. Integers are
            redrawn within the range that the example spans.
        variables: of linen, what ``init`` or training returned; by default ``init`` with a fixed key. An nnx module has
            its own.
        rngs: of linen, a key, or keys by the names of their streams: dropout draws the same mask in each call. A fixed
            key by default. An nnx module has its own streams, which begin where they stand.
        loss: the module's own, ``loss(outputs) -> scalar``; None where losses are drawn.
        name: used in reports; the module's class by default.
        differentiate_state: whether state is taken for parameters: where a continuous transformation moves it.
        **options: passed to the module's call: ``train=True``, ``deterministic=True``.

    Raises:
        InvalidInput: where Flax is not installed, for what is no module of it, and for variables without ``params``.
    """
    nnx, linen = (library(f"flax.{part}", extra="flax") for part in ("nnx", "linen"))
    called = named(name, type(module).__name__, "eqprop.flax.from_module")
    common = {"loss": loss, "name": called, "differentiate_state": differentiate_state}
    if isinstance(module, linen.Module):
        return linen_model(module, inputs, variables, rngs, options, **common)
    if not isinstance(module, nnx.Module):
        msg = f"eqprop.flax.from_module: module is {got(module)}; expected a flax.linen.Module or a flax.nnx.Module."
        raise InvalidInput(msg)
    for argument, value in (("variables", variables), ("rngs", rngs)):
        if value is not None:
            msg = f"eqprop.flax.from_module: {argument}= is for linen; {called} has its own."
            raise InvalidInput(msg)
    return nnx_model(module, inputs, options, **common)
