"""Where the units lie in a tensor: along an axis, along two, or in a part of one.

An axis is given as

* a number, where the units are one axis;
* a pair (axis of the copies, axis of the units), for a ``Power``: one copy of the group for each head, say;
* a pattern that names every axis, as in einops: ``"d_in (copies units)"`` for heads that share an axis,
  ``"d_in (copies group units)"`` for query heads that come in groups, ``"(height width units) d_out"`` for channels
  that were flattened. The axes that are moved are called ``units`` and, for a ``Power``, ``copies``; other names are
  free, and say their lengths where these do not follow: ``"d_in (copies part:2 units group:3)"``.

Where only a part of a tensor is moved, slices stand behind its path: ``{"attn/qkv[:, 8:16]": 1}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import einops
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from eqprop.arguments import as_index, got, mapping_of
from eqprop.engine import is_floating, type_of_leaf
from eqprop.errors import InvalidInput
from eqprop.groups import DiscretePower, Group, Tensor

Axis = int | tuple[int, int] | str
Axes = Mapping[str, Axis]
"""Path of a parameter, or glob pattern of paths → the axis in each of these tensors."""


def axes_of(axes: Any, what: str) -> dict[str, Axis]:
    """The declaration of one role, its axes as Python's own numbers; nothing where the role is left out.

    Args:
        axes: a mapping from paths to axes, or None.
        what: the role, as in ``"hidden_units('mlp'): writes"``.

    Raises:
        InvalidInput: for a list of paths, a key that is no text, an axis that is no number, pair or pattern.
    """
    if axes is None:
        return {}
    return {
        path: axis_of(axis, f"{what}[{path!r}]") for path, axis in mapping_of(axes, "{'w1': 1, 'b1': 0}", what).items()
    }


def axis_of(axis: Any, what: str) -> Axis:
    """An axis as users write it, NumPy's whole numbers included.

    Raises:
        InvalidInput: for anything else; True and False are no axes.
    """
    if isinstance(axis, str):
        return axis
    pair = isinstance(axis, tuple) and len(axis) == 2
    numbers = [as_index(a) for a in (axis if pair else (axis,))]
    found = [number for number in numbers if number is not None]
    if len(found) < len(numbers):
        msg = f"{what} is {got(axis)}; expected the number of an axis, a pair of them (copies, units), or a pattern."
        raise InvalidInput(msg)
    return (found[0], found[1]) if pair else found[0]


class Unfolded(NamedTuple):
    """A tensor in which the units are one axis.

    Attributes:
        tensor: the unfolded one.
        axes: of the units in it, behind the axis of the copies.
        folded: folds such a tensor again.
        place: where the units lie in the tensor as it was: along which axis, and how far apart on it. Two declarations
            move the same units if they say the same place.
    """

    tensor: Array
    axes: tuple[int, ...]
    folded: Callable[[Tensor], Tensor]
    place: tuple[int, int]


def sizes_of(group: Group) -> dict[str, int]:
    """The lengths of the axes that a group moves, by their names in patterns."""
    units = {"units": group.size or 0}
    return {"copies": group.count, **units} if isinstance(group, DiscretePower) else units


def unfolded(
    group: Group, leaf: Tensor, axis: Axis, tensor: str, elsewhere: Callable[[int], str] = lambda _: ""
) -> Unfolded:
    """The tensor with the units along one axis of their own.

    Args:
        group: that acts.
        leaf: the tensor, of any shape that has the axis.
        axis: of the units in it.
        tensor: what it is called in messages.
        elsewhere: says in messages where a length that is missing would be found.

    Raises:
        InvalidInput: naming the tensor, for integers that the group does not merely permute, an axis that does not
            exist or does not have the group's size, or a pattern that does not fit.
    """
    where = f"{tensor} of shape {np.shape(leaf)}"
    if not is_floating(leaf) and not group.permutes:
        msg = f"{where} is {type_of_leaf(leaf)}: integers are moved by permutations only, and {group!r} is none."
        raise InvalidInput(msg)
    leaf = jnp.asarray(leaf)
    if isinstance(axis, str) and "units" in axis:
        return _by_pattern(group, leaf, axis, where)
    axes = _checked(group, leaf.shape, axis, where, elsewhere)
    return Unfolded(leaf, axes, lambda moved: moved, (axes[-1], 1))


def _by_pattern(group: Group, leaf: Array, pattern: str, where: str) -> Unfolded:
    sizes = sizes_of(group)
    pattern, given = _lengths(pattern)
    names = _names(pattern)
    flat = " ".join(names)
    if "..." in names:
        msg = f"{where}: the pattern {pattern!r} leaves axes out; name every axis."
        raise InvalidInput(msg)
    for name in sizes:
        if names.count(name) != 1:
            msg = f"{where}: the pattern {pattern!r} names {name!r} {names.count(name)} times; {group!r} needs it once."
            raise InvalidInput(msg)
    try:
        split = einops.rearrange(leaf, f"{pattern} -> {flat}", **(given | sizes))
    except (einops.EinopsError, RuntimeError) as error:
        why = str(error).splitlines()[-1].strip(" .")
        msg = f"{where} does not fit the pattern {pattern!r} with {given | sizes}: {why}."
        raise InvalidInput(msg) from error
    lengths = dict(zip(names, split.shape, strict=True))

    def folded(moved: Tensor) -> Tensor:
        named = {name: length for name, length in lengths.items() if name.isidentifier()}  # "1" is no name
        return einops.rearrange(moved, f"{flat} -> {pattern}", **named)

    return Unfolded(split, tuple(names.index(name) for name in sizes), folded, _place(pattern, lengths))


def _lengths(pattern: str) -> tuple[str, dict[str, int]]:
    """The pattern without the lengths that stand behind names, and these."""
    given = {name: int(length) for name, length in re.findall(r"(\w+):(\d+)", pattern)}
    return re.sub(r":\d+", "", pattern), given


def _names(pattern: str) -> list[str]:
    return re.findall(r"[^\s()]+", pattern)


def _place(pattern: str, lengths: Mapping[str, int]) -> tuple[int, int]:
    """The axis on which a pattern has the units, and the number of entries from one unit to the next."""
    axes = [_names(axis) for axis in re.findall(r"\([^()]*\)|[^\s()]+", pattern)]
    axis = next(i for i, names in enumerate(axes) if "units" in names)
    inner = axes[axis][axes[axis].index("units") + 1 :]
    return axis, prod(lengths[name] for name in inner)


def _checked(
    group: Group, shape: tuple[int, ...], axis: Axis, where: str, elsewhere: Callable[[int], str]
) -> tuple[int, ...]:
    """The axes, counted from the front, if the tensor has them with the lengths that the group acts on."""
    axes: tuple[int, ...] = () if isinstance(axis, str) else axis if isinstance(axis, tuple) else (axis,)
    sizes = sizes_of(group)
    if len(axes) != len(sizes):
        expected = "a pair (axis of the copies, axis of the units)" if len(sizes) > 1 else "one axis"
        msg = f"{where}: the axis is {axis!r}; {group!r} needs {expected}, or a pattern of {' and '.join(sizes)}."
        raise InvalidInput(msg)
    if not all(-len(shape) <= a < len(shape) for a in axes):
        msg = f"{where} has no axis {axis!r}. {elsewhere(group.size or 0)}".rstrip()
        raise InvalidInput(msg)
    if len({a % len(shape) for a in axes}) < len(axes):
        msg = f"{where}: the axis of the copies and the axis of the units are the same in {axis!r}."
        raise InvalidInput(msg)
    for a, (what, size) in zip(axes, sizes.items(), strict=True):
        if shape[a] != size:
            found = f"{where} has length {shape[a]} along axis {a}, but {group!r} acts on {size} {what} there."
            msg = f"{found} {elsewhere(size)}".rstrip()
            raise InvalidInput(msg)
    return tuple(a % len(shape) for a in axes)
