"""Gradient hooks of a module's parameters, on the tensors that stand for these while a derivative is taken."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only


@contextmanager
def hooked(own: Sequence[torch.Tensor], operands: Sequence[torch.Tensor]) -> Generator[None]:
    """Within it the operands have the hooks of the tensors that they stand for, and torch runs them as it does theirs.

    Args:
        own: the module's.
        operands: those in their place, by which torch differentiates; what has its hooks already keeps them.
    """
    standing = {id(tensor): operand for tensor, operand in zip(own, operands, strict=True)}
    handles = [
        operand.register_hook(_standing_in(hook, standing))
        for tensor, operand in zip(own, operands, strict=True)
        if operand.requires_grad and not operand._backward_hooks  # noqa: SLF001 - they have no other name
        for hook in tuple((tensor._backward_hooks or {}).values())  # noqa: SLF001
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _standing_in(hook: Callable[[Any], Any], standing: Mapping[int, torch.Tensor]) -> Callable[[Any], Any]:
    """The hook, for which tensors of the module that it holds have the numbers of those in their place."""

    @wraps(hook)  # torch names a hook where it refuses what that returns
    def run(gradient: torch.Tensor) -> Any:
        with _InPlace(standing):
            return hook(gradient)

    return run


class _InPlace(TorchFunctionMode):
    """Whatever torch is asked of a tensor of the module, it is asked of the one in its place."""

    def __init__(self, standing: Mapping[int, torch.Tensor]) -> None:
        super().__init__()
        self._standing = standing

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, named = tree_map_only(torch.Tensor, lambda t: self._standing.get(id(t), t), (args, kwargs or {}))
        return func(*args, **named)
