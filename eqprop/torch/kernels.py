"""Kernels that round several times inside, a softmax, a layer norm, a product with a bias, and their errors."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

from eqprop.torch.derivatives import Tensors
from eqprop.torch.noise import Errors, Result, with_errors
from eqprop.torch.operations import compact, parts


class Kernel(torch.nn.Module):
    """A kernel with errors inside.

    It is run as it is; its errors are the difference between what it is made of with and without rounding, so that
    nothing is said of the kernel by what it should be.

    Args:
        node: that calls it.
        example: the node's operands.
    """

    def __init__(self, node: torch.fx.Node, example: Tensors) -> None:
        super().__init__()

        def called(*operands: torch.Tensor) -> Any:
            given = dict(zip(node.all_input_nodes, operands, strict=True))
            args, kwargs = map_arg((node.args, node.kwargs), given.__getitem__)
            return node.target(*args, **kwargs)

        self._whole = make_fx(called)(*example)
        taken_apart = compact(make_fx(called, decomposition_table=parts())(*example))
        self._parts = with_errors(taken_apart, {}, beside=True)

    def forward(self, errors: Errors, *operands: torch.Tensor) -> Result:
        """What the node gives."""
        found, (there, here) = self._whole(*operands), self._parts(errors, *operands)
        if isinstance(found, torch.Tensor):
            return _moved(errors, found, there, here)
        return tuple(map(partial(_moved, errors), found, there, here))


def _moved(errors: Errors, value: Any, there: Any, here: Any) -> Any:
    """By the difference, where there is one: infinities have none."""
    if not isinstance(value, torch.Tensor) or not (value.is_floating_point() or value.is_complex()):
        return value
    if value.shape != here.shape:
        # Torch takes fused attention apart into the weights, where the kernel gives the logarithms of their sums.
        return errors.of(value)
    return torch.where(there == here, value, value + (there - here))


class Kernels(torch.fx.Interpreter):
    """Runs a graph, and takes its kernels apart; those that are called alike are one.

    Attributes:
        found: by the names of their nodes.
    """

    def __init__(self, module: torch.fx.GraphModule, example: Tensors) -> None:
        super().__init__(module)
        self.found: dict[str, Kernel] = {}
        self._alike: dict[object, Kernel] = {}
        self.run(*example)

    def run_node(self, n: torch.fx.Node) -> Any:
        if n.op == "call_function" and n.target in parts():
            operands = tuple(self.env[operand] for operand in n.all_input_nodes)
            self.found[n.name] = self._taken_apart(n, operands)
        return super().run_node(n)

    def _taken_apart(self, node: torch.fx.Node, operands: Tensors) -> Kernel:
        places = {operand: f"%{place}" for place, operand in enumerate(node.all_input_nodes)}
        written = repr(map_arg((node.args, node.kwargs), places.__getitem__))
        call = (node.target, written, *((leaf.shape, leaf.dtype, leaf.stride()) for leaf in operands))
        if call not in self._alike:
            self._alike[call] = Kernel(node, operands)
        return self._alike[call]
