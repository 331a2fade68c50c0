"""Interfaces whose units are the real and the imaginary parts of complex numbers, as rotary positions leave them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from eqprop.finding.blocks import Block, Interface, Occurrence, Span, shared_by
from eqprop.finding.found import Found
from eqprop.finding.matrices import FEW
from eqprop.finding.moments import Terms, diagonal, moment, null_space
from eqprop.finding.samples import Points
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call, Tensors, Unwritable
from eqprop.groups import ComplexLinear, ComplexScaling

Layout = Literal["interleaved", "halves"]


class Couple(NamedTuple):
    """Two places of the same units in one tensor: real and imaginary parts."""

    real: Occurrence
    imaginary: Occurrence


class Pairing(NamedTuple):
    """Complex factors along an interface, with the powers of their moduli on each couple; without any, phases alone.

    Or complex matrices, M on what writes and M⁻ᴴ on what reads.
    """

    couples: tuple[Couple, ...]
    shared: tuple[int, ...]
    moduli: tuple[int, ...]
    matrices: bool = False


def mixed_along(subject: Subject, interface: Interface) -> Pairing | None:
    """Whether units may be mixed by complex matrices: planes that rotary positions turn by one angle."""
    interface = _without_lone(interface)
    couples = _couples(interface) if interface.size > 1 else None
    if couples is None:
        return None
    moduli = tuple(couple.real.parity for couple in couples)
    looks = (subject.points.rows(0, FEW), subject.points, subject.held_out)
    for shared in interface.shared:
        if all(_mixes(points, couples, shared) for points in looks):
            return Pairing(couples, shared, moduli, matrices=True)
    return None


def _mixes(points: Points, couples: Sequence[Couple], shared: Sequence[int]) -> bool:
    """J·k = 0 for (a, b) ↦ (A a − B b, A b + B a) with any real A and B."""
    by_real: list[Terms] = []
    by_imaginary: list[Terms] = []
    for real, imaginary in couples:
        own = [moment(points, o, o, shared) for o in (real, imaginary)]
        up, down = moment(points, imaginary, real, shared), moment(points, real, imaginary, shared)
        side = real.parity
        by_real += [_turned(Terms(side * mu.total, mu.size), side) for mu in own]
        by_imaginary += [_turned(up, side), _turned(Terms(-down.total, down.size), side)]
    return all(_all_vanish(terms) for terms in (by_real, by_imaginary))


def _turned(terms: Terms, parity: int) -> Terms:
    """Transposed where a tensor reads."""
    return terms if parity > 0 else Terms(*(np.swapaxes(part, -1, -2) for part in terms))


def _all_vanish(terms: Sequence[Terms]) -> bool:
    whole = Terms(np.sum([t.total for t in terms], 0), np.sum([t.size for t in terms], 0))
    return bool(np.any(whole.size > 0) and whole.vanishes.all())


def pairings_along(subject: Subject, interface: Interface) -> Iterator[Pairing]:
    """Couples whose units may be turned together: J·k = 0 for (a, b) ↦ (−b, a) in each of them."""
    interface = _without_lone(interface)
    couples = _couples(interface) or ()
    for shared in interface.shared if couples else ():
        pairings = [p for phases in null_space(_turns(subject.points, couples, shared)) for p in _pairings(phases)]
        for pairing in pairings:
            turned = tuple(couple for couple, used in zip(couples, pairing, strict=True) if used)
            if _all_vanish(_turns(subject.held_out, turned, shared)):
                yield Pairing(turned, shared, _moduli(subject.points, turned, shared))
        if pairings:
            return


def _pairings(phases: np.ndarray) -> Iterator[np.ndarray]:
    """Which couples turn with these phases, where all turn alike or stay."""
    if np.all(np.isin(phases, (0, 1))):
        yield phases != 0


def _without_lone(interface: Interface) -> Interface:
    """Without vectors that come alone: the frequencies of rotary positions, say, where they are stored, stay."""
    alike = _alike(interface)
    kept = tuple(o for own in alike.values() for o in own if len(own) > 1 or len(o.block.factors) > 1)
    if len(kept) in (0, len(interface.occurrences)):
        return interface
    return replace(interface, occurrences=kept, shared=shared_by(kept, interface.root))


def _alike(interface: Interface) -> dict[Hashable, list[Occurrence]]:
    alike: dict[Hashable, list[Occurrence]] = {}
    for o in interface.occurrences:
        sizes = o.block.positions.shape
        others = tuple(r for place, (r, _) in enumerate(o.block.factors) if place != o.place and sizes[place] > 1)
        alike.setdefault((o.block.leaf, o.place, others, o.parity), []).append(o)
    return alike


def _couples(interface: Interface) -> tuple[Couple, ...] | None:
    """The occurrences two by two, the first of each earlier in its tensor; None where they do not come in twos."""
    alike = _alike(interface).values()
    if any(len(group) != 2 for group in alike):
        return None
    ordered = (sorted(group, key=lambda o: int(o.block.positions.min())) for group in alike)
    return tuple(Couple(*group) for group in ordered)


def _turns(points: Points, couples: Sequence[Couple], shared: Sequence[int]) -> list[Terms]:
    """J·k of (a, b) ↦ (−b, a) in each couple."""
    terms: list[Terms] = []
    for real, imaginary in couples:
        up, down = diagonal(points, imaginary, real, shared), diagonal(points, real, imaginary, shared)
        terms.append(Terms(up.total - down.total, up.size + down.size))
    return terms


def _moduli(points: Points, couples: Sequence[Couple], shared: Sequence[int]) -> tuple[int, ...]:
    """The powers, 1 or −1, with which couples may be scaled against each other; empty where they may only be turned."""
    columns: list[Terms] = []
    for couple in couples:
        real, imaginary = (diagonal(points, o, o, shared) for o in couple)
        columns.append(Terms(real.total + imaginary.total, real.size + imaginary.size))
    powers = null_space(columns)
    return tuple(map(int, powers[0])) if len(powers) == 1 and np.all(np.abs(powers) == 1) else ()


def complex_group(subject: Subject, interface: Interface, pairing: Pairing) -> Found:
    """The finding, its couples merged into one axis of twice the length.

    Raises:
        Unwritable: for phases alone, and where the parts lie neither side by side nor one behind the other.
    """
    if not pairing.moduli:
        raise Unwritable
    merged = [_merged(couple) for couple in pairing.couples]
    layouts: set[Layout] = {layout for _, layout in merged}
    layout: Layout = layouts.pop() if len(layouts) == 1 else "halves"
    both = [_merged(couple, layout)[0] for couple in pairing.couples]
    sides = {"writes": 1, "reads": -1}
    roles = {role: [o for o, p in zip(both, pairing.moduli, strict=True) if p == side] for role, side in sides.items()}

    def make(tensors: dict[str, Tensors], copies: int | None) -> Call:
        return Call("hidden_units", (powered(group, copies),), tensors)

    group = (ComplexLinear if pairing.matrices else ComplexScaling)(interface.size, layout)
    of_one = f"GL({interface.size}, C)" if pairing.matrices else f"C*^{interface.size}"
    text = f"{of_one}{each_of(interface, pairing.shared)}"
    call = subject.call(roles, pairing.shared, make)
    return subject.found("complex", text, [o.block for o in both], interface.size, call)


def _merged(couple: Couple, layout: Layout | None = None) -> tuple[Occurrence, Layout]:
    """Both parts as one axis, in the order in which they lie."""
    real, place = couple.real.block, couple.real.place
    span_at, inside = _span_of(real, place)
    if real.positions.shape[place] == 1:  # a single number: the axis that it is thought to lie on is as good as another
        span_at, inside, place = _only_difference(real, couple.imaginary.block)
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


def _only_difference(one: Block, other: Block) -> tuple[int, int, int]:
    """The span along which two blocks lie apart, which must be a single entry, and the axis of the block that it has.

    Raises:
        Unwritable: where it is more.
    """
    spans = list(zip(one.spans, other.spans, strict=True))
    apart = [at for at, (a, b) in enumerate(spans) if not np.array_equal(a.entries, b.entries)]
    if len(apart) != 1 or one.spans[apart[0]].entries.shape != (1,):
        raise Unwritable
    return apart[0], 0, sum(len(span.factors) for span in one.spans[: apart[0]])
