"""What is compared of two sides: leaves by name, beside the size of what cancels in them; and directions to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Leaves, Local, Tree, add, leaf_paths, norm, subtract
from eqprop.properties.point import Point


@dataclass(frozen=True)
class Part:
    """One comparison of two trees, leaf by leaf.

    Attributes:
        names: what each leaf is called in a report.
        lhs: the leaves of the left side.
        rhs: the leaves of the right side.
        scales: for each leaf the size of the terms that cancel inside a side, where that may exceed both sides.
        errors: for each leaf how far the sides may differ by other than rounding: what a quadrature or an integrator
            says of its own error. It is added to the floor.
    """

    names: tuple[str, ...]
    lhs: Leaves
    rhs: Leaves
    scales: Leaves
    errors: Leaves


Sides = tuple[Part, ...]


def part(
    names: Sequence[str], lhs: Tree, rhs: Tree, scale: Tree = None, *, error: Tree = None, label: str = ""
) -> Part:
    """A comparison; ``scale`` and ``error`` are a number for all leaves or a tree of numbers like the sides."""
    left, right = tuple(jax.tree.leaves(lhs)), tuple(jax.tree.leaves(rhs))
    prefix = f"{label}: " if label else ""
    names = tuple(prefix + name for name in names)
    return Part(names, left, right, _for_leaves(scale, len(left)), _for_leaves(error, len(left)))


def _for_leaves(sizes: Tree, count: int) -> Leaves:
    if sizes is None:
        return (jnp.zeros(()),) * count
    given = tuple(jax.tree.leaves(sizes))
    return given * count if len(given) == 1 else given


def only_where(met: Array, parts: Sides) -> Sides:
    """The parts where a condition on the point is met; elsewhere nothing is compared, and the point counts as vacuous.

    For hypotheses on the point itself. What is not a number where the condition is not met does not get through.
    """

    def kept(leaves: Leaves) -> Leaves:
        return tuple(jnp.where(met, leaf, 0) for leaf in leaves)

    return tuple(Part(p.names, kept(p.lhs), kept(p.rhs), kept(p.scales), kept(p.errors)) for p in parts)


def affine_until(action: Local, theta: Tree, unit: float) -> Array:
    """Whether K is at θ the affine map that it is near the probe: K(θ) = K(θ₀) + DK (θ − θ₀), to half of the digits.

    For walks, as a condition of ``only_where``. Steps may leave the domain on which K was seen to be affine (a number
    that has to be positive becomes negative); what K makes of other points is not claimed.

    Args:
        action: K near the probe.
        theta: where a walk came to.
        unit: the unit roundoff of the precision.
    """
    expected = add(action.value, action.push(subtract(theta, action.at)))
    return _close(action.function(theta), expected, unit)


def acted_on(point: Point, theta: Tree) -> Array:
    """Whether K is an action at θ, K_e θ = θ, to half of the digits; likewise for walks, of generators that bend."""
    return _close(point.act(point.identity, theta), theta, point.unit)


def _close(found: Tree, expected: Tree, unit: float) -> Array:
    return norm(subtract(found, expected)) <= jnp.sqrt(unit) * norm(expected)


def in_params(point: Point, lhs: Tree, rhs: Tree, scale: Tree = None, *, error: Tree = None, label: str = "") -> Part:
    """A comparison of vectors in the source's parameter space.

    Args:
        point: that is compared at.
        lhs: the floating-point leaves of the left side.
        rhs: of the right side.
        scale: as in ``part``.
        error: as in ``part``.
        label: as in ``part``.
    """
    return part(point.source.float_paths, lhs, rhs, scale, error=error, label=label)


def in_image(point: Point, lhs: Tree, rhs: Tree, scale: Tree = None, *, label: str = "") -> Part:
    """A comparison of vectors in the target model's parameter space.

    Args:
        point: that is compared at.
        lhs: the floating-point leaves of the left side.
        rhs: of the right side.
        scale: as in ``part``.
        label: as in ``part``.
    """
    return part(point.image.float_paths, lhs, rhs, scale, label=label)


def in_outputs(lhs: Tree, rhs: Tree, scale: Tree = None, *, label: str = "") -> Part:
    """A comparison of outputs.

    Args:
        lhs: like the outputs.
        rhs: likewise.
        scale: as in ``part``.
        label: as in ``part``.
    """
    return part([f"output {path}" for path in leaf_paths(rhs)], lhs, rhs, scale, label=label)


def of_numbers(lhs: Tree, rhs: Tree, scale: Tree, *, error: Tree = None, label: str = "") -> Part:
    """A comparison of two numbers (or of two arrays, under one name).

    Args:
        lhs: a number.
        rhs: likewise.
        scale: the size of the terms that cancel in them.
        error: as in ``part``.
        label: as in ``part``.
    """
    return part([label or "value"], lhs, rhs, scale, error=error)


def magnitudes(tree: Tree, factor: Array | float = 1.0) -> Tree:
    """max|leaf| · factor for each leaf."""
    return jax.tree.map(lambda leaf: jnp.max(jnp.abs(leaf), initial=0.0) * factor, tree)


def largest_of(sizes: Tree) -> Array:
    """The largest of the sizes, one for all leaves: K may move numbers from one tensor to another."""
    return jnp.max(jnp.stack([jnp.max(leaf) for leaf in jax.tree.leaves(sizes)]))


def uncancelled(push: Callable[[Tree], Tree], k: Tree, theta: Tree) -> Array:
    """The size, leaf by leaf, of the terms that cancel in push(k).

    It is taken from push at a fixed irregular direction of k's length plus k with that direction's signs. The one would
    miss a k that lies in a few small tensors, the other a k with a single number; their sum does not cancel, because
    the direction is irregular.

    The direction is no part of the probe, so that a counterexample has fewer numbers. Each of its tensors has the
    scale of the parameters', so that none is drowned, and its numbers differ: mere signs are themselves an orbit
    direction of networks with one unit, where the push vanishes.

    Args:
        push: a linear map of vectors like θ.
        k: a vector that it takes to something small.
        theta: θ, whose scales an irregular direction has.
    """
    wave = irregular(theta)
    length = norm(k) / norm(wave)
    return magnitudes(push(jax.tree.map(lambda a, w: jnp.where(w < 0, -a, a) + w * length, k, wave)))


def spread_out(k: Tree, theta: Tree) -> Tree:
    """|k|, and beside it |u| of an irregular step u that is as long: what the terms in ⟨∇L, k⟩ are the size of.

    Where the gradient vanishes at every tensor that k moves, as at a bias in front of a batch norm, its products with k
    alone are rounding errors, and beside them nothing could be told.

    Args:
        k: a vector like θ.
        theta: θ, whose scales an irregular direction has.
    """
    if not any(leaf.size for leaf in jax.tree.leaves(theta)):
        return jax.tree.map(jnp.abs, k)
    wave = irregular(theta)
    length = norm(k) / norm(wave)
    return jax.tree.map(lambda a, w: jnp.abs(a) + jnp.abs(w) * length, k, wave)


def uncancelled_together(push: Callable[[Tree], Tree], vectors: tuple[Tree, ...], at: tuple[Tree, ...]) -> Tree:
    """Likewise for push((k, χ)), where parameters and inputs move: the terms of both, of which one may be zero.

    Args:
        push: a linear map of pairs (k, χ).
        vectors: such a pair.
        at: (θ, x).
    """
    zeros = tuple(jax.tree.map(jnp.zeros_like, vector) for vector in vectors)

    def sizes(i: int) -> Array:
        return uncancelled(lambda vector: push((*zeros[:i], vector, *zeros[i + 1 :])), vectors[i], at[i])

    moved = [sizes(i) for i, vector in enumerate(vectors) if jax.tree.leaves(vector)]
    return jax.tree.map(lambda *each: sum(each[1:], each[0]), *moved)


GOLDEN_ANGLE = 2.399963229728653

PERIOD = 1021
"""After so many numbers of a tensor those of an irregular direction come again: constants of programs stay small."""

ZEROS = 8
"""A tensor of no more units in the last place of 1 than these is a perturbed tensor of zeros."""


def irregular(theta: Tree, unit: float = 0.0) -> Tree:
    """A direction like θ: cosines of multiples of the golden angle, each tensor at its own scale (1 for zeros).

    The cosines are constants: no rounding error belongs to them, and a program does not work them out for each row.

    Args:
        theta: the point.
        unit: unit roundoff of the lowest precision in the program. In perturbed copies zeros are as large as that; they
            are zeros here as well, since a floor is what the same statement says at a point nearby, and not along
            another direction.
    """
    leaves, treedef = jax.tree.flatten(theta)
    start, found = 0, []
    for leaf in leaves:
        cosines = np.cos(GOLDEN_ANGLE * (1 + start + np.arange(min(leaf.size, PERIOD)))).astype(leaf.dtype)
        mean_square = jnp.mean(leaf**2) if leaf.size else jnp.ones((), leaf.dtype)
        least = ZEROS * max(unit, float(jnp.finfo(leaf.dtype).eps))
        positive = mean_square > least**2
        scale = jnp.where(positive, jnp.sqrt(jnp.where(positive, mean_square, 1)), 1)
        whole = cosines.reshape(leaf.shape) if leaf.size <= PERIOD else jnp.resize(cosines, leaf.shape)
        found.append(whole * scale)
        start += leaf.size
    return jax.tree.unflatten(treedef, found)
