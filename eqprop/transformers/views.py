"""Parts of tensors as tensors of their own, where heads are fused, units lie in an order, or a gain is kept as 1 + γ.

A family declares its action once, on parts that have the same axes in every architecture; where these lie is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from eqprop.claims import Params, Transformation
from eqprop.engine import Tree
from eqprop.groups import Element


@dataclass(frozen=True)
class Part:
    """Some entries of a tensor along one axis.

    Attributes:
        path: of the tensor.
        axis: along which the entries lie.
        entries: their numbers, in the shape that the part has in the place of the axis.
        offset: is added: 1 for a gain that is kept as what it exceeds 1 by.
    """

    path: str
    axis: int = 0
    entries: np.ndarray | None = None
    offset: float = 0.0

    def of(self, tensor: Tree) -> Tree:
        """The part, its own axes first."""
        first = jnp.moveaxis(jnp.asarray(tensor), self.axis, 0) + self.offset
        return first if self.entries is None else first[self.entries]

    def put(self, tensor: Tree, part: Tree) -> Tree:
        """The tensor with another part."""
        first = jnp.moveaxis(jnp.asarray(tensor), self.axis, 0)
        if self.entries is None:
            first = part - self.offset
        else:
            first = first.at[self.entries].set(part - self.offset)
        return jnp.moveaxis(first, 0, self.axis)


def seen_through(parts: Mapping[str, Part], transformation: Transformation) -> Transformation:
    """The transformation of a model whose parameters are parts, as one of the model that has them.

    Args:
        parts: by their names, no two of which share an entry.
        transformation: of parameters with these names.
    """

    def on_params(element: Element, params: Params) -> Params:
        moved = transformation.on_params(element, {name: part.of(params[part.path]) for name, part in parts.items()})
        whole = dict(params)
        for name, part in parts.items():
            whole[part.path] = part.put(whole[part.path], moved[name])
        return whole

    return replace(transformation, on_params=on_params)
