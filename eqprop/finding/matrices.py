"""Interfaces along which matrices act: GL(n), O(n), or what of O(n) fixes (1, …, 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.moments import Terms, matrix_condition
from eqprop.finding.samples import Points
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call, Tensors
from eqprop.groups import FixingOnes, GeneralLinear, Orthogonal

LEAST_POINTS = 8
"""At so many a condition must say something: one with a unit that is never active holds by itself."""

FEW = 2
"""Points that rule out most groups, before all are looked at."""

FIRST = 8
"""Units whose mixtures rule out most groups, before those of all are looked at."""


LEAST_FIXING = 3
"""Units of which some are mixed by rotations that fix (1, …, 1)."""


class Matrices(NamedTuple):
    """Which matrices act along an interface, and along which other axes they may differ.

    Attributes:
        kind: ``GL``, ``O``, or ``fixing`` for what of O(n) fixes (1, …, 1).
        shared: atoms.
    """

    kind: str
    shared: tuple[int, ...]

    @property
    def negates(self) -> bool:
        """Whether −1 on a single unit is among them."""
        return self.kind != "fixing"


def matrices_along(subject: Subject, interface: Interface) -> Iterator[Matrices]:
    """The groups of matrices, the largest first."""
    if interface.size < 2:
        return
    few = _Look(subject.points.rows(0, FEW), 0, FIRST)
    looks = (few, few._replace(units=None), _Look(subject.points, LEAST_POINTS), _Look(subject.held_out, 1))
    fixing = ("fixing",) if interface.size >= LEAST_FIXING else ()
    for kinds in (("GL", "O"), fixing):
        for shared in interface.shared:
            for kind in kinds:
                if all(_holds(look, interface, shared, kind) for look in looks):
                    yield Matrices(kind, shared)


class _Look(NamedTuple):
    """Points, at how many of them a condition must say something, and how many of the units are mixed."""

    points: Points
    least: int
    units: int | None = None


def _holds(look: _Look, interface: Interface, shared: Sequence[int], kind: str) -> bool:
    if kind == "GL" and interface.self_dual:
        return False
    points, least, units = look
    condition = matrix_condition(points, interface, shared, dual=kind == "GL", units=units)
    if kind != "GL":
        total, size = condition
        condition = Terms(total - np.swapaxes(total, -1, -2), size + np.swapaxes(size, -1, -2))
    if kind == "fixing":
        condition = _across_ones(condition)
    off = ~np.eye(condition.size.shape[-1], dtype=bool)
    told = np.any(condition.size[..., off] > 0, axis=(1, 2)).sum()
    return bool(told >= least and condition.vanishes.all())


def _across_ones(condition: Terms) -> Terms:
    """P D P with P = 1 − 11ᵀ/n, for which ⟨A, D⟩ = ⟨A, P D P⟩ where A and Aᵀ take (1, …, 1) to 0."""
    total, size = condition
    for axis in (-1, -2):
        total = total - total.mean(axis, keepdims=True)
        size = size + size.mean(axis, keepdims=True)
    return Terms(total, size)


def matrix_group(subject: Subject, interface: Interface, matrices: Matrices) -> Found:
    """The finding, with an element for each index along shared axes.

    Raises:
        Unwritable: as ``Subject.call``.
    """
    n = interface.size
    group, name, kind = GROUPS[matrices.kind]
    roles: dict[str, list[Occurrence]] = {"writes": [], "reads": []}
    for occurrence in interface.occurrences:
        reads = matrices.kind == "GL" and occurrence.parity < 0
        roles["reads" if reads else "writes"].append(occurrence)

    def make(tensors: dict[str, Tensors], copies: int | None) -> Call:
        return Call("hidden_units", (powered(group(n), copies),), tensors)

    text = f"{name(n)}{each_of(interface, matrices.shared)}"
    call = subject.call(roles, matrices.shared, make)
    return subject.found(kind, text, [o.block for o in interface.occurrences], n, call)


GROUPS = {
    "GL": (GeneralLinear, "GL({})".format, "linear"),
    "O": (Orthogonal, "O({})".format, "orthogonal"),
    "fixing": (FixingOnes, lambda n: f"O({n - 1}), Q 1 = 1", "fixing"),
}
"""Kind → the group of n units, its text, and the kind of what is found."""
