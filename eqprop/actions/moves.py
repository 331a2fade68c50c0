"""What every declared action is made of: tensors, each moved by an element of the group or by its dual."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from eqprop.actions.axes import Axes, Axis, axes_of, unfolded
from eqprop.actions.nearest import nearest_axes
from eqprop.actions.parts import parts, place_of
from eqprop.claims import Params, Transformation
from eqprop.engine import Tree, leaf_paths
from eqprop.errors import InvalidInput
from eqprop.groups import DiscretePower, DiscreteProduct, Element, Group


@dataclass(frozen=True)
class Move:
    """One declaration: the tensors that a pattern matches are moved along an axis.

    Attributes:
        pattern: a path, or a glob pattern of paths, with slices behind it for a part of a tensor.
        axis: of the units in each of them.
        dual: whether the contragredient element acts, as on tensors that read the units.
        power: of the element that acts.
        factor: of a product, which component acts; None where the group is no product.
    """

    pattern: str
    axis: Axis
    dual: bool = False
    power: float = 1.0
    factor: int | None = None


def moves(
    axes: Axes | None, what: str, *, dual: bool = False, power: float = 1.0, factor: int | None = None
) -> tuple[Move, ...]:
    """A declaration for each entry of a mapping from patterns to axes.

    Args:
        axes: the mapping; None declares nothing.
        what: the role in messages, as in ``"hidden_units('mlp'): writes"``.
        dual: as in ``Move``.
        power: as in ``Move``.
        factor: as in ``Move``.

    Raises:
        InvalidInput: for what is no such mapping.
    """
    return tuple(Move(pattern, axis, dual, power, factor) for pattern, axis in axes_of(axes, what).items())


def declared(group: Group, declarations: Iterable[Move], *, name: str, where: str) -> Transformation:
    """The transformation that moves each declared tensor; a tensor keeps its dtype.

    Args:
        group: that acts.
        declarations: what moves.
        name: of the transformation.
        where: the constructor in messages, as in ``"hidden_units('mlp')"``.

    Raises:
        InvalidInput: at the first use on parameters, for a pattern that matches nothing, integers that the group does
            not merely permute, an axis that does not exist or does not have the group's size, a tensor that is moved
            twice along one axis by the same component.
    """
    declarations = tuple(declarations)

    def on_params(element: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        shapes = dict(zip(paths, map(np.shape, leaves), strict=True))
        moved: set[tuple[Tree, ...]] = set()
        for move in declarations:
            acting, its_element = _component(group, element, move)
            for i, slices in parts(paths, move.pattern, role=where):
                tensor = f"{where}: tensor {paths[i]!r}"
                part = (i, place_of(slices, np.shape(leaves[i]), tensor))
                fitting = partial(nearest_axes, paths[i], shapes=shapes)
                leaf = leaves[i][slices] if slices else leaves[i]
                units = unfolded(acting, leaf, move.axis, tensor, fitting)
                if (part, units.place, move.factor) in moved:
                    msg = f"{where}: axis {units.place[0]} of {paths[i]!r} is declared twice; name it once."
                    raise InvalidInput(msg)
                moved.add((part, units.place, move.factor))
                result = units.folded(_moved(acting, its_element, units.tensor, units.axes, dual=move.dual))
                leaves[i] = jnp.asarray(leaves[i]).at[slices].set(result) if slices else result
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(group, on_params, name=name, side="left", isometry=group.isometry)


def _component(group: Group, element: Element, move: Move) -> tuple[Group, Element]:
    """The group that acts, and its element, to the power that is asked for."""
    if move.factor is not None:
        assert isinstance(group, DiscreteProduct), "only products have components"
        group, element = group.factors[move.factor], element[move.factor]
    return group, element if move.power == 1 else group.power(element, move.power)


def _moved(
    group: Group, element: Element, leaf: Shaped[Array, "*shape"], axes: tuple[int, ...], *, dual: bool
) -> Shaped[Array | np.ndarray, "*shape"]:
    """The tensor after the move, in its own dtype: a mixed-precision model keeps its mixture."""
    leaf = jnp.asarray(leaf)
    if isinstance(group, DiscretePower):
        moved = group.act_copies(element, leaf, (axes[0], axes[-1]), dual=dual)
    else:
        moved = group.act_dual(element, leaf, axes[-1]) if dual else group.act(element, leaf, axes[-1])
    return moved.astype(leaf.dtype)
