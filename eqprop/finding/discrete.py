"""Permutations and signs along an interface, tried on the model itself.

A transposition and a cycle generate all permutations; signs are tried unit by unit, or where units are many, at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.moving import Moved
from eqprop.finding.samples import Leaves, same
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call, Tensors
from eqprop.groups import Permutation, Sign

MOST_SUBSETS = 10
"""Signs are tried on every set of occurrences where these are so few, else on all of them."""

FEW = 2
AT_ONCE = 128
"""Points at which sets of occurrences are tried, and how many of these in one batch, if that is no more than so many
numbers."""

MOST_NUMBERS = 1 << 22

SURE = 24
"""So many random signs miss each proper subgroup with a chance of one in ten million at most."""


class Element(NamedTuple):
    """An element of a discrete group: unit i becomes sign × unit order[i] in some places, in the first copy only."""

    occurrences: tuple[Occurrence, ...]
    shared: tuple[int, ...]
    order: np.ndarray
    signs: np.ndarray


def permutations_along(subject: Subject, interface: Interface) -> tuple[int, ...] | None:
    """The largest set of shared atoms along which permutations may differ; None where they are no symmetry."""
    n = interface.size
    if n < 2:
        return None
    one = np.ones(n)
    swap = np.array([1, 0, *range(2, n)])
    orders = [swap] if n == 2 else [swap, np.roll(np.arange(n), 1)]
    for shared in interface.shared:
        if holds(subject, [Element(interface.occurrences, shared, order, one) for order in orders]):
            return shared
    return None


def permutation_group(subject: Subject, interface: Interface, shared: tuple[int, ...]) -> Found:
    """The finding.

    Raises:
        Unwritable: as ``Subject.call``.
    """
    group = Permutation(interface.size)

    def make(tensors: dict[str, Tensors], copies: int | None) -> Call:
        return Call("hidden_units", (powered(group, copies),), tensors)

    call = subject.call({"writes": interface.occurrences}, shared, make)
    blocks = [o.block for o in interface.occurrences]
    text = f"S_{interface.size}{each_of(interface, shared)}"
    return subject.found("permutation", text, blocks, interface.size, call, continuous=False)


def signs_along(subject: Subject, interface: Interface) -> Iterator[tuple[tuple[int, ...], tuple[Occurrence, ...]]]:
    """Sets of shared atoms with the occurrences whose signs may be changed together, unit by unit; independent ones."""
    found: list[np.ndarray] = []
    for chosen in _plausible(subject, interface.occurrences, _subsets(len(interface.occurrences))):
        if _dependent(found, chosen):
            continue
        some = tuple(o for o, used in zip(interface.occurrences, chosen, strict=True) if used)
        for shared in interface.shared:
            if _signs_hold(subject, some, shared, interface.size):
                found.append(chosen)
                yield shared, some
                break


def _plausible(
    subject: Subject, occurrences: Sequence[Occurrence], subsets: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """The sets of occurrences whose first unit may change its sign in all copies, at a few points, many at a time."""
    few = [leaf[:FEW] for leaf in subject.held_out.params]
    numbers = sum(leaf.size for leaf in few)
    at_once = max(1, min(AT_ONCE, MOST_NUMBERS // max(1, numbers)))
    for start in range(0, len(subsets), at_once):
        part = subsets[start : start + at_once]
        after = subject.outputs_of(_first_negated(few, occurrences, part), FEW)
        yield from (chosen for chosen, own in zip(part, after, strict=True) if same(subject.outputs[:FEW], own))


def _first_negated(few: Sequence[np.ndarray], occurrences: Sequence[Occurrence], sets: Sequence[np.ndarray]) -> Moved:
    """The leaves with the first unit's sign changed in each set of occurrences, the sets one behind the other."""
    moved: Moved = {}
    for place, occurrence in enumerate(occurrences):
        leaf = occurrence.block.leaf
        if leaf not in moved:
            moved[leaf] = np.tile(few[leaf], (len(sets), *(1 for _ in few[leaf].shape[1:])))
        flipped = np.repeat([bool(chosen[place]) for chosen in sets], len(few[leaf]))
        positions = np.take(occurrence.block.positions, 0, occurrence.place).reshape(-1)
        moved[leaf].reshape(len(flipped), -1)[np.ix_(flipped, positions)] *= -1
    return moved


