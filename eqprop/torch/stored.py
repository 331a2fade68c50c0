"""Stores into parts of tensors, in a graph, by operations that torch can differentiate and batch.

What a function stores in place becomes a new tensor with a part of another one (``functionalize``). Of complex numbers
torch has no derivative of that, of a copy in no type, and no rule to batch parts that are told by how a tensor lies in
memory.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.fx

aten = torch.ops.aten

PARTS = (aten.slice_scatter.default, aten.select_scatter.default)
STRIDED = (aten.as_strided.default, aten.as_strided_scatter.default)


def as_differentiable(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """The graph, which stores nothing in place, with other operations for these; the same numbers."""
    nodes = list(module.graph.nodes)
    for node in nodes:
        if node.target is aten.slice_scatter.default:
            _end_within(node)
        if node.target in PARTS and node.meta["val"].is_complex():
            _part_by_part(node)
    strided = [node for node in nodes if node.target in STRIDED]
    places = {node: found for node in strided if (found := _places(node)) is not None}
    if len(places) == len(strided):  # or else it matters how tensors lie in memory
        for node in nodes:
            if node.target is aten.copy.default:
                _spread(node)
        for number, (node, found) in enumerate(places.items()):
            _by_places(module, node, f"places_{number}", found)
    return module


def _end_within(node: Any) -> None:
    """Let a slice that is stored into end where its axis does: torch writes the largest integer, and vmap overflows."""
    axis, start, end, *step = (*node.args[2:], *(0, 0, None)[len(node.args) - 2 :])
    size = node.args[0].meta["val"].shape[axis]
    node.args = (*node.args[:2], axis, start, size if end is None else min(end, size), *step)


def _part_by_part(node: Any) -> None:
    """Store real and imaginary parts."""
    base, part, *where = node.args
    with node.graph.inserting_before(node):
        halves = [
            node.graph.call_function(
                node.target, (*(node.graph.call_function(half.default, (whole,)) for whole in (base, part)), *where)
            )
            for half in (aten.real, aten.imag)
        ]
        _instead(node, node.graph.call_function(aten.complex.default, tuple(halves)))


def _spread(node: Any) -> None:
    """What is copied, in the shape and the type of what it is copied over."""
    over, source = (operand.meta["val"] for operand in node.args[:2])
    with node.graph.inserting_before(node):
        found = node.graph.call_function(aten.expand.default, (node.args[1], list(over.shape)))
        if source.dtype != over.dtype:
            found = node.graph.call_function(aten._to_copy.default, (found,), {"dtype": over.dtype})  # noqa: SLF001
        _instead(node, found)


def _by_places(module: torch.fx.GraphModule, node: Any, name: str, places: Sequence[int]) -> None:
    """Take entries by their numbers, or store into these."""
    base, graph = node.args[0], module.graph
    module.register_buffer(name, torch.tensor(places, dtype=torch.int64))
    shape = list(node.meta["val"].shape)
    with graph.inserting_before(node):
        index = graph.get_attr(name)
        flat = graph.call_function(aten.reshape.default, (base, [-1]))
        if node.target is aten.as_strided.default:
            found = graph.call_function(aten.index_select.default, (flat, 0, index))
        else:
            part = graph.call_function(aten.reshape.default, (node.args[1], [-1]))
            found = graph.call_function(aten.scatter.src, (flat, 0, index, part))
        _instead(node, graph.call_function(aten.reshape.default, (found, shape)))


def _places(node: Any) -> list[int] | None:
    """The entries of a tensor, by their numbers, that are told by how it lies in memory; None where some are none."""
    base = node.args[0].meta["val"]
    shape, strides, *start = node.args[1 if node.target is aten.as_strided.default else 2 :]
    begins = base.storage_offset()
    lie = {int(at): number for number, at in enumerate(_addresses(base.shape, base.stride(), begins))}
    wanted = _addresses(shape, strides, begins if not start or start[0] is None else start[0])
    found = [lie.get(int(at)) for at in wanted]
    return [at for at in found if at is not None] if None not in found else None


def _addresses(shape: Sequence[int], strides: Sequence[int], start: int) -> torch.Tensor:
    """Where the entries of a tensor lie in memory, in their order."""
    found = torch.tensor([start])
    for length, stride in zip(shape, strides, strict=True):
        found = (found[:, None] + stride * torch.arange(length)).reshape(-1)
    return found


def _instead(node: Any, found: Any) -> None:
    """Let another node stand for one, as what it gives."""
    found.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(found)
    node.graph.erase_node(node)
