"""Records the operations of torch that a function comes to at an example."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch._dynamo  # pyright: ignore[reportUnusedImport] - make_fx imports it, in the middle of a walk
import torch.fx
from torch._guards import TracingContext, tracing
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

ZEROS = {torch.ops.aten._efficientzerotensor.default: torch.zeros}  # noqa: SLF001 - it has no other name
"""Zeros that hold no memory, which torch begins tangents with, as zeros that do: what is recorded is differentiated
again, and torch does not always ask whether the memory is there."""


def recorded(
    function: Callable[..., Any],
    example: Sequence[torch.Tensor],
    *,
    parts: Mapping[Any, Callable[..., Any]] | None = None,
    numbers: bool = True,
) -> torch.fx.GraphModule:
    """The graph of a function at an example.

    Torch notes of every value a tensor without numbers, in a mode that it makes for each and that remembers from where
    it was made, a hundred lines of a stack: of a step of Adam that is three fifths of the time, and most of the memory.
    A mode that is there is taken.

    Args:
        function: of tensors.
        example: its operands.
        parts: what is recorded in the place of an operation, beside ``ZEROS``.
        numbers: whether it is an error for Python to be given a number of a tensor.
    """
    shared = TracingContext(FakeTensorMode(allow_fallback_kernels=True))
    with tracing(shared):
        return make_fx(function, decomposition_table={**ZEROS, **(parts or {})}, _error_on_data_dependent_ops=numbers)(
            *example
        )
