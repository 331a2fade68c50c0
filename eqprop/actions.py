"""Linear actions on parameters, declared instead of programmed: which tensors write hidden units, which read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.errors import InvalidInput
from eqprop.groups.base import Group
from eqprop.groups.product import DiscretePower
from eqprop.transformation import Transformation
from eqprop.trees import is_floating, leaf_paths, matching, type_of_leaf

Axes = Mapping[str, int | tuple[int, int]]


def hidden_units(
    group: Group,
    *,
    writes: Axes | None = None,
    reads: Axes | None = None,
    power: float = 1.0,
    name: str = "hidden-units",
) -> Transformation:
    """The transformation that moves hidden units: g on tensors that write them, its dual on those that read them.

    With h = W x and y = A h, g maps W ↦ gW and A ↦ A g⁻¹, so that A W stays what it is. For a layer between that is
    homogeneous of degree p, σ(c z) = c^p σ(z), ``power=p`` gives the readers a^(−p). Each tensor keeps its dtype.

    Args:
        group: a group that acts on units: Scaling, Permutation, Sign, SignedPermutation, Orthogonal, Rotation,
            GeneralLinear, ComplexScaling; or a ``Power`` of one, then axes are pairs (axis of copies, axis of units).
        writes: path or glob pattern → axis that holds the units, for each tensor that produces them (biases too).
        reads: likewise for each tensor that consumes them.
        power: the degree p of what lies between; other than 1 only for ``Scaling`` and its ``Power``.
        name: used in reports and test ids.

    Raises:
        InvalidInput: at once, for no axes at all, a group without an action on units or without real powers; at the
            first use on parameters, for a pattern that matches nothing, a tensor that is not floating point, an axis
            that does not exist or does not have the group's size, a tensor that is moved twice along one axis.
    """
    where = f"hidden_units({name!r})"
    moves = tuple(_Move(pattern, axis, dual=False) for pattern, axis in (writes or {}).items())
    moves += tuple(_Move(pattern, axis, dual=True) for pattern, axis in (reads or {}).items())
    _check_declaration(group, moves, power, where)

    def on_params(element: Any, params: Any) -> Any:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        dual_element = element if power == 1 else group.power(element, power)
        moved: set[tuple[str, int]] = set()
        for move in moves:
            for i in matching(paths, move.pattern, role=where):
                axes = _checked_axes(group, leaves[i], move.axis, f"{where}: tensor {paths[i]!r}")
                if (paths[i], axes[-1]) in moved:
                    msg = f"{where}: axis {axes[-1]} of {paths[i]!r} is declared twice; name it once."
                    raise InvalidInput(msg)
                moved.add((paths[i], axes[-1]))
                leaves[i] = _moved(group, dual_element if move.dual else element, leaves[i], axes, dual=move.dual)
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(group, on_params, name=name, side="left", isometry=group.isometry)


@dataclass(frozen=True)
class _Move:
    """One entry of writes= (the element acts) or of reads= (its dual acts)."""

    pattern: str
    axis: int | tuple[int, int]
    dual: bool


def _check_declaration(group: object, moves: tuple[_Move, ...], power: object, where: str) -> None:
    """Raise for what is wrong before any parameters are seen."""
    if not isinstance(group, Group):
        msg = f"{where}: group is {group!r}; expected a Group such as groups.Scaling(16)."
        raise InvalidInput(msg)
    if not moves:
        msg = f"{where}: neither writes= nor reads= names a tensor; nothing would move."
        raise InvalidInput(msg)
    if group.size is None:
        msg = f"{where}: {group!r} does not act on hidden units; write on_params yourself."
        raise InvalidInput(msg)
    if isinstance(power, bool) or not isinstance(power, int | float) or not math.isfinite(power):
        msg = f"{where}: power is {power!r}; expected a finite number, the degree p of σ(c z) = c^p σ(z)."
        raise InvalidInput(msg)
    if power != 1:
        # Groups without real powers say so themselves; here, and not at the first use on parameters.
        jax.eval_shape(partial(group.power, exponent=power), group.identity())


def _moved(group: Group, element: Any, leaf: Any, axes: tuple[int, ...], *, dual: bool) -> Any:
    """The tensor after the move, in its own dtype: a mixed-precision model keeps its mixture."""
    leaf = jnp.asarray(leaf)
    if isinstance(group, DiscretePower):
        moved = group.act_copies(element, leaf, (axes[0], axes[-1]), dual=dual)
    else:
        moved = group.act_dual(element, leaf, axes[-1]) if dual else group.act(element, leaf, axes[-1])
    return moved.astype(leaf.dtype)


def _checked_axes(group: Group, leaf: Any, axis: Any, tensor: str) -> tuple[int, ...]:
    """The axes, counted from the front, if the tensor has them with the lengths that the group acts on."""
    shape = np.shape(leaf)
    where = f"{tensor} of shape {shape}"
    if not is_floating(leaf):
        msg = f"{where} is {type_of_leaf(leaf)}: only floating-point tensors move, others stay as they are."
        raise InvalidInput(msg)
    axes = axis if isinstance(axis, tuple) else (axis,)
    power = isinstance(group, DiscretePower)
    sizes = {"copies": group.count, "units": group.size} if power else {"units": group.size}
    if len(axes) != len(sizes) or not all(isinstance(a, int) for a in axes):
        expected = "a pair (axis of the copies, axis of the units)" if power else "one axis"
        msg = f"{where}: the axis is {axis!r}; {group!r} needs {expected}."
        raise InvalidInput(msg)
    if not all(-len(shape) <= a < len(shape) for a in axes):
        msg = f"{where} has no axis {axis!r}."
        raise InvalidInput(msg)
    if len({a % len(shape) for a in axes}) < len(axes):
        msg = f"{where}: the axis of the copies and the axis of the units are the same in {axis!r}."
        raise InvalidInput(msg)
    for a, (what, size) in zip(axes, sizes.items(), strict=True):
        if shape[a] != size:
            msg = f"{where} has length {shape[a]} along axis {a}, but {group!r} acts on {size} {what} there."
            raise InvalidInput(msg)
    return tuple(a % len(shape) for a in axes)
