"""Requests for float32 answered in float64: what a model computes, without what it rounds on the way."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _InFloat64(TorchFunctionMode):
    """Every argument that is float32 becomes float64; ``.float()`` becomes ``.double()``."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        if func is torch.Tensor.float:
            return args[0].double()
        return func(*map(_wide, args), **{key: _wide(value) for key, value in (kwargs or {}).items()})


def _wide(argument: Any) -> Any:
    return torch.float64 if argument is torch.float32 else argument


@contextmanager
def in_float64() -> Generator[None]:
    """Within it new tensors are float64 unless they ask for something other than float32."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _InFloat64():
            yield
    finally:
        torch.set_default_dtype(usual)


class Raised(torch.nn.Module):
    """A module that computes in float64 throughout.

    Args:
        whole: the module, with tensors in float64.
    """

    def __init__(self, whole: torch.nn.Module) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if next(self.parameters()).dtype is not torch.float64:  # traced in the precision of somebody else
            return self.whole(*args, **kwargs)
        with in_float64():
            return self.whole(*args, **kwargs)
