"""What one pass through a network shows: which modules read what a norm gives, and which tensors count at all."""

# pyright: reportMissingImports=false

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from eqprop.transformers.networks import Network
from eqprop.transformers.raising import in_float64


@dataclass(frozen=True)
class Trace:
    """What was seen.

    Attributes:
        readers: path of a norm → the modules that are given its result as it is.
        used: the parameters that the outputs depend on, or one in the same place of another layer or expert.
    """

    readers: dict[str, tuple[str, ...]]
    used: frozenset[str]


def traced(network: Network) -> Trace:
    """One forward and one backward pass at the example.

    A tower for images, or cross attention without an encoder, has parameters on which nothing depends: any map of them
    is a symmetry, which says nothing.
    """
    module = network.module
    tokens = {name: torch.as_tensor(value) for name, value in network.model.inputs.items()}
    with in_float64(), _watched(module) as readers:
        outputs = module(**tokens).logits
    parameters = dict(module.named_parameters())
    trained = {path: parameter for path, parameter in parameters.items() if parameter.requires_grad}
    gradients = torch.autograd.grad(outputs.square().sum(), tuple(trained.values()), allow_unused=True)
    places = {_place(path) for path, gradient in zip(trained, gradients, strict=True) if gradient is not None}
    places |= {_place(path) for path in parameters if path not in trained}
    return Trace(
        {norm: tuple(dict.fromkeys(found)) for norm, found in readers.items()},
        frozenset(path for path in parameters if _place(path) in places),
    )


def _place(path: str) -> str:
    """The same in every layer and for every expert: one that no token was sent to is used all the same."""
    return re.sub(r"\.\d+(?=\.)", ".*", path)


def is_norm(module: torch.nn.Module) -> bool:
    """Whether a module is a norm, which its type's name says."""
    return "norm" in type(module).__name__.lower()


@contextmanager
def _watched(module: torch.nn.Module) -> Generator[dict[str, list[str]]]:
    """Within it: path of each norm → the modules that are given the numbers that it returned."""
    returned: dict[int, tuple[str, Any]] = {}  # what is kept cannot lend its memory to another tensor
    readers: dict[str, list[str]] = {}

    def gives(path: str) -> Callable[..., None]:
        def hook(_owner: Any, _args: Any, result: Any) -> None:
            if isinstance(result, torch.Tensor):
                returned[result.data_ptr()] = (path, result)

        return hook

    def takes(path: str) -> Callable[..., None]:
        def hook(_owner: Any, args: Any, kwargs: Any) -> None:
            for given in (*args, *kwargs.values()):
                if isinstance(given, torch.Tensor) and given.data_ptr() in returned:
                    readers.setdefault(returned[given.data_ptr()][0], []).append(path)

        return hook

    hooks: list[Any] = []
    for path, part in module.named_modules():
        hooks.append(part.register_forward_pre_hook(takes(path), with_kwargs=True))
        if is_norm(part):
            hooks.append(part.register_forward_hook(gives(path)))
    try:
        yield readers
    finally:
        for hook in hooks:
            hook.remove()
