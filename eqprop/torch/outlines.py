"""The axes of a graph of torch's operations: which of them a program of JAX moves together, so that it can be followed.

Of what is written here only axes matter. Numbers do not: every operation that goes entry by entry is a sum, every
reduction is one, and what is not known is a sum of everything, spread over a shape whose axes are new.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import torch
import torch.fx
from torch._decomp import core_aten_decompositions

from eqprop.engine import Tree
from eqprop.torch.derivatives import Function, Tensors, evaluated
from eqprop.torch.operations import name_of, parts
from eqprop.torch.recording import recorded

Shape = tuple[int, ...]


class Outline:
    """A function of tensors as one of arrays with the same shapes, whose axes move together as its own do.

    Args:
        function: of tensors.
        example: its operands.

    Attributes:
        reached: the operands on which results depend by the operations that were recorded, by their places.

    Raises:
        Exception: whatever torch raises where it cannot trace the function.
    """

    def __init__(self, function: Function, example: Tensors) -> None:
        self._module = recorded(
            lambda *operands: evaluated(function, operands),
            example,
            parts={**core_aten_decompositions(), **parts()},
            numbers=False,  # an outline at the example: branches are those that it takes
        )
        self._shapes = _Shapes(self._module)
        self._shapes.run(*example)
        self.reached = _reached(self._module)

    def __call__(self, *operands: jax.Array) -> tuple[Tree, ...]:
        """Something of the shapes that the function gives."""
        return tuple(_Drawn(self._module, self._shapes.found).run(*operands))


def _reached(module: torch.fx.GraphModule) -> set[int]:
    """The places of the operands that the output of a graph depends on."""
    needed: set[torch.fx.Node] = set()
    for node in reversed(module.graph.nodes):
        if node.op == "output" or node in needed:
            needed.update(node.all_input_nodes)
    operands = [node for node in module.graph.nodes if node.op == "placeholder"]
    return {place for place, operand in enumerate(operands) if operand in needed}


class _Shapes(torch.fx.Interpreter):
    """Runs a graph, and keeps the shapes of what its operations give."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[torch.fx.Node, Tree] = {}

    def run_node(self, n: torch.fx.Node) -> Tree:
        result = super().run_node(n)
        self.found[n] = _shapes_of(result)
        return result


def _shapes_of(result: Any) -> Tree:
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    return [_shapes_of(part) for part in result] if isinstance(result, tuple | list) else None


class _Drawn(torch.fx.Interpreter):
    """Runs a graph on arrays that JAX traces."""

    def __init__(self, module: torch.fx.GraphModule, shapes: dict[torch.fx.Node, Tree]) -> None:
        super().__init__(module)
        self._shapes_of = shapes

    def run_node(self, n: torch.fx.Node) -> Tree:
        if n.op == "get_attr":  # a constant of the module: it depends on no parameter
            return jnp.zeros(self._shapes_of[n])
        if not name_of(n):
            return super().run_node(n)
        given, named = self.fetch_args_kwargs_from_env(n)
        return _step(name_of(n), (*given, *named.values()), self._shapes_of[n])


def _step(name: str, given: Sequence[Tree], shape: Tree) -> Tree:
    rule = RULES.get(name.removesuffix("_"))  # stored in place or not
    if rule is not None:
        return rule(*given, shape=shape)
    operands = [operand for operand in given if isinstance(operand, jax.Array)]
    if isinstance(shape, list):
        return [_entrywise(operands, part) for part in shape]
    return _entrywise(operands, shape)


def _entrywise(operands: Sequence[jax.Array], shape: Shape | None) -> jax.Array | None:
    """The sum of operands, as far as they can be spread over the shape; else nothing is known of the axes."""
    if shape is None:
        return None
    fitting = [operand for operand in operands if _spreads(operand.shape, shape)]
    if len(fitting) < len(operands):
        return _unknown(operands, shape)
    total = jnp.zeros(shape)
    for operand in fitting:
        total = total + jnp.broadcast_to(_number(operand), shape)
    return total


def _number(operand: jax.Array) -> jax.Array:
    return operand.astype(float)


def _spreads(shape: Shape, over: Shape) -> bool:
    aligned = zip(reversed(shape), reversed(over), strict=False)
    return len(shape) <= len(over) and all(size in (1, whole) for size, whole in aligned)


def _unknown(operands: Sequence[jax.Array], shape: Shape) -> jax.Array:
    return jnp.broadcast_to(sum((_number(operand).sum() for operand in operands), jnp.zeros(())), shape)


# ---- what is not entry by entry --------------------------------------------------------------------------------------


def _same(array: jax.Array, *_: object, shape: Shape) -> jax.Array:
    del shape
    return array


def _product(left: jax.Array, right: jax.Array, *, shape: Shape) -> jax.Array:
    del shape
    return jnp.matmul(_number(left), _number(right))


def _reshaped(array: jax.Array, *_: object, shape: Shape) -> jax.Array:
    return array.reshape(shape)


def _permuted(array: jax.Array, order: Sequence[int], *, shape: Shape) -> jax.Array:
    del shape
    return array.transpose(order)


def _swapped(array: jax.Array, first: int = 0, second: int = 1, *, shape: Shape) -> jax.Array:
    del shape
    return array.swapaxes(first, second) if array.ndim > 1 else array


def _spread(array: jax.Array, *_: object, shape: Shape) -> jax.Array:
    return jnp.broadcast_to(array, shape)


