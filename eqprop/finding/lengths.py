"""Interfaces where no program is to be had: of axes that are equally long, those that scale or flip together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from eqprop.finding.blocks import Block, Interface, Occurrence
from eqprop.finding.discrete import signs_along
from eqprop.finding.scalings import scalings
from eqprop.finding.subject import Subject


def told_apart(subject: Subject) -> list[Interface]:
    """The interfaces that are looked at: parts of those that were guessed, and these themselves."""
    parts = [part for guessed in subject.active if guessed.size > 1 for part in _parts(subject, guessed)]
    said = {_places(part) for part in parts}
    return [*parts, *(guessed for guessed in subject.active if _places(guessed) not in said)]


def _places(interface: Interface) -> frozenset[tuple[Block, int]]:
    return frozenset((o.block, o.place) for o in interface.occurrences)


def _parts(subject: Subject, guessed: Interface) -> Iterator[Interface]:
    """What is scaled by some powers, whose signs say what writes and what reads; what changes its sign together."""
    said: set[frozenset[tuple[Block, int]]] = set()
    for one in scalings(subject, guessed):
        moved = [(o, p or -q) for o, p, q in zip(guessed.occurrences, one.powers, one.added, strict=True) if p or q]
        part = _part(guessed, [Occurrence(o.block, o.place, 1 if p > 0 else -1) for o, p in moved])
        said.add(_places(part))
        yield part
    for _, some in signs_along(subject, guessed):
        part = _part(guessed, some)
        if _places(part) not in said:
            yield part


def _part(guessed: Interface, occurrences: Sequence[Occurrence]) -> Interface:
    return replace(guessed, occurrences=tuple(occurrences), shared=((),), self_dual=False)
