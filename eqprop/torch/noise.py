"""A graph of torch's operations with random rounding: a factor 1 ± eps behind each that rounds."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
import torch.fx

from eqprop.engine import STRIDE
from eqprop.torch.operations import name_of, rounds, widens

Result = torch.Tensor | tuple[torch.Tensor, ...] | list[torch.Tensor]


class Errors:
    """The errors of one row.

    Args:
        signs: of the errors: 1, −1 or 0. Results take theirs from it in turn, from a new place each time.
    """

    def __init__(self, signs: torch.Tensor) -> None:
        self._signs = signs
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
        relative = self._drawn(value.numel()).reshape(value.shape).to(value.dtype) * torch.finfo(value.dtype).eps
        noisy = value * (1 + relative)
        if value.dtype != torch.float16:
            return noisy
        # It runs out of range early: below its smallest normal number a unit in the last place gets no smaller.
        return noisy + relative * torch.finfo(value.dtype).smallest_normal

    def _drawn(self, size: int) -> torch.Tensor:
        """So many signs, from a new place of the table on, which starts again where it ends."""
        table = len(self._signs)
        self._place = (self._place + STRIDE) % table
        end = self._place + size
        signs = self._signs if end <= table else torch.cat([self._signs] * -(-end // table))
        return signs[self._place : end]


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
