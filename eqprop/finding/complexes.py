"""Interfaces whose units are the real and the imaginary parts of complex numbers, as rotary positions leave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from eqprop.finding.blocks import Block, Interface, Occurrence, Span
from eqprop.finding.found import Found
from eqprop.finding.moments import Terms, diagonal
from eqprop.finding.samples import Points
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call
from eqprop.groups import ComplexScaling, Power, Rotation

Layout = Literal["interleaved", "halves"]


class Couple(NamedTuple):
    """Two places of the same units in one tensor: real and imaginary parts."""

    real: Occurrence
    imaginary: Occurrence


class Pairing(NamedTuple):
    """Complex factors along an interface: with their moduli, or phases alone."""

    couples: tuple[Couple, ...]
    shared: tuple[int, ...]
    moduli: bool


def pairing_along(subject: Subject, interface: Interface) -> Pairing | None:
    """Whether each unit may be turned against its partner: J·k = 0 for (a, b) ↦ (−b, a) in every tensor."""
    couples = _couples(interface)
    if couples is None:
        return None
    for shared in interface.shared:
        if all(_turns(p, couples, shared) for p in (subject.points, subject.held_out)):
            scales = all(_scales(p, interface.occurrences, shared) for p in (subject.points, subject.held_out))
            return Pairing(couples, shared, scales)
    return None


def _couples(interface: Interface) -> tuple[Couple, ...] | None:
    """The occurrences two by two, the first of each earlier in its tensor; None where they do not come in twos."""
    alike: dict[Any, list[Occurrence]] = {}
    for o in interface.occurrences:
        sizes = o.block.positions.shape
        others = tuple(r for place, (r, _) in enumerate(o.block.factors) if place != o.place and sizes[place] > 1)
        alike.setdefault((o.block.leaf, o.place, others, o.parity), []).append(o)
    if any(len(group) != 2 for group in alike.values()):
        return None
    ordered = (sorted(group, key=lambda o: int(o.block.positions.min())) for group in alike.values())
    return tuple(Couple(*group) for group in ordered)


def _turns(points: Points, couples: Sequence[Couple], shared: Sequence[int]) -> bool:
    total: Any = 0.0
    size: Any = 0.0
    for real, imaginary in couples:
        up, down = diagonal(points, imaginary, real, shared), diagonal(points, real, imaginary, shared)
        total, size = total + up.total - down.total, size + up.size + down.size
    return bool(np.any(size > 0) and Terms(total, size).vanishes.all())


def _scales(points: Points, occurrences: Sequence[Occurrence], shared: Sequence[int]) -> bool:
    total: Any = 0.0
    size: Any = 0.0
    for o in occurrences:
        terms = diagonal(points, o, o, shared)
        total, size = total + o.parity * terms.total, size + terms.size
    return bool(Terms(total, size).vanishes.all())


def complex_group(subject: Subject, interface: Interface, pairing: Pairing) -> Found:
    """The finding, its couples merged into one axis of twice the length.

    Raises:
        Unwritable: where the parts lie neither side by side nor one behind the other.
    """
    merged = [_merged(couple) for couple in pairing.couples]
    layouts: set[Layout] = {layout for _, layout in merged}
    layout: Layout = layouts.pop() if len(layouts) == 1 else "halves"
    both = [_merged(couple, layout)[0] for couple in pairing.couples]
    roles = {"writes": [o for o in both if o.parity > 0], "reads": [o for o in both if o.parity < 0]}
    n = interface.size

    def make(tensors: dict[str, dict[str, Any]], copies: int | None) -> Call:
        return Call("hidden_units", (powered(ComplexScaling(n, layout), copies),), tensors)

    def turn(tensors: dict[str, dict[str, Any]], copies: int | None) -> Call:
        del copies
        return Call("hidden_units", (Power(Rotation(2), n),), tensors)

    word = f"C*^{n}" if pairing.moduli else f"U(1)^{n}"
    call = subject.call(roles, pairing.shared, make if pairing.moduli else turn)
    blocks = [o.block for o in both]
    return subject.found("complex", f"{word}{each_of(interface, pairing.shared)}", blocks, n, call)


def _merged(couple: Couple, layout: Layout | None = None) -> tuple[Occurrence, Layout]:
    """Both parts as one axis, in the order in which they lie."""
    real, place = couple.real.block, couple.real.place
    span_at, inside = _span_of(real, place)
    first, second = real.spans[span_at], couple.imaginary.block.spans[span_at]
    gap = int((second.entries - first.entries).reshape(-1)[0])
    found: Layout = layout or ("interleaved" if gap == 1 and first.entries.shape[inside] > 1 else "halves")
    stacked = np.stack([first.entries, second.entries], inside if found == "halves" else inside + 1)
    shape = list(first.entries.shape)
    shape[inside] *= 2
    span = Span(stacked.reshape(shape), first.factors)
    spans = (*real.spans[:span_at], span, *real.spans[span_at + 1 :])
    sizes = list(real.positions.shape)
    sizes[place] *= 2
    block = replace(real, spans=spans, positions=np.zeros(sizes, int))
    return Occurrence(block, place, couple.real.parity), found


def _span_of(block: Block, place: int) -> tuple[int, int]:
    """Which span has an axis of the block, and where in it."""
    for at, span in enumerate(block.spans):
        if place < len(span.factors):
            return at, place
        place -= len(span.factors)
    raise AssertionError
