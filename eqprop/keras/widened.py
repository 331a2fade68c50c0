"""Layers that compute in float64 for the length of a call, whatever their policy is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from eqprop.adapters import Module, library

WIDE = "float64"


@contextmanager
def widened(model: Module) -> Generator[None]:
    """Everything in a model that has a floating-point type has float64 inside.

    A Keras layer casts its inputs and variables to the types of its policy, which would make every verdict one of
    float32. Types are kept in three places: policies of layers, variables, and the symbolic inputs of a functional
    model. The model is as it was afterwards.
    """
    policy = library("keras", extra="keras").DTypePolicy(WIDE)
    before = [(thing, name, getattr(thing, name)) for thing, name in _typed(model)]
    try:
        for thing, name, value in before:
            setattr(thing, name, WIDE if isinstance(value, str) else policy)
        yield
    finally:
        for thing, name, value in before:
            setattr(thing, name, value)


def _typed(model: Module) -> Iterator[tuple[Module, str]]:
    """What has a type, and where it keeps it."""
    for layer in _layers(model):
        if layer.dtype_policy.quantization_mode is None:
            yield layer, "_dtype_policy"
        yield from ((tensor, "_dtype") for tensor in getattr(layer, "_inputs", ()) if _is_float(tensor))
    yield from ((variable, "_dtype") for variable in model.variables if _is_float(variable))


def _layers(model: Module) -> Iterator[Module]:
    """All layers, inner ones included, and the functional model that a sequential one keeps beside its layers."""
    for layer in model._flatten_layers():  # noqa: SLF001 - Keras lists inner layers nowhere else
        yield layer
        if getattr(layer, "_functional", None) is not None:
            yield layer._functional  # noqa: SLF001 - likewise


def _is_float(thing: Module) -> bool:
    return "float" in str(thing.dtype)