def _sliced(
    array: jax.Array, axis: int = 0, start: int | None = None, stop: int | None = None, step: int = 1, *, shape: Shape
) -> jax.Array:
    del shape
    bounds = slice(start, stop, step).indices(array.shape[axis])
    return jax.lax.slice_in_dim(array, *bounds, axis=axis % array.ndim)


def _selected(array: jax.Array, axis: int, index: int, *, shape: Shape) -> jax.Array:
    at = index % array.shape[axis]
    return jax.lax.slice_in_dim(array, at, at + 1, axis=axis % array.ndim).reshape(shape)


def _split(array: jax.Array, _: object, axis: int = 0, *, shape: Sequence[Shape]) -> list[jax.Array]:
    ends = [0]
    for part in shape:
        ends.append(ends[-1] + part[axis])
    return [jax.lax.slice_in_dim(array, start, stop, axis=axis % array.ndim) for start, stop in pairwise(ends)]


def _unbound(array: jax.Array, axis: int = 0, *, shape: Sequence[Shape]) -> list[jax.Array]:
    return [_selected(array, axis, index, shape=part) for index, part in enumerate(shape)]


def _beside(arrays: Sequence[jax.Array], axis: int = 0, *, shape: Shape) -> jax.Array:
    present = [_number(array) for array in arrays if array.size]
    return jnp.concatenate(present, axis) if present else jnp.zeros(shape)


def _stacked(arrays: Sequence[jax.Array], axis: int = 0, *, shape: Shape) -> jax.Array:
    del shape
    return jnp.stack([_number(array) for array in arrays], axis)


def _reduced(array: jax.Array, axes: int | Sequence[int] | None = None, *_: object, shape: Tree) -> Tree:
    if isinstance(shape, list):
        return [_reduced(array, axes, shape=part) for part in shape]
    listed = [axes] if isinstance(axes, int) else list(axes or range(array.ndim))
    return _number(array).sum(tuple(axis % array.ndim for axis in listed)).reshape(shape)


def _looked_up(table: jax.Array, index: jax.Array, *_: object, shape: Shape) -> jax.Array:
    del shape
    return jnp.take(table, index.astype(int), axis=0)


def _taken(array: jax.Array, axis: int, index: jax.Array, *, shape: Shape) -> jax.Array:
    del shape
    return jnp.take(array, index.astype(int), axis=axis)


def _indexed(array: jax.Array, indices: Sequence[jax.Array | None], *, shape: Shape) -> jax.Array:
    """Whole axes stay; of those that are indexed one at a time the index's own take the place."""
    used = [place for place, index in enumerate(indices) if index is not None]
    if len(used) != 1:
        return _unknown([array], shape)
    index = indices[used[0]]
    assert index is not None, "the place is that of an index"
    return jnp.take(array, index.astype(int), axis=used[0]).reshape(shape)


def _put(
    array: jax.Array, indices: Sequence[jax.Array | None], values: jax.Array, *_: object, shape: Shape
) -> jax.Array:
    """What is stored, or added, at indices along one axis has the other axes of the whole."""
    used = [place for place, index in enumerate(indices) if index is not None]
    if len(used) != 1 or values.ndim != array.ndim:
        return _unknown([array, values], shape)
    return _number(array) + _number(values).sum(used[0], keepdims=True)


def _added_at(array: jax.Array, axis: int, _: jax.Array, values: jax.Array, *__: object, shape: Shape) -> jax.Array:
    del shape
    return _number(array) + _number(values).sum(axis, keepdims=True)


def _convolved(
    images: jax.Array, kernel: jax.Array, bias: jax.Array | None, strides: Sequence[int], pads: object,
    dilations: Sequence[int], turned: bool, _: object, groups: int, *, shape: Shape,
) -> jax.Array:  # fmt: skip
    del pads
    if turned:
        return _unknown([images, kernel], shape)
    spatial = len(shape) - 2
    letters = "DHW"[3 - spatial :]
    layout = (f"NC{letters}", f"OI{letters}", f"NC{letters}")
    found = jax.lax.conv_general_dilated(
        _number(images), _number(kernel), tuple(strides), "SAME", rhs_dilation=tuple(dilations),
        dimension_numbers=layout, feature_group_count=groups,
    )  # fmt: skip
    channels = found.sum(tuple(range(2, len(shape))), keepdims=True)
    own = jnp.zeros(1) if bias is None else bias
    return jnp.broadcast_to(channels + own.reshape(1, -1, *(1 for _ in range(spatial))), shape)


VIEWS = ("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "_reshape_alias")
COPIES = ("clone", "detach", "alias", "lift_fresh_copy", "contiguous", "_to_copy", "copy")
REDUCTIONS = ("sum", "mean", "amax", "amin", "prod", "any", "all", "var", "std", "var_mean", "logsumexp", "argmax")
RULES: dict[str, Callable[..., Tree]] = {
    "mm": _product,
    "bmm": _product,
    "mv": _product,
    "dot": _product,
    "permute": _permuted,
    "t": _swapped,
    "transpose": _swapped,
    "expand": _spread,
    "slice": _sliced,
    "select": _selected,
    "split": _split,
    "split_with_sizes": _split,
    "unbind": _unbound,
    "cat": _beside,
    "stack": _stacked,
    "embedding": _looked_up,
    "index_select": _taken,
    "index": _indexed,
    "index_add": _added_at,
    "index_put": _put,
    "convolution": _convolved,
    **dict.fromkeys(VIEWS, _reshaped),
    **dict.fromkeys(COPIES, _same),
    **dict.fromkeys(REDUCTIONS, _reduced),
}
"""By the names that ATen has for them; all others go entry by entry, or nothing is known of them."""
