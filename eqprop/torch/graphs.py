"""One row of a function of tensors as a graph of torch's operations: run for many rows, and with rounding inside.

The graph is what autograd itself called at the example, older style ``autograd.Function`` and all. Random rounding puts
a factor 1 ± eps behind every operation that rounds (``noise``), and errors inside of kernels that round several times
(``kernels``).
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.fx
from torch._decomp import core_aten_decompositions
from torch.func import functionalize

from eqprop.engine import FINEST, TABLE, Roundoff
from eqprop.torch.batches import Rowwise
from eqprop.torch.derivatives import Function, Tensors, evaluated
from eqprop.torch.kernels import Kernels
from eqprop.torch.noise import Errors, Signs, types_met, with_errors
from eqprop.torch.operations import as_batched, compact, mutates, name_of
from eqprop.torch.recording import recorded
from eqprop.torch.stored import as_differentiable


class Graph:
    """The graph of a function at an example.

    Args:
        function: of tensors.
        example: its operands.

    Attributes:
        lowest: the lowest floating precision of its operations, and the first one that has it.
        strangers: the names of operations that are not torch's own.

    Raises:
        ValueError: where the function branches on numbers that its operands decide.
    """

    def __init__(self, function: Function, example: Tensors) -> None:
        traced = recorded(lambda *operands: evaluated(function, operands), example, numbers=False)
        _refuse_branches(traced)
        self._whole = _without_stores(traced, example)
        nodes = list(self._whole.graph.nodes)
        self.lowest = _Precisions(self._whole).lowest(example)
        self.strangers = sorted({name for node in nodes if "." in (name := name_of(node))})
        self._example = example
        self._rowwise = Rowwise(self.one, example, len(nodes))
        written = as_batched(self._whole) if self._rowwise.batches else self._whole
        self._erring = with_errors(written, Kernels(written, example).found)
        self._types = types_met(self._erring, example)

    def function(self, operands: Tensors, again: bool) -> Tensors:
        """As a function that is differentiated operation by operation: by no rules that are not torch's own."""
        del again
        return self.one(*operands)

    @cached_property
    def in_parts(self) -> Function:
        """As ``function``, with kernels taken apart: some of backward passes have no derivative, as silu's; parts do.

        Raises:
            Exception: whatever torch raises where it cannot trace them.
        """
        known, nodes = core_aten_decompositions(), self._whole.graph.nodes
        apart = recorded(self.one, self._example, parts={n.target: known[n.target] for n in nodes if n.target in known})
        return lambda operands, again: tuple(apart(*operands))

    def one(self, *operands: torch.Tensor) -> Tensors:
        """At one row."""
        return tuple(self._whole(*operands))

    def many(self, operands: Sequence[torch.Tensor], signs: Signs | None, start: int = 0) -> Tensors:
        """At many rows.

        Args:
            operands: with a leading axis of rows, or of 1 where all have the same.
            signs: of the errors of each row; None for no errors.
            start: from which of a row's signs on they are taken.
        """
        if signs is None:
            return self._rowwise(operands)
        return self._rowwise_with_errors((*operands, *(signs.factors(dtype, start) for dtype in self._types)))

    @cached_property
    def _rowwise_with_errors(self) -> Rowwise:
        """Errors make a number of every row of what is the same for all: of a mask that entries are chosen by, say."""
        signs = Signs(np.zeros((1, TABLE), np.int8))
        example = (*self._example, *(signs.factors(dtype, 0)[0] for dtype in self._types))
        return Rowwise(self._with_errors, example, len(self._erring.graph.nodes))

    def _with_errors(self, *row: torch.Tensor) -> Tensors:
        count = len(self._example)
        factors = dict(zip(self._types, row[count:], strict=True))
        return tuple(self._erring(Errors(factors.__getitem__), *row[:count]))


def _refuse_branches(module: torch.fx.GraphModule) -> None:
    """Numbers that Python is given out of tensors are those of the example; what depends on no operand is a constant.

    Positions that a mask is made of, say, which a module looks through for sequences that were packed.
    """
    drawn: set[torch.fx.Node] = set()
    for node in module.graph.nodes:
        if node.op == "placeholder" or not drawn.isdisjoint(node.all_input_nodes):
            drawn.add(node)
            if torch.Tag.data_dependent_output in getattr(node.target, "tags", ()):
                msg = f"it branches on numbers: Python is given one by {name_of(node)}"
                raise ValueError(msg)


def _without_stores(module: torch.fx.GraphModule, example: Tensors) -> torch.fx.GraphModule:
    """The graph with new tensors in the place of stored ones, where torch knows how: those of a row hold no batch."""
    if any(mutates(node) for node in module.graph.nodes):
        try:
            module = recorded(functionalize(module, remove="mutations"), example)
        except RuntimeError:
            return compact(module)
    return compact(as_differentiable(module))


class _Precisions(torch.fx.Interpreter):
    """Runs a graph, and looks at the types of what its operations give."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self._found: list[Roundoff] = [FINEST]

    def lowest(self, example: Tensors) -> Roundoff:
        """The lowest one, and the first operation that has it."""
        self.run(*example)
        return max(self._found, key=lambda unit: unit.eps)

    def run_node(self, n: torch.fx.Node) -> Any:
        result = super().run_node(n)
        name = name_of(n)
        for leaf in result if isinstance(result, tuple | list) else (result,):
            if name and isinstance(leaf, torch.Tensor) and (leaf.is_floating_point() or leaf.is_complex()):
                self._found.append(precision_of(leaf, f"torch's {name}"))
        return result


def precision_of(tensor: torch.Tensor, origin: str = "") -> Roundoff:
    """Of the numbers of a tensor."""
    return Roundoff(torch.finfo(tensor.dtype).eps, str(tensor.dtype).removeprefix("torch."), origin)
