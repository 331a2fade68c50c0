"""Interfaces along which each unit may be multiplied: by a positive factor to some power on each tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.moments import Terms, diagonal, null_space, view
from eqprop.finding.samples import Points
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call, Tensors
from eqprop.groups import Scaling


class Scalings(NamedTuple):
    """One factor c for each unit: θ ↦ c^p θ + (c^p − 1) q / p on each occurrence, which is θ + q log c where p is 0.

    Attributes:
        shared: the atoms along which factors may differ.
        powers: p of each occurrence.
        added: q of each occurrence: p for a gain that is stored less 1, 1 beside p = 0 for a logarithm.
    """

    shared: tuple[int, ...]
    powers: np.ndarray
    added: np.ndarray


def scalings(subject: Subject, interface: Interface) -> Iterator[Scalings]:
    """All independent scalings of the units: first those that move no state, and of these what is stored as it is."""
    found: list[Scalings] = []
    trained = [i for i, o in enumerate(interface.occurrences) if subject.paths[o.block.leaf] not in subject.state]
    some = [trained] if len(trained) < len(interface.occurrences) else []
    for among, looked in product([*some, [*range(len(interface.occurrences))]], (_multiplied, _stored_otherwise)):
        for shared in interface.shared:
            for one in looked(subject, interface, shared, among):
                if _independent([*found, one]) and _holds(subject.held_out, interface, one):
                    found.append(one)
                    yield one


def _independent(found: Sequence[Scalings]) -> bool:
    rows = np.array([np.concatenate([one.powers, one.added]) for one in found])
    return np.linalg.matrix_rank(rows, tol=1e-6) == len(found)


def _multiplied(
    subject: Subject, interface: Interface, shared: tuple[int, ...], among: Sequence[int]
) -> Iterator[Scalings]:
    occurrences = interface.occurrences
    columns = [diagonal(subject.points, occurrences[i], occurrences[i], shared) for i in among]
    for powers in null_space(columns):
        yield Scalings(shared, _spread(interface, among, powers), np.zeros(len(occurrences)))


def _stored_otherwise(
    subject: Subject, interface: Interface, shared: tuple[int, ...], among: Sequence[int]
) -> Iterator[Scalings]:
    """Where a tensor has one number for each unit, something may be added to it as the unit is scaled."""
    occurrences = interface.occurrences
    alone = [i for i in among if len(occurrences[i].block.factors) == 1 + len(shared)]
    if len(alone) == len(among) or not alone:
        return
    columns = [diagonal(subject.points, occurrences[i], occurrences[i], shared) for i in among]
    columns += [_sums(subject.points, occurrences[i], shared) for i in alone]
    for numbers in null_space(columns):
        powers, added = np.split(numbers, [len(among)])
        if powers.any() and added.any():
            yield Scalings(shared, _spread(interface, among, powers), _spread(interface, alone, added))


def _spread(interface: Interface, places: Sequence[int], numbers: np.ndarray) -> np.ndarray:
    """Numbers of some occurrences among those of all."""
    whole = np.zeros(len(interface.occurrences))
    whole[list(places)] = numbers
    return whole


def _sums(points: Points, occurrence: Occurrence, shared: Sequence[int]) -> Terms:
    """J·k of adding 1 to the number of each unit."""
    gradients = view(points.gradients, occurrence, shared)[..., 0]
    return Terms(gradients, np.abs(gradients))


def _holds(points: Points, interface: Interface, one: Scalings) -> bool:
    total: np.ndarray | float = 0.0
    size: np.ndarray | float = 0.0
    for o, p, q in zip(interface.occurrences, one.powers, one.added, strict=True):
        for number, terms in (
            (p, diagonal(points, o, o, one.shared)),
            (q, _sums(points, o, one.shared) if q else None),
        ):
            if terms is not None:
                total, size = total + number * terms.total, size + abs(number) * terms.size
    return bool(np.all(np.abs(total) <= HELD * size))


HELD = 1e-8
"""Of the size of its terms: the square root of the unit roundoff. What holds to less is near, and no symmetry."""


class Role(NamedTuple):
    """What becomes of a tensor: c^power, about an origin, or where it is a logarithm power · log c is added."""

    power: float
    origin: float = 0.0
    logarithm: bool = False


def _role(power: float, added: float) -> Role:
    if not power:
        return Role(plain(added), logarithm=True)
    return Role(plain(power), plain(np.round(-added / power * DIGITS) / DIGITS))


DIGITS = 1e6
"""To which an origin is rounded: it is found to nine digits."""


def scaling_group(subject: Subject, interface: Interface, found: Scalings) -> Found:
    """The finding: ``hidden_units`` where writers have the power 1 and readers all the same, else ``scaled_units``.

    Raises:
        Unwritable: as ``Subject.call``.
    """
    side = -1 if found.added[found.powers == 0].sum() < 0 else 1
    numbers = zip(interface.occurrences, side * found.powers, side * found.added, strict=True)
    moved = [(o, _role(p, q)) for o, p, q in numbers if p or q]
    roles: dict[Role, list[Occurrence]] = {}
    for o, role in sorted(moved, key=lambda item: -item[1].power):
        roles.setdefault(role, []).append(o)
    call = subject.call(roles, found.shared, lambda tensors, copies: _call(interface.size, tensors, copies))
    blocks = [o.block for o, _ in moved]
    if call.constructor == "exponential_shift":
        return subject.found("exponential", f"R^{interface.size}, exponential", blocks, interface.size, call)
    text = (
        f"R₊^{interface.size}{each_of(interface, found.shared)}, powers {', '.join(dict.fromkeys(map(_said, roles)))}"
    )
    return subject.found("scaling", text, blocks, interface.size, call)


def _said(role: Role) -> str:
    about = f" about {role.origin:g}" if role.origin else ""
    return f"{role.power:g}{' as a logarithm' if role.logarithm else about}"


def _call(units: int, tensors: dict[Role, Tensors], copies: int | None) -> Call:
    group = powered(Scaling(units), copies)
    powers = sorted({role.power for role in tensors if not role.logarithm}, reverse=True)
    as_stored = not any(role.origin or role.logarithm for role in tensors)
    read = [p for p in powers if p < 0]
    if as_stored and powers[0] == 1 and len(powers) - len(read) == 1 and len(read) <= 1:
        named: dict[str, object] = {"writes": tensors[Role(1)], **({"reads": tensors[Role(read[0])]} if read else {})}
        return Call("hidden_units", (group,), {**named, **({"power": -read[0]} if read and read[0] != -1 else {})})
    shifted, divided = tensors.get(Role(1, logarithm=True), {}), tensors.get(Role(-1), {})
    if (
        list(shifted.values()) == [0]
        and divided
        and len(tensors) == 2
        and copies is None
        and "[" not in "".join(shifted)
    ):
        return Call("exponential_shift", (units,), {"bias": next(iter(shifted)), "reads": divided})
    scaled: dict[float, Tensors] = {p: {} for p in powers}
    logarithms: dict[float, Tensors] = {}
    origins: dict[str, float] = {}
    for role, own in tensors.items():
        (logarithms if role.logarithm else scaled).setdefault(role.power, {}).update(own)
        origins |= dict.fromkeys(own, role.origin) if role.origin else {}
    more: dict[str, object] = {"logarithms": logarithms} if logarithms else {}
    more |= {"origins": origins} if origins else {}
    return Call("scaled_units", (units, scaled), more if copies is None else {**more, "copies": copies})


def plain(power: float) -> float:
    """Whole numbers as such."""
    return int(power) if float(power).is_integer() else float(power)
