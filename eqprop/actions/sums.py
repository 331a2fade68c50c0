"""Tensors whose sum alone is seen: what is added to one is taken off another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from eqprop.actions.axes import Axis, unfolded
from eqprop.actions.moves import moves
from eqprop.actions.parts import parts
from eqprop.arguments import call_of, is_finite, short, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Sign, Translation, along

Shifted = Mapping[str, Axis | None]
"""Patterns → the axis of the units, or None where each entry is one."""


def joint_shift(width: int, shifts: Mapping[float, Shifted], *, name: str = "joint-shift") -> Transformation:
    """W ↦ W + c u along the axis of each tensor, with a number c of its own: E + u and P − u leave E + P.

    So for embeddings of tokens and of positions, for a bias in front of a batch norm and its running mean, for what
    reads a unit and a copy of it.

    Args:
        width: how many units, the size of u.
        shifts: the number c → the axis of the units in each tensor that is shifted by c u, as in ``hidden_units``; None
            where each entry of it is a unit.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without any tensor, or for a c that is no finite number; at the first use as ``hidden_units``, and
            for a tensor with more or fewer entries than units where each is one.
    """
    where = call_of("joint_shift", name)
    width = whole_number(width, f"{where}: width is")
    if not isinstance(shifts, Mapping) or not all(map(is_finite, shifts)):
        msg = f"{where}: shifts is {short(shifts)}; expected numbers → tensors: {{1: {{'b1': 0}}, -1: {{'b2': 0}}}}."
        raise InvalidInput(msg)
    declarations = [move for c, axes in shifts.items() for move in _moves(c, axes, where)]
    if not declarations:
        msg = f"{where}: no tensor is named by shifts=; nothing would move."
        raise InvalidInput(msg)
    units = Sign(width)  # says how long the axes are

    def on_params(shift: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        for c, pattern, axis in declarations:
            for place, slices in parts(paths, pattern, role=where):
                whole = jnp.asarray(leaves[place])
                moved = _added(units, whole[slices], axis, c * jnp.asarray(shift), f"{where}: tensor {paths[place]!r}")
                leaves[place] = whole.at[slices].set(moved)
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(Translation(width), on_params, name=name)


def _moves(c: float, axes: Shifted, where: str) -> list[tuple[float, str, Axis | None]]:
    """The number, the pattern and the axis of each tensor; the order of a mapping's entries is nobody's."""
    alone: list[str] = [p for p, axis in axes.items() if axis is None] if isinstance(axes, Mapping) else []
    named: Any = {p: axis for p, axis in axes.items() if axis is not None} if alone else axes
    found = moves(named, f"{where}: shifts[{c!r}]")
    return [*((c, pattern, None) for pattern in alone), *((c, move.pattern, move.axis) for move in found)]


def _added(units: Sign, leaf: Any, axis: Axis | None, shift: Any, tensor: str) -> Any:
    """The tensor with the shift added along its axis of the units, or entry by entry, in its own dtype."""
    if axis is None:
        if leaf.size != units.size:
            msg = f"{tensor} has {leaf.size} entries there; expected as many as there are units, {units.size}."
            raise InvalidInput(msg)
        return leaf + jnp.reshape(shift, leaf.shape).astype(leaf.dtype)
    found = unfolded(units, leaf, axis, tensor)
    return found.folded(found.tensor + along(shift, found.tensor, found.axes[-1]).astype(found.tensor.dtype))
