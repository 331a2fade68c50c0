"""A graph of torch's operations with random rounding: a factor 1 ± eps behind each that rounds."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
import torch.fx

from eqprop.engine import STRIDE, TABLE
from eqprop.torch.operations import name_of, rounds, widens

Result = torch.Tensor | tuple[torch.Tensor, ...] | list[torch.Tensor]


class Signs:
    """The signs of the errors of rows, and the factors that they make.

    Args:
        table: 1, −1 or 0, of shape (rows, ``TABLE``).
    """

    def __init__(self, table: np.ndarray) -> None:
        self.table = table
        self._factors: dict[torch.dtype, torch.Tensor] = {}

    def factors(self, dtype: torch.dtype) -> torch.Tensor:
        """1 ± eps for results of a type, of shape (rows, 2 ``TABLE``): most results take theirs as one piece of it."""
        if dtype not in self._factors:
            once = 1 + torch.from_numpy(self.table).to(dtype) * torch.finfo(dtype).eps
            self._factors[dtype] = torch.cat([once, once], 1)
        return self._factors[dtype]


_latest: list[Signs] = []


def signs_of(table: np.ndarray) -> Signs:
    """The signs in a table, which the functions of one walk are given one after the other: the last one is kept."""
    if not _latest or _latest[0].table is not table:
        _latest[:] = [Signs(table)]
    return _latest[0]


class Errors:
    """The errors of one row.

    Args:
        factors: 1 ± eps, those of a row twice, for a type. Results take theirs from it in turn, from a new place each
            time.
        start: the first place.
    """

    def __init__(self, factors: Callable[[torch.dtype], torch.Tensor], start: int = 0) -> None:
        self._factors = factors
        self._place = start

    def of(self, value: Result) -> Result:
        """What an operation gives, with errors where it is in floating point."""
        if isinstance(value, tuple | list):
            return type(value)(map(self._with_error, value))
        return self._with_error(value)

    def _with_error(self, value: torch.Tensor) -> torch.Tensor:
        if not isinstance(value, torch.Tensor) or not value.numel():
            return value
        if value.is_complex():
            return torch.complex(self._with_error(value.real), self._with_error(value.imag))
        if not value.is_floating_point():
            return value
        factors = self._drawn(value.numel(), value.dtype).reshape(value.shape)
        noisy = value * factors
        if value.dtype != torch.float16:
            return noisy
        # It runs out of range early: below its smallest normal number a unit in the last place gets no smaller.
        return noisy + (factors - 1) * torch.finfo(value.dtype).smallest_normal

    def _drawn(self, size: int, dtype: torch.dtype) -> torch.Tensor:
        """So many factors, from a new place on; behind the last one comes the first."""
        self._place = (self._place + STRIDE) % TABLE
        factors, end = self._factors(dtype), self._place + size
        if end > len(factors):
            factors = torch.cat([factors] * -(-end // len(factors)))
        return factors[self._place : end]


def types_met(erring: torch.fx.GraphModule, example: Sequence[torch.Tensor]) -> tuple[torch.dtype, ...]:
    """The types of what has errors in a graph that was made ``with_errors``."""
    signs = Signs(np.zeros((1, TABLE), np.int8))
    met: dict[torch.dtype, None] = {}

    def factors(dtype: torch.dtype) -> torch.Tensor:
        met[dtype] = None
        return signs.factors(dtype)[0]

    erring(Errors(factors), *example)
    return tuple(met)


def with_errors(module: torch.fx.GraphModule, inside: Mapping[str, torch.nn.Module]) -> torch.fx.GraphModule:
    """The graph with ``Errors`` as one more operand, before the others, behind each operation that rounds.

    Args:
        module: the graph.
        inside: by the names of nodes, what runs instead: it is given the errors and the node's operands.
    """
    erring = torch.fx.GraphModule(module, deepcopy(module.graph))
    graph = erring.graph
    nodes = list(graph.nodes)
    with graph.inserting_before(nodes[0]):
        errors = graph.placeholder("errors")
    for node in nodes:
        if node.name not in inside and not rounds(node):
            continue
        with graph.inserting_after(node):
            if node.name in inside:
                erring.add_submodule(f"inside_{node.name}", inside[node.name])
                noisy = graph.call_module(f"inside_{node.name}", (errors, *node.all_input_nodes))
            elif name_of(node) == "_to_copy":
                noisy = graph.call_function(_unless_widened, (errors, node, node.args[0]))
            else:
                noisy = graph.call_function(Errors.of, (errors, node))
        node.replace_all_uses_with(noisy, delete_user_cb=lambda user, noisy=noisy: user is not noisy)
    graph.eliminate_dead_code()
    erring.recompile()
    return erring


def _unless_widened(errors: Errors, value: torch.Tensor, before: torch.Tensor) -> Result:
    """What a conversion of types gives: it is exact where it is to a type that has all numbers of the former one."""
    return value if widens(before.dtype, value.dtype) else errors.of(value)
