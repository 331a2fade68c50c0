"""Biases that the next layer's bias absorbs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import as_index, got, mapping_of, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths, matching
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Translation

Reader = tuple[int, str]


def bias_shift(width: int, *, bias: str, reads: Mapping[str, Reader], name: str = "bias-shift") -> Transformation:
    """b ↦ b + u, c ↦ c − R u: what is added to the units, the reader's bias takes off again, if nothing lies between.

    So for a bias in front of a linear layer, and for that of the values of attention, whose weights sum to 1.

    Args:
        width: how many units, the length of the bias.
        bias: the path of the bias b.
        reads: the path of each tensor R that reads the units → its axis of the units, and the path of the bias c behind
            it, of R's shape without that axis.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without readers, or for one that is no pair; at the first use on parameters, for a path that
            matches no tensor or several, or shapes that do not fit.
    """
    where = f"bias_shift({name!r})"
    width = whole_number(width, f"{where}: width is")
    readers = {path: _reader(value, f"{where}: reads[{path!r}]") for path, value in _given(reads, where).items()}

    def on_params(shift: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        moved = list(leaves)
        place = _one(paths, bias, where)
        moved[place] = _less(moved[place], -shift, f"{where}: {bias!r}")
        for path, (axis, after) in readers.items():
            reader, target = jnp.asarray(leaves[_one(paths, path, where)]), _one(paths, after, where)
            if not -reader.ndim <= axis < reader.ndim or reader.shape[axis] != width:
                msg = f"{where}: {path!r} of shape {reader.shape} has not {width} units along axis {axis}."
                raise InvalidInput(msg)
            read = jnp.tensordot(reader, shift, axes=((axis,), (0,)))
            moved[target] = _less(moved[target], read, f"{where}: {after!r}")
        return jax.tree.unflatten(treedef, moved)

    return Transformation(Translation(width), on_params, name=name)


def _given(reads: object, where: str) -> Mapping[str, object]:
    given = mapping_of(reads, "{'w2': (0, 'b2')}", f"{where}: reads")
    if not given:
        msg = f"{where}: reads= names no tensor; what is added would not be taken off again."
        raise InvalidInput(msg)
    return given


def _reader(value: object, what: str) -> Reader:
    pair: tuple[object, ...] = value if isinstance(value, tuple) and len(value) == 2 else (None, None)
    axis, path = as_index(pair[0]), pair[1]
    if axis is None or not isinstance(path, str):
        msg = f"{what} is {got(value)}; expected the axis of the units and the path of the bias behind it."
        raise InvalidInput(msg)
    return axis, path


def _one(paths: tuple[str, ...], path: str, where: str) -> int:
    found = matching(paths, path, role=where)
    if len(found) != 1:
        msg = f"{where}: {path!r} matches {len(found)} tensors; name one."
        raise InvalidInput(msg)
    return found[0]


def _less(leaf: Any, taken: Any, what: str) -> jax.Array:
    """The leaf without something of its shape, in its own dtype."""
    array = jnp.asarray(leaf)
    if array.shape != np.shape(taken):
        msg = f"{what} has the shape {array.shape}; what moves it has {np.shape(taken)}."
        raise InvalidInput(msg)
    return array - jnp.asarray(taken).astype(array.dtype)
