"""Kernels that round several times inside, a softmax, a layer norm, a product with a bias, and their errors."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.fx
from torch.fx.node import map_aggregate, map_arg

from eqprop.torch.derivatives import Tensors
from eqprop.torch.noise import Errors, Result, with_errors
from eqprop.torch.operations import OPERANDS, compact, parts
from eqprop.torch.recording import recorded

KEPT = 1024
"""Kernels that are remembered: a step of an optimiser has some twenty, as have the next step and the next search."""


@dataclass(frozen=True)
class _Operand:
    """Where a call takes one of its operands."""

    place: int


@dataclass(frozen=True)
class Call:
    """How a node calls its kernel; equal calls, in whatever graphs, are the same kernel.

    Attributes:
        target: what is called.
        layouts: shape, type and strides of each operand.
        written: what it is given, as text.
        given: what it is given, with an ``_Operand`` in the place of each operand.
    """

    target: Any
    layouts: tuple[tuple[torch.Size, torch.dtype, tuple[int, ...]], ...]
    written: str
    given: Any = field(compare=False)

    @classmethod
    def of(cls, node: torch.fx.Node, operands: Tensors) -> Call:
        """That of a node.

        Args:
            node: that calls a kernel.
            operands: its, at an example.
        """
        places = {operand: _Operand(place) for place, operand in enumerate(node.all_input_nodes)}
        given = map_arg((node.args, node.kwargs), places.__getitem__)
        return cls(node.target, tuple((leaf.shape, leaf.dtype, leaf.stride()) for leaf in operands), repr(given), given)

    def __call__(self, *operands: torch.Tensor) -> Any:
        """What the kernel gives."""
        args, kwargs = map_aggregate(self.given, lambda a: operands[a.place] if isinstance(a, _Operand) else a)
        return self.target(*args, **kwargs)


class Kernel(torch.nn.Module):
    """A kernel with errors inside.

    It is run as it is; its errors are the difference between what it is made of with and without rounding, so that
    nothing is said of the kernel by what it should be.

    Args:
        call: of the kernel.
        example: operands.
    """

    def __init__(self, call: Call, example: Tensors) -> None:
        super().__init__()
        self._whole = recorded(call, example)
        made = recorded(_with_operands_of(call), example, parts=parts())
        self._parts = with_errors(compact(made), {}, beside=True)

    def forward(self, errors: Errors, *operands: torch.Tensor) -> Result:
        """What the node gives."""
        found, (there, here) = self._whole(*operands), self._parts(errors, *operands)
        if isinstance(found, torch.Tensor):
            return _moved(errors, found, there, here)
        return tuple(map(partial(_moved, errors), found, there, here))


def _with_operands_of(call: Call) -> Callable[..., Any]:
    """The kernel after what its operands go through, which rounds where nothing else shows how the kernel does."""
    through = OPERANDS.get(call.target)
    return call if through is None else lambda *operands: call(*map(through, operands))


def _moved(errors: Errors, value: Any, there: Any, here: Any) -> Any:
    """By the difference, where there is one: infinities have none."""
    if not isinstance(value, torch.Tensor) or not (value.is_floating_point() or value.is_complex()):
        return value
    if value.shape != here.shape:
        # Torch takes fused attention apart into the weights, where the kernel gives the logarithms of their sums.
        return errors.of(value)
    return torch.where(there == here, value, value + (there - here))


_known: OrderedDict[Call, Kernel] = OrderedDict()


def _taken_apart(call: Call, example: Tensors) -> Kernel:
    if call not in _known:
        _known[call] = Kernel(call, example)
        while len(_known) > KEPT:
            _known.popitem(last=False)
    _known.move_to_end(call)
    return _known[call]


class Kernels(torch.fx.Interpreter):
    """Runs a graph, and takes its kernels apart.

    Attributes:
        found: by the names of their nodes.
    """

    def __init__(self, module: torch.fx.GraphModule, example: Tensors) -> None:
        super().__init__(module)
        self.found: dict[str, Kernel] = {}
        self.run(*example)

    def run_node(self, n: torch.fx.Node) -> Any:
        if n.op == "call_function" and (n.target in parts() or n.target in OPERANDS):
            operands = tuple(self.env[operand] for operand in n.all_input_nodes)
            self.found[n.name] = _taken_apart(Call.of(n, operands), operands)
        return super().run_node(n)
