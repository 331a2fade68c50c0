"""What a property's sides say at a probe and its perturbed copies, leaf by leaf, computed inside a compiled program.

A model with many parameters has sides as large as itself: handing them to NumPy, and going through them there, would
cost as much as computing them. So of these only the numbers that ``rounding.judgement`` needs leave the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from eqprop.rounding.floors import Measured

Leaf = Num[Array, "..."]
Number = Float[Array, ""]
OfLeaves = Float[Array, " leaves"]
Largest = tuple[OfLeaves, OfLeaves, OfLeaves, OfLeaves, Bool[Array, ""]]
"""The fields of ``Measured`` at one probe."""

OfRow = tuple[list[Any], ...]
"""Of one property at one row the leaves of the left and of the right side, and each leaf's scale and error."""

Sides = Mapping[str, OfRow]
"""For each property what is there at one row."""


def measuring(sides: Callable[..., Sides], held: int) -> Callable[..., dict[str, Largest]]:
    """A function of a group of rows, a probe and then its copies, that gives the fields of ``Measured`` by property.

    Row after row and not by ``jax.vmap``: of the copies no scales are read, so that the compiler leaves these out, and
    products of large matrices gain nothing by a further axis.

    Args:
        sides: computes them at one row.
        held: how many rows a group has.
    """

    def of_group(*rows: Any) -> dict[str, Largest]:
        probe, *copies = (sides(*jax.tree.map(lambda leaf, i=i: leaf[i], rows)) for i in range(held))
        return {name: _of_property(probe[name], [copy[name] for copy in copies]) for name in probe}

    return of_group


def _of_property(probe: OfRow, copies: Sequence[OfRow]) -> Largest:
    lhs, rhs, scales, errors = probe
    lefts, rights = zip(*(copy[0] for copy in copies), strict=True), zip(*(copy[1] for copy in copies), strict=True)
    leaves = [_of_leaf(*leaf) for leaf in zip(lhs, rhs, lefts, rights, strict=True)]
    residual, spread, size = (_stacked([leaf[i] for leaf in leaves]) for i in range(3))
    size = jnp.maximum(size, _stacked(scales))
    error = _stacked(errors)
    # A copy that is not finite is infinitely far away. The residual may overflow where both sides are finite.
    finite = jnp.isfinite(spread).all() & jnp.isfinite(size).all() & jnp.isfinite(error).all()
    return residual, spread, size, error, finite


def _of_leaf(left: Leaf, right: Leaf, lefts: Sequence[Leaf], rights: Sequence[Leaf]) -> tuple[Number, Number, Number]:
    """max|l − r|, the largest distance of the copies entry by entry, and the largest entry."""
    spread = _farthest(left, lefts) + _farthest(right, rights)
    left, right = _wide(left), _wide(right)
    return _largest(left - right), _largest(spread), _largest(jnp.maximum(jnp.abs(left), jnp.abs(right)))


def _farthest(number: Num[Array, "*shape"], copies: Sequence[Leaf]) -> Float[Array, "*shape"]:
    far = jnp.zeros_like(_wide(number))
    for copy in copies:
        far = jnp.maximum(far, jnp.abs(_wide(copy) - _wide(number)))
    return far


def _largest(leaf: Leaf) -> Number:
    largest = jnp.abs(leaf)
    if largest.ndim > 1:
        # Over the first axis XLA takes maxima with vector instructions, over all at once with none; the barrier keeps
        # it from joining the two steps.
        largest = jax.lax.optimization_barrier(jnp.max(largest, axis=0, initial=0.0))
    return jnp.max(largest, initial=0.0)


def _wide(leaf: Num[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """The leaf in float32 at least, so that differences are not rounded to a handful of digits once more."""
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))


def _stacked(numbers: Sequence[Leaf]) -> OfLeaves:
    return jnp.stack([_wide(number) for number in numbers]) if numbers else jnp.zeros((0,))


def groups(probes: int, copies: int, held: int) -> Int[np.ndarray, "groups {held}+1"]:
    """Which of the rows (each probe followed by its copies) each group consists of: shape (groups, 1 + held).

    A probe with more copies than a group holds has several groups; the last one is filled up with the last row.

    Args:
        probes: how many.
        copies: of each.
        held: how many rows a group has beside the probe.
    """
    starts = np.arange(1, max(copies, 1) + 1, held)
    members = np.minimum(starts[:, None] + np.arange(held), copies)
    of_one = np.concatenate([np.zeros((len(starts), 1), dtype=int), members], axis=1)
    return (np.arange(probes)[:, None, None] * (1 + copies) + of_one).reshape(-1, 1 + held)


def combined(measured: tuple[Shaped[np.ndarray, "groups ..."], ...], probes: int) -> Measured:
    """Of each probe, from its groups."""
    *sizes, finite = (np.asarray(field).reshape(probes, -1, *np.shape(field)[1:]) for field in measured)
    residual, spread, size, error = (np.asarray(field, dtype=np.float64).max(axis=1) for field in sizes)
    return Measured(residual, spread, size, error, np.logical_and.reduce(finite.astype(bool), axis=1))


def merged(parts: Sequence[Measured]) -> Measured:
    """Of the same probes, from what was measured with some of their copies each."""
    if len(parts) == 1:
        return parts[0]
    probes = len(parts[0].finite)
    by_probe = np.argsort(np.tile(np.arange(probes), len(parts)), kind="stable")
    fields = zip(*(astuple(part) for part in parts), strict=True)
    return combined(tuple(np.concatenate(field)[by_probe] for field in fields), probes)
