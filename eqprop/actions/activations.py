"""What single activations leave: shifts of an exponential's or a sine's bias, and mirrored units.

``writes`` are the tensors in front of the units with their axis of the units, ``reads`` those behind them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from eqprop.actions.axes import Axes, Axis, axes_of, axis_of, unfolded
from eqprop.actions.biases import added_to, one_of_paths
from eqprop.actions.moves import Move, declared, moves
from eqprop.arguments import call_of, got, mapping_of, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Integers, Scaling, Sign, Translation


def exponential_shift(hidden: int, *, bias: str, reads: Axes, name: str = "exponential-shift") -> Transformation:
    """b ↦ b + s, a ↦ e^(−s) a: what is added in front of an exponential is a factor behind it.

    Args:
        hidden: how many units.
        bias: the path of their bias b.
        reads: what reads them.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without readers; at the first use on parameters as ``hidden_units``.
    """
    where = call_of("exponential_shift", name)
    hidden = whole_number(hidden, f"{where}: hidden is")
    if not axes_of(reads, f"{where}: reads"):
        msg = f"{where}: reads= names no tensor; what is added would not be divided out."
        raise InvalidInput(msg)
    divided = declared(Scaling(hidden), moves(reads, f"{where}: reads", dual=True), name=name, where=where)

    def on_params(shift: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(divided.on_params(jnp.exp(shift), params))
        place = one_of_paths(leaf_paths(params), bias, where)
        leaves[place] = added_to(leaves[place], shift, f"{where}: {bias!r}")
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(Translation(hidden), on_params, name=name)


def half_periods(
    hidden: int, *, bias: str, reads: Axes, half_period: float = math.pi, name: str = "half-periods"
) -> Transformation:
    """b ↦ b + P m, a ↦ (−1)^m a with m a whole number for each unit: sin(z + π) = −sin z, and likewise cos.

    Args:
        hidden: how many units.
        bias: the path of their bias b.
        reads: what reads them.
        half_period: P; π / ω where a frequency ω stands in front of the bias.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without readers, or for a half period that is no positive number; at the first use on parameters
            as ``hidden_units``.
    """
    where = call_of("half_periods", name)
    hidden = whole_number(hidden, f"{where}: hidden is")
    if not axes_of(reads, f"{where}: reads"):
        msg = f"{where}: reads= names no tensor; the signs would not be taken back."
        raise InvalidInput(msg)
    if not isinstance(half_period, float | int) or isinstance(half_period, bool) or not 0 < half_period < math.inf:
        msg = f"{where}: half_period is {got(half_period)}; expected a positive number, math.pi for a sine."
        raise InvalidInput(msg)
    signed = declared(Sign(hidden), moves(reads, f"{where}: reads"), name=name, where=where)

    def on_params(periods: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(signed.on_params(1 - 2 * (jnp.asarray(periods) % 2), params))
        place = one_of_paths(leaf_paths(params), bias, where)
        leaves[place] = added_to(leaves[place], half_period * jnp.asarray(periods), f"{where}: {bias!r}")
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(Integers(hidden), on_params, name=name)


def sigmoid_mirror(
    hidden: int, *, writes: Axes, reads: Mapping[str, tuple[int, str]], name: str = "sigmoid-mirror"
) -> Transformation:
    """(w, b, a, c) ↦ (−w, −b, −a, c + a) for a unit: σ(−z) = 1 − σ(z), and the next bias takes up the constant.

    Args:
        hidden: how many units.
        writes: what writes them, biases too.
        reads: the path of each tensor that reads them → its axis of the units, and the path of the bias c behind it.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without writers or readers; at the first use on parameters as ``hidden_units``, and where a bias
            does not fit.
    """
    where = call_of("sigmoid_mirror", name)
    group = Sign(whole_number(hidden, f"{where}: hidden is"))
    readers = _with_neighbours(reads, f"{where}: reads")
    declarations = [*moves(_named(writes, f"{where}: writes"), f"{where}: writes")]
    declarations += [Move(path, axis) for path, (axis, _) in readers.items()]

    def beside(signs: Element, leaf: Leaf) -> list[tuple[str, Any]]:
        return [
            (after, jnp.tensordot(_flipped(signs), units_first(group, leaf(path), axis, path), 1))
            for path, (axis, after) in readers.items()
        ]

    return _mirror(group, declarations, beside, name, where)


def skip_mirror(
    hidden: int,
    *,
    writes: Mapping[str, tuple[int, str]],
    reads: tuple[str, int],
    name: str = "skip-mirror",
) -> Transformation:
    """(w, b, a, S, c) ↦ (−w, −b, a, S + w aᵀ, c + b a) for a unit: σ(z) − σ(−z) = z, which a linear skip S takes up.

    So for GELU, SiLU and softplus.

    Args:
        hidden: how many units.
        writes: the path of each tensor that writes them → its axis of the units, and the path of what takes up its
            part: the skip of a kernel, the next bias of a bias.
        reads: the tensor that reads them, and its axis of the units.
        name: used in reports and test ids.

    Raises:
        InvalidInput: without writers; at the first use on parameters as ``hidden_units``, and where a skip does not
            fit.
    """
    where = call_of("skip_mirror", name)
    group = Sign(whole_number(hidden, f"{where}: hidden is"))
    writers = _with_neighbours(writes, f"{where}: writes")
    declarations = [Move(path, axis) for path, (axis, _) in writers.items()]
    reader, along = _tensor(reads, f"{where}: reads")

    def beside(signs: Element, leaf: Leaf) -> list[tuple[str, Any]]:
        read = units_first(group, leaf(reader), along, reader)
        flipped = jnp.reshape(_flipped(signs), (-1, *(1 for _ in read.shape[1:]))) * read
        return [
            (after, jnp.tensordot(units_first(group, leaf(path), axis, path), flipped, axes=((0,), (0,))))
            for path, (axis, after) in writers.items()
        ]

    return _mirror(group, declarations, beside, name, where)


Leaf = Callable[[str], Any]
"""The tensor that a path names."""


def _named(given: Any, what: str) -> Mapping[str, Any]:
    if not mapping_of(given, "{'w1': 1}", what):
        msg = f"{what} names no tensor; nothing would move."
        raise InvalidInput(msg)
    return given


def _with_neighbours(given: object, what: str) -> dict[str, tuple[Axis, str]]:
    """Path → the axis of the units, and the path of the tensor that takes up the rest."""
    found: dict[str, tuple[Axis, str]] = {}
    for path, pair in _named(given, what).items():
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], str):
            msg = (
                f"{what}[{path!r}] is {got(pair)}; expected the axis of the units and the path of a tensor: (1, 'b2')."
            )
            raise InvalidInput(msg)
        found[path] = axis_of(pair[0], f"{what}[{path!r}]: the axis"), pair[1]
    return found


def _tensor(given: Any, what: str) -> tuple[str, Axis]:
    """The path of a tensor, and the axis of the units."""
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        msg = f"{what} is {got(given)}; expected the path of a tensor and its axis of the units: ('w2', 0)."
        raise InvalidInput(msg)
    return given[0], axis_of(given[1], f"{what}: the axis")


def _flipped(signs: Element) -> Any:
    """1 for a unit that is mirrored, 0 for another."""
    return jnp.where(jnp.asarray(signs) < 0, 1.0, 0.0)


def units_first(group: Sign, leaf: Any, axis: Axis, path: str) -> Any:
    """The tensor with its axis of the units in front."""
    found = unfolded(group, leaf, axis, f"tensor {path!r}")
    return jnp.moveaxis(found.tensor, found.axes[-1], 0)


def _mirror(
    group: Sign,
    declarations: list[Move],
    beside: Callable[[Element, Leaf], list[tuple[str, Any]]],
    name: str,
    where: str,
) -> Transformation:
    """Signs on declared tensors, and what is added beside them, of the parameters as they were."""
    signed = declared(group, declarations, name=name, where=where)

    def on_params(signs: Element, params: Params) -> Params:
        before, paths = jax.tree.leaves(params), leaf_paths(params)
        leaves, treedef = jax.tree.flatten(signed.on_params(signs, params))
        for path, added in beside(signs, lambda path: before[one_of_paths(paths, path, where)]):
            place = one_of_paths(paths, path, where)
            leaves[place] = added_to(leaves[place], added, f"{where}: {path!r}")
        return jax.tree.unflatten(treedef, leaves)

    return Transformation(group, on_params, name=name)
