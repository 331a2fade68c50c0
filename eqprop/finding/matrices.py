"""Interfaces along which matrices act: GL(n), or O(n)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.moments import Terms, matrix_condition
from eqprop.finding.samples import Points
from eqprop.finding.subject import Subject, each_of, powered
from eqprop.finding.writing import Call, Tensors
from eqprop.groups import GeneralLinear, Orthogonal

LEAST_POINTS = 8
"""At so many a condition must say something: one with a unit that is never active holds by itself."""

FEW = 2
"""Points that rule out most groups, before all are looked at."""

FIRST = 8
"""Units whose mixtures rule out most groups, before those of all are looked at."""


class Matrices(NamedTuple):
    """Which matrices act along an interface, and along which other axes they may differ."""

    kind: str
    shared: tuple[int, ...]


def matrices_along(subject: Subject, interface: Interface) -> Matrices | None:
    """The largest group of matrices; None where there is none."""
    if interface.size < 2:
        return None
    few = _Look(subject.points.rows(0, FEW), 0, FIRST)
    looks = (few, few._replace(units=None), _Look(subject.points, LEAST_POINTS), _Look(subject.held_out, 1))
    for shared in interface.shared:
        for kind in ("GL", "O"):
            if all(_holds(look, interface, shared, kind) for look in looks):
                return Matrices(kind, shared)
    return None


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
    if kind == "O":
        total, size = condition
        condition = Terms(total - np.swapaxes(total, -1, -2), size + np.swapaxes(size, -1, -2))
    off = ~np.eye(condition.size.shape[-1], dtype=bool)
    told = np.any(condition.size[..., off] > 0, axis=(1, 2)).sum()
    return bool(told >= least and condition.vanishes.all())


def matrix_group(subject: Subject, interface: Interface, matrices: Matrices) -> Found:
    """The finding, with an element for each index along shared axes.

    Raises:
        Unwritable: as ``Subject.call``.
    """
    base = (GeneralLinear if matrices.kind == "GL" else Orthogonal)(interface.size)
    roles: dict[str, list[Occurrence]] = {"writes": [], "reads": []}
    for occurrence in interface.occurrences:
        reads = matrices.kind == "GL" and occurrence.parity < 0
        roles["reads" if reads else "writes"].append(occurrence)

    def make(tensors: dict[str, Tensors], copies: int | None) -> Call:
        return Call("hidden_units", (powered(base, copies),), tensors)

    text = f"{matrices.kind}({interface.size}){each_of(interface, matrices.shared)}"
    call = subject.call(roles, matrices.shared, make)
    kind = "linear" if matrices.kind == "GL" else "orthogonal"
    return subject.found(kind, text, [o.block for o in interface.occurrences], interface.size, call)
