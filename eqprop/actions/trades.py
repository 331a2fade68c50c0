"""What may trade places though no axis holds it: two factors of a product, or parts that have tensors of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.actions.axes import unfolded
from eqprop.actions.biases import one_of_paths
from eqprop.arguments import as_index, call_of, got, mapping_of, short, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Permutation, Sign, along

Trade = tuple[str, int]
"""The tensor to trade with, and the axis of the units in both."""


def factor_swap(hidden: int, trades: Mapping[str, Trade], *, name: str = "factor-swap") -> Transformation:
    """(w, b) ⇄ (u, c) for any of the units: (w x + b)(u x + c) does not tell its factors apart.

    So for the two halves of a bilinear gated unit. A unit whose sign is −1 trades, one whose sign is 1 stays.

    Args:
        hidden: how many units.
        trades: the path of each tensor of one factor → that of the other factor's, and the axis of the units in both.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without trades, or for one that is no pair; at the first use on parameters, for a path that
            matches no tensor or several, tensors of different shapes, or an axis without so many units.
    """
    where = call_of("factor_swap", name)
    group = Sign(whole_number(hidden, f"{where}: hidden is"))
    given = mapping_of(trades, "{'w_gate': ('w_up', 1)}", f"{where}: trades")
    if not given:
        msg = f"{where}: trades names no tensor; nothing would move."
        raise InvalidInput(msg)
    pairs = {path: _trade(value, f"{where}: trades[{path!r}]") for path, value in given.items()}

    def on_params(signs: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        for path, (other, axis) in pairs.items():
            places = [one_of_paths(paths, each, where) for each in (path, other)]
            one, two = _alike([leaves[place] for place in places], (path, other), where)
            at = unfolded(group, one, axis, f"tensor {path!r}").axes[-1]
            trading = along(jnp.asarray(signs), one, at) < 0
            leaves[places[0]], leaves[places[1]] = jnp.where(trading, two, one), jnp.where(trading, one, two)
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(group, on_params, name=name, isometry=True)


def _trade(value: object, what: str) -> Trade:
    pair: tuple[Any, ...] = value if isinstance(value, tuple) and len(value) == 2 else (None, None)
    axis = as_index(pair[1])
    if not isinstance(pair[0], str) or axis is None:
        msg = f"{what} is {got(value)}; expected the path of the tensor to trade with, and the axis of the units."
        raise InvalidInput(msg)
    return pair[0], axis


def exchanged(*parts: Sequence[str], name: str = "exchanged") -> Transformation:
    """Parts of a network that have tensors of their own trade places: heads, experts or towers in a list.

    Args:
        parts: the paths of each part's tensors, in the same order.
        name: used in reports and test ids.

    Raises:
        InvalidInput: for fewer than two parts, or parts of different numbers of tensors; at the first use on
            parameters, for a path that matches no tensor or several, or tensors of different shapes.
    """
    where = call_of("exchanged", name)
    listed = [tuple(part) for part in parts if isinstance(part, list | tuple)]
    if len(listed) < 2 or len(listed) < len(parts) or len(set(map(len, listed))) > 1 or not listed[0]:
        msg = f"{where}: the parts are {short(parts)}; expected two or more, each the paths of equally many tensors."
        raise InvalidInput(msg)
    group = Permutation(len(listed))

    def on_params(order: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        for alike in zip(*listed, strict=True):
            places = [one_of_paths(paths, path, where) for path in alike]
            moved = group.act(order, jnp.stack(_alike([leaves[place] for place in places], alike, where)), 0)
            for at, place in enumerate(places):
                leaves[place] = moved[at]
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(group, on_params, name=name, isometry=True)


def _alike(leaves: Sequence[Any], paths: Sequence[str], where: str) -> list[jax.Array]:
    """The tensors, if they have one shape."""
    shapes = [np.shape(leaf) for leaf in leaves]
    if len(set(shapes)) > 1:
        listed = ", ".join(f"{path!r} {shape}" for path, shape in zip(paths, shapes, strict=True))
        msg = f"{where}: only tensors of one shape trade places, and these have several: {listed}."
        raise InvalidInput(msg)
    return [jnp.asarray(leaf) for leaf in leaves]
