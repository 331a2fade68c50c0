"""Copies that a Python loop cuts out of tensors one after the other (heads, experts): they are exchanged as wholes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from eqprop.finding.blocks import Block, Interface, Occurrence, Span
from eqprop.finding.discrete import permutations_along
from eqprop.finding.subject import Subject


@dataclass(frozen=True, eq=False)
class Cut:
    """An axis of a leaf that is read in equal parts.

    Attributes:
        leaf: which.
        axis: of it.
        private: of each part the atoms that no other part of it has.
    """

    leaf: int
    axis: int
    private: tuple[frozenset[int], ...]

    def goes_with(self, other: Cut) -> bool:
        """Whether each part has something in common with the part of the other that stands in the same place."""
        pairs = zip(self.private, other.private, strict=False)
        return len(self.private) == len(other.private) and all(not own.isdisjoint(its) for own, its in pairs)


def looped(subject: Subject) -> Iterator[Interface]:
    """What is cut alike and may be permuted, alone or with something else of as many parts: with values, a router."""
    groups = _together([cut for leaf in range(len(subject.shapes)) for cut in _cuts(subject, leaf)])
    done: list[list[Cut]] = []
    for cuts in (group for group in groups if len(group) > 1):
        parts = len(cuts[0].private)
        others = [g for g in groups if g is not cuts and len(g[0].private) == parts]
        beside = [(group, _occurrences(subject, group)) for group in others if group not in done]
        beside += [([], i.occurrences) for i in subject.active if i.size == parts]
        for group, more in [([], ()), *beside] if cuts not in done else []:
            interface = Interface(-1, parts, (*_occurrences(subject, cuts), *more), ((),), False)
            if permutations_along(subject, interface) is not None:
                done += [cuts, group]
                yield interface
                break


def _cuts(subject: Subject, leaf: int) -> Iterator[Cut]:
    blocks = [block for block in subject.blocks if block.leaf == leaf]
    for axis, size in enumerate(subject.shapes[leaf]):
        starts = sorted({int(block.spans[axis].entries.min()) for block in blocks})
        parts = len(starts)
        if parts < 2 or size % parts or starts != list(range(0, size, size // parts)):
            continue
        atoms: list[set[int]] = [set() for _ in starts]
        for block in blocks:
            own = atoms[starts.index(int(block.spans[axis].entries.min()))]
            own.update(root for root, _ in block.factors)
        yield Cut(leaf, axis, tuple(frozenset(own.difference(*_others(atoms, at))) for at, own in enumerate(atoms)))


def _others(atoms: Sequence[set[int]], at: int) -> list[set[int]]:
    return [own for place, own in enumerate(atoms) if place != at]


def _together(cuts: Sequence[Cut]) -> list[list[Cut]]:
    """Those that go with one another."""
    found: list[list[Cut]] = []
    for cut in cuts:
        known = [group for group in found if any(cut.goes_with(other) for other in group)]
        found = [group for group in found if group not in known]
        found.append([other for group in known for other in group] + [cut])
    return found


def _occurrences(subject: Subject, cuts: Sequence[Cut]) -> tuple[Occurrence, ...]:
    names = count(-2, -1)
    return tuple(Occurrence(*_whole(subject.shapes[cut.leaf], cut, names), 1) for cut in cuts)


def _whole(shape: tuple[int, ...], cut: Cut, names: Iterator[int]) -> tuple[Block, int]:
    """The whole leaf as one block, its axis a product of parts and what lies in them; and the place of the parts."""
    parts = len(cut.private)
    sizes = [(parts, n // parts) if axis == cut.axis and n > parts else (n,) for axis, n in enumerate(shape)]
    spans = [Span(np.arange(np.prod(own)).reshape(own), tuple((next(names), 1) for _ in own)) for own in sizes]
    factors = tuple(factor for span in spans for factor in span.factors)
    flat = np.arange(np.prod(shape)).reshape([n for own in sizes for n in own])
    return Block(cut.leaf, tuple(spans), flat, factors), cut.axis
