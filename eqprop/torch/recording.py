"""Records the operations of torch that a function comes to at an example."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import getitem
from typing import Any

import torch
import torch.fx
from torch.fx.node import map_aggregate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten

ZEROS = {aten._efficientzerotensor.default: torch.zeros}  # noqa: SLF001 - it has no other name
"""Zeros that hold no memory, which torch begins tangents with, as zeros that do: what is recorded is differentiated
again, and torch does not always ask whether the memory is there."""

PLAIN = frozenset({torch.Tensor, torch.nn.Parameter})

FRESH = {aten.lift_fresh.default: aten.lift_fresh_copy.default}
"""What torch.tensor gives is a constant of a graph, and what is stored into must be a copy of it."""

_WHOLE = {aten.size.default, aten.stride.default, aten.storage_offset.default}
"""Operations that are run as they are, as far as they were met; of these three torch says that they are made of others.
"""


def recorded(
    function: Callable[..., Any],
    example: Sequence[torch.Tensor],
    *,
    parts: Mapping[Any, Callable[..., Any]] | None = None,
    instead: Mapping[Any, Callable[..., Any]] | None = None,
    numbers: bool = True,
) -> torch.fx.GraphModule:
    """The graph of a function at an example.

    What ``make_fx`` does, without symbols for sizes, without stacks for each node and without ``torch._dynamo``: that
    takes two seconds to import (docs/decisions/others.md). Of each node ``meta["val"]`` is a tensor without numbers.

    Args:
        function: of tensors.
        example: its operands.
        parts: what is recorded in the place of an operation, beside ``ZEROS``: all operations that it comes to.
        instead: what is written in the place of an operation, which is run as it is.
        numbers: whether it is an error for Python to be given a number of a tensor that depends on an operand.

    Raises:
        RuntimeError: where Python is given one.
        Exception: whatever the function raises.
    """
    table = {**ZEROS, **(parts or {})}
    recording = _Recording(example, table, instead or {}, numbers=numbers)
    try:
        with recording:
            results = function(*example)
    except NotImplementedError as error:
        if "no rule registered" not in str(error):
            raise
        from torch._dynamo import reset
        from torch.fx.experimental.proxy_tensor import make_fx

        # Branches and loops of torch.cond and its like have programs inside, for which it has rules. They are compiled,
        # and what was compiled for a mode without rules would be taken for all that comes.
        reset()
        return make_fx(function, decomposition_table=table, _error_on_data_dependent_ops=numbers)(*example)
    recording.graph.output(map_aggregate(results, recording.written))
    return torch.fx.GraphModule(recording.constants, recording.graph)


class _Recording(TorchDispatchMode):
    """Writes what torch calls into a graph, below autograd: of a backward pass, too.

    Args:
        example: the operands.
        parts: see ``recorded``, as the others.
        instead: likewise.
        numbers: likewise.

    Attributes:
        graph: what was called so far.
        constants: the tensors and generators that come from elsewhere, by the names that the graph has for them.
    """

    def __init__(
        self,
        example: Sequence[torch.Tensor],
        parts: Mapping[Any, Callable[..., Any]],
        instead: Mapping[Any, Callable[..., Any]],
        *,
        numbers: bool,
    ) -> None:
        super().__init__()
        self.graph = torch.fx.Graph()
        self.constants: dict[str, torch.Tensor | torch.Generator] = {}
        self._parts, self._instead = parts, instead
        self._numbers = numbers
        self._nodes = WeakTensorKeyDictionary()
        self._drawn: set[torch.fx.Node] = set()  # what depends on an operand
        for number, operand in enumerate(example):
            node = self.graph.placeholder(f"operand_{number}")
            self._drawn.add(node)
            self._note(node, operand)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch asks, and would import ``torch._dynamo`` in order to switch it off."""
        return "torch._dynamo" in sys.modules

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if not PLAIN.issuperset(types):  # a kind of tensor of somebody's own says first what it comes to
            return NotImplemented
        if func.namespace == "profiler":  # marks of an optimiser's
            return func(*args, **given)
        if func in self._parts:
            with self:
                return self._parts[func](*args, **given)
        if func not in _WHOLE:
            made = NotImplemented
            if not func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CPU):  # noqa: SLF001 - it has no other name
                with self:
                    made = func.decompose(*args, **given)
            if made is not NotImplemented:
                return made
            _WHOLE.add(func)
        written = map_aggregate((args, given), self.written)
        func = FRESH.get(func, func)
        result = func(*args, **given)
        node = self.graph.call_function(self._instead.get(func, func), *written)
        if not self._drawn.isdisjoint(node.all_input_nodes):
            self._drawn.add(node)
            if self._numbers and torch.Tag.data_dependent_output in func.tags:
                msg = f"Python is given a number by {func}"
                raise RuntimeError(msg)
        self._note(node, result)
        return result

    def written(self, value: Any) -> Any:
        """What stands for a value in the graph."""
        if isinstance(value, torch.Generator):
            return self._constant(value)
        if not isinstance(value, torch.Tensor):
            return value
        if value not in self._nodes:
            self._note(self._constant(value.detach()), value)  # of a parameter, too, by which nothing is differentiated
        return self._nodes[value]

    def _constant(self, value: torch.Tensor | torch.Generator) -> torch.fx.Node:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return self.graph.get_attr(name)

    def _note(self, node: torch.fx.Node, result: Any) -> None:
        """What a node gives, where that is tensors."""
        if isinstance(result, torch.Tensor):
            self._nodes[result] = node
            node.meta["val"] = _without_numbers(result)
        elif isinstance(result, tuple | list):
            for place, part in enumerate(result):
                one = self.graph.call_function(getitem, (node, place))
                if node in self._drawn:
                    self._drawn.add(one)
                self._note(one, part)


def _without_numbers(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape, type and place in memory that has none."""
    lengths = chain([tensor.storage_offset(), 1], _reaches(tensor))
    memory = torch.empty(sum(lengths), dtype=tensor.dtype, device="meta")
    return memory.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())


def _reaches(tensor: torch.Tensor) -> Iterable[int]:
    """How far each axis of a tensor reaches in memory."""
    return (stride * max(length - 1, 0) for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
