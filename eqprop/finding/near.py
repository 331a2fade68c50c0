"""Near-symmetries: scalings that the model has up to something small, such as the ε of a norm, with its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from eqprop.finding.found import Found
from eqprop.finding.moments import Terms, diagonal, null_space
from eqprop.finding.scalings import HELD, Scalings, scaling_group
from eqprop.finding.subject import Subject
from eqprop.finding.whole import scaled_tensors, whole_group, whole_terms
from eqprop.finding.writing import Unwritable

NEAR = 1e-3
"""What is off by more, relative to its terms, is no near-symmetry. Powers may be as far from whole numbers, which are
taken in their place: what is missed is theirs."""


class Near(NamedTuple):
    """A near-symmetry.

    Attributes:
        found: what nearly holds, and the call that claims it.
        size: the largest |J·k| at the points that were held out, relative to the sum of its terms.
    """

    found: Found
    size: float


def near_symmetries(subject: Subject) -> Iterator[Near]:
    """Scalings along interfaces, and of whole tensors, that miss by more than rounding and by less than ``NEAR``."""
    said: set[frozenset[str]] = set()
    for interface in subject.active:
        shared = interface.shared[0]
        columns, held = (
            [diagonal(points, o, o, shared) for o in interface.occurrences]
            for points in (subject.points, subject.held_out)
        )
        for near in _near(
            columns, held, lambda p, i=interface, s=shared: scaling_group(subject, i, Scalings(s, p, 0 * p))
        ):
            said.add(frozenset(near.found.tensors))
            yield near
    leaves = scaled_tensors(subject)
    columns, held = ([whole_terms(p, leaf) for leaf in leaves] for p in (subject.points, subject.held_out))
    for near in _near(columns, held, lambda powers: whole_group(subject, leaves, powers)):
        if frozenset(near.found.tensors) not in said:
            yield near


def _near(columns: Sequence[Terms], held: Sequence[Terms], make: Callable[[np.ndarray], Found]) -> Iterator[Near]:
    for powers in null_space(columns, NEAR) if columns else ():
        whole = np.round(powers)
        total = sum(p * t.total for p, t in zip(whole, held, strict=True))
        size = np.asarray(sum(abs(p) * t.size for p, t in zip(whole, held, strict=True)))
        missed = float(np.max(np.abs(total)[size > 0] / size[size > 0], initial=0.0))
        if HELD < missed <= NEAR and np.all(np.abs(powers - whole) <= NEAR):
            try:
                yield Near(make(whole), missed)
            except Unwritable:
                continue
