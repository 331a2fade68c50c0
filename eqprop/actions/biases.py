"""Biases that the next layer's bias absorbs."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from eqprop.arguments import as_index, call_of, got, mapping_of, text_of, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths, matching
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Translation

Reader = tuple[int | tuple[int, ...], str]
"""The axes of the units in a tensor that reads them, and the path of the bias behind it."""


def bias_shift(width: int, *, bias: str, reads: Mapping[str, Reader], name: str = "bias-shift") -> Transformation:
    """b ↦ b + u, c ↦ c − R u: what is added to the units, the reader's bias takes off again, if nothing lies between.

    So for a bias in front of a linear layer, and for that of the values of attention, whose weights sum to 1.

    Args:
        width: how many units, the size of the bias.
        bias: the path of the bias b.
        reads: the path of each tensor R that reads the units → its axis of the units (a tuple of axes, where b has
            several), and the path of the bias c behind it, of R's shape without that axis.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without readers, or for one that is no pair; at the first use on parameters, for a path that
            matches no tensor or several, or shapes that do not fit.
    """
    where = call_of("bias_shift", name)
    width = whole_number(width, f"{where}: width is")
    given = mapping_of(reads, "{'w2': (0, 'b2')}", f"{where}: reads")
    if not given:
        msg = f"{where}: reads= names no tensor; what is added would not be taken off again."
        raise InvalidInput(msg)
    readers = {path: _reader(value, f"{where}: reads[{path!r}]") for path, value in given.items()}

    def on_params(shift: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        moved = list(leaves)
        place = one_of_paths(paths, bias, where)
        shape = np.shape(leaves[place])
        if prod(shape) != width:
            msg = f"{where}: {bias!r} has the shape {shape}; expected {width} units."
            raise InvalidInput(msg)
        added = jnp.reshape(shift, shape)
        moved[place] = added_to(moved[place], added, f"{where}: {bias!r}")
        for path, (axes, after) in readers.items():
            reader, target = jnp.asarray(leaves[one_of_paths(paths, path, where)]), one_of_paths(paths, after, where)
            if not all(-reader.ndim <= a < reader.ndim for a in axes) or tuple(reader.shape[a] for a in axes) != shape:
                msg = f"{where}: {path!r} of shape {reader.shape} has not the units of {bias!r}, {shape}, along {axes}."
                raise InvalidInput(msg)
            read = jnp.tensordot(reader, added, axes=(axes, tuple(range(len(axes)))))
            moved[target] = added_to(moved[target], -read, f"{where}: {after!r}")
        return jax.tree.unflatten(treedef, moved)

    return Transformation(Translation(width), on_params, name=name)


def _reader(value: object, what: str) -> tuple[tuple[int, ...], str]:
    pair: tuple[Any, ...] = value if isinstance(value, tuple) and len(value) == 2 else (None, None)
    axes = [as_index(axis) for axis in (pair[0] if isinstance(pair[0], tuple) else (pair[0],))]
    found = tuple(axis for axis in axes if axis is not None)
    if len(found) < len(axes) or not isinstance(pair[1], str):
        msg = f"{what} is {got(value)}; expected the axis of the units and the path of the bias behind it."
        raise InvalidInput(msg)
    return found, pair[1]


def one_of_paths(paths: tuple[str, ...], path: str, where: str) -> int:
    """The position of the one tensor that a path means.

    Raises:
        InvalidInput: for one that matches none, or several.
    """
    text_of(path, f"{where}: a path", example="'b1'")
    found = matching(paths, path, role=where)
    if len(found) != 1:
        msg = f"{where}: {path!r} matches {len(found)} tensors; name one."
        raise InvalidInput(msg)
    return found[0]


def added_to(leaf: ArrayLike, added: ArrayLike, what: str) -> jax.Array:
    """The leaf with something of its shape, in its own dtype.

    Raises:
        InvalidInput: naming the tensor, for something of another shape.
    """
    array = jnp.asarray(leaf)
    if array.shape != np.shape(added):
        msg = f"{what} has the shape {array.shape}; what moves it has {np.shape(added)}."
        raise InvalidInput(msg)
    return array + jnp.asarray(added).astype(array.dtype)