def _signs_hold(subject: Subject, some: tuple[Occurrence, ...], shared: tuple[int, ...], n: int) -> bool:
    order = np.arange(n)
    return holds(subject, [Element(some, shared, order, signs) for signs in _generating(n)])


def _generating(n: int) -> Iterator[np.ndarray]:
    """Signs that generate all of n units: one by one, or so many random ones that no subgroup holds them all.

    What holds is a subgroup, and a proper one has half of the elements at most.
    """
    if n <= SURE:
        yield from np.where(np.eye(n, dtype=bool), -1.0, 1.0)
    else:
        yield from np.random.default_rng(0).choice((-1.0, 1.0), (SURE, n))


def negated(some: Sequence[Occurrence], shared: Sequence[int], size: int) -> frozenset[frozenset[tuple[int, int]]]:
    """What each sign in each copy negates, as (tensor, position): two sets of signs are the same if these are."""
    found: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for occurrence in some:
        block = occurrence.block
        roots = [root for root, _ in block.factors]
        axes = [*(roots.index(root) for root in shared), occurrence.place]
        flat = np.moveaxis(block.positions, axes, range(len(axes)))
        copies = int(np.prod(flat.shape[: len(shared)], dtype=int))
        for copy, units in enumerate(flat.reshape(copies, size, -1)):
            for unit, positions in enumerate(units):
                own = {(block.leaf, int(position)) for position in positions}
                found.setdefault((copy, unit), set()).symmetric_difference_update(own)
    return frozenset(map(frozenset, found.values()))


def _subsets(count: int) -> list[np.ndarray]:
    if not 0 < count <= MOST_SUBSETS:
        return [np.ones(count, int)] if count else []
    every = [np.array(chosen) for chosen in product((0, 1), repeat=count) if any(chosen)]
    return sorted(every, key=lambda chosen: int(chosen.sum()))


def _dependent(found: Sequence[np.ndarray], chosen: np.ndarray) -> bool:
    """Whether a set of signs is a product of those that were found."""
    sums = (np.array(weights) @ np.array(found) % 2 for weights in product((0, 1), repeat=len(found)) if found)
    return any(np.array_equal(total, chosen) for total in sums)


def sign_group(subject: Subject, interface: Interface, shared: tuple[int, ...], some: tuple[Occurrence, ...]) -> Found:
    """The finding.

    Raises:
        Unwritable: as ``Subject.call``.
    """

    def make(tensors: dict[str, Tensors], copies: int | None) -> Call:
        return Call("hidden_units", (powered(Sign(interface.size), copies),), tensors)

    call = subject.call({"writes": some}, shared, make)
    text = f"signs of {interface.size}{each_of(interface, shared)}"
    return subject.found("sign", text, [o.block for o in some], interface.size, call, continuous=False)


def holds(subject: Subject, elements: Sequence[Element]) -> bool:
    """Whether no element changes an output, at the points that were held out. One that does stops the search."""
    return all(subject.holds(_moved(subject.held_out.params, element)) for element in elements)


def _moved(params: Leaves, element: Element) -> Moved:
    moved: Moved = {o.block.leaf: params[o.block.leaf].copy() for o in element.occurrences}
    for occurrence in element.occurrences:
        block = occurrence.block
        roots = [root for root, _ in block.factors]
        first = tuple(slice(0, 1) if root in element.shared else slice(None) for root in roots)
        positions = block.positions[first]
        flat = moved[block.leaf].reshape(len(moved[block.leaf]), -1)
        values = flat[:, positions]
        axis = occurrence.place + 1
        signs = element.signs.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
        flat[:, positions] = np.take(values, element.order, axis) * signs
    return moved
