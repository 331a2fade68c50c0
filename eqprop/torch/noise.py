"""A graph of torch's operations with random rounding: a factor 1 ± eps behind each that rounds."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from typing import Any

import torch
import torch.fx

from eqprop.engine import STRIDE
from eqprop.torch.operations import name_of, rounds, widens


class Erring(torch.fx.Interpreter):
    """Runs a graph at one row.

    Args:
        module: with the graph.
        signs: of the errors: 1, −1 or 0. Results take theirs from it in turn, from a new place each time.
    """

    def __init__(self, module: torch.fx.GraphModule, signs: torch.Tensor) -> None:
        super().__init__(module)
        self._signs = signs
        self._place = 0

    def run_node(self, n: torch.fx.Node) -> Any:
        found = super().run_node(n)
        if not rounds(n) or (name_of(n) == "_to_copy" and self._was_widened(n, found)):
            return found
        if isinstance(found, tuple | list):
            return type(found)(map(self._with_error, found))
        return self._with_error(found)

    def _was_widened(self, node: torch.fx.Node, found: torch.Tensor) -> bool:
        given, _ = self.fetch_args_kwargs_from_env(node)
        return widens(given[0].dtype, found.dtype)

    def _with_error(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not value.numel():
            return value
        if value.is_complex():
            return torch.complex(self._with_error(value.real), self._with_error(value.imag))
        if not value.is_floating_point():
            return value
        factors = 1 + torch.finfo(value.dtype).eps * self._drawn(value.numel()).to(value.dtype).reshape(value.shape)
        noisy = value * factors
        if value.dtype != torch.float16:
            return noisy
        # It runs out of range early: below its smallest normal number a unit in the last place gets no smaller.
        return noisy + (factors - 1) * torch.finfo(value.dtype).smallest_normal

    def _drawn(self, size: int) -> torch.Tensor:
        """So many signs, from a new place of the table on, which starts again where it ends."""
        table = len(self._signs)
        self._place = (self._place + STRIDE) % table
        if self._place + size <= table:
            return self._signs[self._place : self._place + size]
        return torch.cat([self._signs] * (-(-size // table) + 1))[self._place : self._place + size]
