"""Interfaces along which each unit may be multiplied: by a positive factor to some power on each tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.moments import diagonal, null_space
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call, Tensors
from eqprop.groups import Scaling


def scalings(subject: Subject, interface: Interface) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Sets of shared atoms, each with the exponents of every occurrence, for all independent scalings of the units."""
    seen = np.zeros((0, len(interface.occurrences)))
    for shared in interface.shared:
        columns = [diagonal(subject.points, o, o, shared) for o in interface.occurrences]
        for exponents in null_space(columns):
            more = np.vstack([seen, exponents])
            if np.linalg.matrix_rank(more, tol=1e-6) > len(seen) and _holds(subject, interface, shared, exponents):
                seen = more
                yield shared, exponents


def _holds(subject: Subject, interface: Interface, shared: Sequence[int], exponents: np.ndarray) -> bool:
    terms = [diagonal(subject.held_out, o, o, shared) for o in interface.occurrences]
    total = sum(p * t.total for p, t in zip(exponents, terms, strict=True))
    size = sum(abs(p) * t.size for p, t in zip(exponents, terms, strict=True))
    return bool(np.all(np.abs(total) <= HELD * size))


HELD = 1e-8
"""Of the size of its terms: the square root of the unit roundoff. What holds to less is near, and no symmetry."""


def scaling_group(subject: Subject, interface: Interface, shared: tuple[int, ...], exponents: np.ndarray) -> Found:
    """The finding: ``hidden_units`` where writers have the power 1 and readers all the same, else ``scaled_units``.

    Raises:
        Unwritable: as ``Subject.call``.
    """
    moved = [(o, plain(p)) for o, p in zip(interface.occurrences, exponents, strict=True) if p != 0]
    powers = sorted({p for _, p in moved}, reverse=True)
    roles: dict[float, list[Occurrence]] = {p: [o for o, q in moved if q == p] for p in powers}

    def make(tensors: dict[float, Tensors], copies: int | None) -> Call:
        group = powered(Scaling(interface.size), copies)
        read = [p for p in powers if p < 0]
        if powers[0] == 1 and len(powers) - len(read) == 1 and len(read) <= 1:
            named: dict[str, object] = {"writes": tensors[1], **({"reads": tensors[read[0]]} if read else {})}
            return Call("hidden_units", (group,), {**named, **({"power": -read[0]} if read and read[0] != -1 else {})})
        more = {} if copies is None else {"copies": copies}
        return Call("scaled_units", (interface.size, tensors), more)

    text = f"R₊^{interface.size}{each_of(interface, shared)}, powers {', '.join(f'{p:g}' for p in powers)}"
    call = subject.call(roles, shared, make)
    return subject.found("scaling", text, [o.block for o, _ in moved], interface.size, call)


def plain(power: float) -> float:
    """Whole numbers as such."""
    return int(power) if float(power).is_integer() else float(power)
