"""A graph of torch's operations with random rounding: a factor 1 ± eps behind each that rounds."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import numpy as np
import torch
import torch.fx
from torch.fx.node import map_arg

from eqprop.engine import STRIDE, TABLE
from eqprop.torch.operations import mutates, name_of, rounds, widens

Result = torch.Tensor | tuple[torch.Tensor, ...] | list[torch.Tensor]


class Signs:
    """The signs of the errors of rows, and the factors that they make.

    Args:
        table: 1, −1 or 0, of shape (rows, ``TABLE``).
    """

    def __init__(self, table: np.ndarray) -> None:
        self.table = table
        self._factors: dict[torch.dtype, torch.Tensor] = {}

    def factors(self, dtype: torch.dtype, start: int) -> torch.Tensor:
        """1 ± eps for results of a type, of shape (rows, 2 ``TABLE``): most results take theirs as one piece of it.

        Args:
            dtype: the type.
            start: which of a row's signs is the first.
        """
        if dtype not in self._factors:
            once = torch.from_numpy(self.table).to(dtype).mul_(torch.finfo(dtype).eps).add_(1)
            self._factors[dtype] = torch.cat([once] * 3, 1)
        begin = start % TABLE
        return self._factors[dtype][:, begin : begin + 2 * TABLE]


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
    """

    def __init__(self, factors: Callable[[torch.dtype], torch.Tensor]) -> None:
        self._factors = factors
        self._place = 0

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
        return signs.factors(dtype, 0)[0]

    erring(Errors(factors), *example)
    return tuple(met)


def with_errors(
    module: torch.fx.GraphModule, inside: Mapping[str, torch.nn.Module], *, beside: bool = False
) -> torch.fx.GraphModule:
    """The graph with ``Errors`` as one more operand, before the others, behind each operation that rounds.

    Args:
        module: the graph.
        inside: by the names of nodes, what runs instead: it is given the errors and the node's operands.
        beside: whether it gives its results without errors as well, as a second of two; what no error has reached is
            worked out once for both.
    """
    graph = torch.fx.Graph()
    errors = graph.placeholder("errors")
    erring: dict[torch.fx.Node, torch.fx.Node] = {}
    exact: dict[torch.fx.Node, torch.fx.Node] = {} if beside else erring
    stores = any(map(mutates, module.graph.nodes))
    for node in module.graph.nodes:
        if node.op == "output":
            results = [map_arg(node.args[0], copies.__getitem__) for copies in (erring, exact)]
            graph.output(tuple(results) if beside else results[0])
            continue
        copied = graph.node_copy(node, erring.__getitem__)
        if beside:
            alone = not stores and all(erring[operand] is exact[operand] for operand in node.all_input_nodes)
            exact[node] = copied if alone or node.op == "placeholder" else graph.node_copy(node, exact.__getitem__)
        erring[node] = _erring(graph, errors, node, copied, inside)
    constants = {node.target: attrgetter(node.target)(module) for node in module.graph.nodes if node.op == "get_attr"}
    made = torch.fx.GraphModule({**constants, **{f"inside_{name}": kernel for name, kernel in inside.items()}}, graph)
    made.graph.eliminate_dead_code()
    made.recompile()
    return made


def _erring(
    graph: torch.fx.Graph,
    errors: torch.fx.Node,
    node: torch.fx.Node,
    copied: torch.fx.Node,
    inside: Mapping[str, torch.nn.Module],
) -> torch.fx.Node:
    """What stands for a node whose copy works on operands with errors."""
    if node.name in inside:
        return graph.call_module(f"inside_{node.name}", (errors, *copied.all_input_nodes))
    if not rounds(node):
        return copied
    if name_of(node) == "_to_copy":
        return graph.call_function(_unless_widened, (errors, copied, copied.args[0]))
    return graph.call_function(Errors.of, (errors, copied))


def _unless_widened(errors: Errors, value: torch.Tensor, before: torch.Tensor) -> Result:
    """What a conversion of types gives: it is exact where it is to a type that has all numbers of the former one."""
    return value if widens(before.dtype, value.dtype) else errors.of(value)
