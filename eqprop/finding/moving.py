"""Where a transformation takes rows of parameters: only the leaves that it moves, each traced and computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from eqprop.claims import Transformation
from eqprop.engine import Array, Partition, Tree, Walk, traced
from eqprop.finding.samples import Leaves

Moved = dict[int, np.ndarray]
"""Floating-point leaves by their place, with an axis of rows in front."""


def moved(
    transformation: Transformation, elements: Iterable[Any], leaves: Partition, params: Leaves
) -> Iterator[Moved]:
    """The leaves that are not left alone, for each element, which are all of one structure.

    Args:
        transformation: that moves parameters.
        elements: of its group.
        leaves: of the model.
        params: the floating-point leaves at some rows.
    """

    def move(element: Tree, floats: tuple[Array, ...]) -> tuple[Tree, ...]:
        return leaves.split(transformation.on_params(element, leaves.join(floats)))

    rows = [np.moveaxis(leaf, 0, -1) for leaf in params]
    walk: Walk | None = None
    for element in elements:
        given = [np.asarray(leaf)[..., None] for leaf in jax.tree.leaves(element)]
        if walk is None:
            walk = Walk(traced(move, element, tuple(leaf[0] for leaf in params)).jaxpr, ahead=True)
        after = walk([*given, *rows])
        changed = {i: leaf for i, (leaf, before) in enumerate(zip(after, rows, strict=True)) if leaf is not before}
        yield {i: np.moveaxis(np.broadcast_to(leaf, rows[i].shape), -1, 0) for i, leaf in changed.items()}
