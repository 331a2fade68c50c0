"""Translations: what may be added to tensors without the model noticing."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.actions.parts import Part, parts, place_of, size_of
from eqprop.arguments import as_index, call_of, mapping_of, short
from eqprop.claims import Params, Transformation
from eqprop.engine import Tree, explained, is_floating, leaf_paths, type_of_leaf
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Translation

Shape = tuple[int, ...]
Along = int | tuple[int, int] | None
"""The axis along which a shift is the same, with the number of its parts, or None where each entry has its own."""


def softmax_shift(params: Params, classes: Mapping[str, Along], *, name: str = "softmax-shift") -> Transformation:
    """W ↦ W + a 1ᵀ, b ↦ b + s 1: the same is added for every class, which a softmax does not see.

    Likewise for what a layer norm subtracts the mean of, and for the logits of a router.

    Args:
        params: example parameters; the number of shifts follows from their shapes.
        classes: path or glob pattern → axis of the classes, for each tensor that writes logits; a pair (axis, parts)
            where that axis has so many parts and the same is added within each (a group norm's groups).
        name: used in reports and test ids.

    Raises:
        InvalidInput: for a pattern that matches nothing, a tensor that is not floating point, or an axis that does not
            exist.
    """
    return shifted(params, classes, name=name, where=call_of("softmax_shift", name))


def translations(params: Params, along: Mapping[str, Along], *, name: str = "shift") -> Transformation:
    """Tensors ↦ tensors + shifts: each shift is the same along an axis, or each entry has its own.

    The group is Rⁿ, with one coordinate for each shift: tensors in the order of ``params``, entries in theirs.

    Args:
        params: example parameters.
        along: path or glob pattern → the axis along which a shift is the same, as in ``softmax_shift``; None where
            every entry is free (the bias before a batch norm, the key bias of an attention without positions).
        name: used in reports and test ids.

    Raises:
        InvalidInput: as ``softmax_shift``.
    """
    return shifted(params, along, name=name, where=call_of("translations", name))


def shifted(params: Params, along: Mapping[str, Along], *, name: str, where: str) -> Transformation:
    """``translations`` under the name of the constructor that the user called, so that messages speak of it.

    Args:
        params: example parameters, of which the shapes count.
        along: path, or glob pattern → the axes along which the shift is the same.
        name: of the transformation.
        where: the constructor in messages.
    """
    shapes = _shapes(params, along, where)
    ends = np.cumsum([0, *(prod(shape) for _, shape, _ in shapes)]).tolist()
    form = _form(params)

    def on_params(shifts: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        if _form(params) != form:
            msg = (
                f"{where} was made for other parameters, {_text(form)}, and is used on {_text(_form(params))}. Pass "
                "the model's own example."
            )
            raise InvalidInput(msg)
        for ((i, slices), shape, full), start, end in zip(shapes, ends, ends[1:], strict=False):
            leaf = jnp.asarray(leaves[i])
            shift = jnp.broadcast_to(jnp.reshape(shifts[start:end], shape), full).astype(leaf.dtype)
            shift = jnp.reshape(shift, size_of(slices, leaf.shape))
            leaves[i] = leaf.at[slices].add(shift) if slices else leaf + shift
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(Translation(ends[-1]), on_params, name=name, isometry=True)


def _form(params: Params) -> dict[str, Shape]:
    return dict(zip(leaf_paths(params), map(np.shape, jax.tree.leaves(params)), strict=True))


def _text(form: Mapping[str, Shape]) -> str:
    return ", ".join(f"{path} {shape}" for path, shape in form.items()) or "without any tensor"


def _shapes(params: Params, along: Mapping[str, Along], where: str) -> list[tuple[Part, Shape, Shape]]:
    """For each part that is shifted its shape, 1 along what is shifted alike, and the same shape in full."""
    paths = explained(f"{where}: flattening params", lambda: leaf_paths(params))
    leaves = jax.tree.leaves(params)
    found: dict[tuple[Tree, ...], tuple[Part, Shape, Shape]] = {}
    for pattern, axis in mapping_of(along, "{'w_out': 1, 'b_out': 0}", f"{where}: the tensors").items():
        for part in parts(paths, pattern, role=where):
            leaf, shape = leaves[part.leaf], np.shape(leaves[part.leaf])
            tensor = f"{where}: tensor {paths[part.leaf]!r} of shape {shape}"
            if not is_floating(leaf):
                msg = f"{tensor} is {type_of_leaf(leaf)}: only floating-point tensors are shifted."
                raise InvalidInput(msg)
            place = (part.leaf, place_of(part.slices, shape, tensor))
            if place in found:
                msg = f"{tensor} is declared twice; name it once."
                raise InvalidInput(msg)
            found[place] = (part, *_split(size_of(part.slices, shape), axis, tensor))
    if not found:
        msg = f"{where}: no tensor is named; nothing would move."
        raise InvalidInput(msg)
    return [found[place] for place in sorted(found)]


def _split(shape: Shape, along: Along, tensor: str) -> tuple[Shape, Shape]:
    if along is None:
        return shape, shape
    given = along if isinstance(along, tuple) and len(along) == 2 else (along, 1)
    axis, parts = map(as_index, given)
    if axis is None or not -len(shape) <= axis < len(shape):
        msg = (
            f"{tensor} has no axis {short(given[0])}; expected a number, a pair (axis, parts), or None where every "
            "entry is free."
        )
        raise InvalidInput(msg)
    axis %= len(shape)
    if parts is None or parts < 1 or shape[axis] % parts:
        msg = f"{tensor}: axis {axis} does not split into {short(given[1])} equal parts."
        raise InvalidInput(msg)
    before, after = shape[:axis], shape[axis + 1 :]
    return (*before, parts, 1, *after), (*before, parts, shape[axis] // parts, *after)
