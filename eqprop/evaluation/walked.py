"""Evaluates by walking the traced program of one row in NumPy: nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import astuple
from typing import Any, final

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn

from eqprop import rounding
from eqprop.engine import (
    TABLE,
    Opened,
    Reading,
    Roundoff,
    Tree,
    Walk,
    Watcher,
    attended,
    calls_back,
    foreign_functions,
    no_rounding,
    numbers_context,
    one_rounding,
    opaque_inside,
)
from eqprop.evaluation.batches import joined
from eqprop.evaluation.row import Row, units_of
from eqprop.evaluation.traced_programs import Facts, Slot
from eqprop.probes import Probe
from eqprop.rounding import Measured, combined, groups, random_signs

Positions = dict[str, tuple[list[int], ...]]

NUMBERS_PER_STEP = 400_000
"""Of an operation's result in all rows of a call: with fewer, what NumPy is asked costs more than what it works out;
with more, they leave the processor's cache from one operation to the next."""

BATCH = 64 * (1 + rounding.COPIES)
"""Rows of a usual batch: 64 probes with their copies."""


@final
class Walked:
    """A program that is traced at one row and walked at many.

    The copies have rounding errors inside from the start: NumPy's functions are more exact than XLA's, so that
    perturbed inputs alone would show less than the rounding that the model's users meet.

    Args:
        row: what is evaluated.
        errors: how large those of an operation are, in units in the last place.
        slot: where the traced program is kept between runs; None keeps none.

    Attributes:
        program: that is walked, where the last word may be asked of it: of one property, of a model that is not large;
            its fields alone where it was kept between runs.
        positions: for each property, where the leaves of its sides, scales and errors are among the program's results.
        units: see ``Evaluator``.
        opaque: likewise.
        calls_back: likewise.
        elsewhere: whether a part of it is evaluated, and differentiated, by others.
        batches: how many it has walked so far: calls of up to ``BATCH`` rows, larger ones by their rows.
        steps: how many operations it has.
        by_jax: see ``Evaluator``.

    Raises:
        Unsupported: where there is an operation that nothing here can do.
    """

    rounds = True

    def __init__(
        self, row: Row, *, errors: Callable[[JaxprEqn], float] = one_rounding, slot: Slot | None = None
    ) -> None:
        self._row = row
        self._errors = errors
        self._watcher: Watcher | None = None
        self._copies = rounding.COPIES_LARGE if row.large else rounding.COPIES
        self.batches = 0.0
        self._whole: dict[tuple[str, bool], Walk] = {}
        with numbers_context(row.precision):
            kept = slot.load_row() if slot else None
            if kept is not None:
                row.recall(kept[1])
            program, facts = kept or traced_row(row)
            self.program = program if len(row.properties) == 1 and not row.large else None
            self.positions: Positions = facts["positions"]
            self.units = {name: Roundoff(*unit) for name, unit in facts["units"].items()}
            self.opaque = opaque_inside(program)
            self.calls_back = calls_back(program)
            self.elsewhere = next(foreign_functions(program), None) is not None
            self._opened = Opened(program)
            self.rows = max(NUMBERS_PER_STEP // self._opened.typical_size, 1 + self._copies)
            self._reader = _Reader(ahead=row.large)
            self._walks = {"": self._walk([prop.name for prop in row.properties])}
            if kept is None and slot is not None and not self._walks[""].foreign:
                slot.keep_row(program, facts)
        self.by_jax: tuple[str, ...] = self._walks[""].by_jax

    @property
    def steps(self) -> int:
        return self._walks[""].steps

    def _walk(self, names: Sequence[str]) -> Walk:
        readings = [each for name in names for each in self._reader.readings(self.positions[name])]
        return Walk(self._opened, readings, errors=self._errors, watcher=self._watcher, ahead=self._row.large)

    def erring(self, errors: Callable[[JaxprEqn], float], watcher: Watcher | None = None) -> Walked:
        """The same traced program with errors of other sizes.

        Args:
            errors: how large those of an operation are, in units in the last place; 0 for none.
            watcher: is shown what every operation gives.
        """
        other = copy(self)
        other._errors, other._watcher = errors, watcher  # noqa: SLF001 - its own kind
        with numbers_context(self._row.precision):
            other._walks = {"": other._walk([prop.name for prop in self._row.properties])}  # noqa: SLF001
        return other

    def measured(
        self, rows: Probe, copies: int, rng: np.random.Generator, only: str = "", *, plain: bool = False
    ) -> dict[str, Measured]:
        probes = rows.count // (1 + copies)
        held = max(min(copies, self.rows - 1), 1)
        members = groups(probes, copies, held)
        at_once = max(self.rows // (1 + held), 1)
        chunks = [self._of_groups(rows, part, None if plain else rng, only) for part in _parts(members, at_once)]
        return {name: combined(joined([chunk[name] for chunk in chunks], len(members)), probes) for name in chunks[0]}

    def measured_under_noise(self, name: str, rows: Probe, copies: int, rng: np.random.Generator) -> Measured:
        return self.measured(rows, copies, rng, only=name)[name]

    def overflowing(self, name: str, probes: Probe) -> np.ndarray:
        """At which probes numbers become too large for their type on the way to one property's sides.

        Args:
            name: of the property.
            probes: a batch of n.
        """
        found = np.zeros(probes.count, dtype=bool)
        for i in range(probes.count):
            self._of_groups(probes, np.array([[i]]), None, name)
            found[i] = self._walk_of(name).overflowed
        return found

    def _walk_of(self, only: str) -> Walk:
        which = only if len(self._row.properties) > 1 else ""
        if which not in self._walks:
            with numbers_context(self._row.precision):
                self._walks[which] = self._walk([which])
        return self._walks[which]

    def _of_groups(
        self, rows: Probe, members: np.ndarray, rng: np.random.Generator | None, only: str
    ) -> dict[str, Any]:
        """The fields of ``Measured`` by property, for groups of rows, the first of each without any errors."""
        count, held = members.shape
        signs = None if rng is None else random_signs(rng, (TABLE, held))
        if signs is not None:
            signs[:, 0] = 0
        self._reader.groups = count
        order = members.T.reshape(-1)
        given = rows if np.array_equal(order, np.arange(rows.count)) else rows.at(order)
        found = iter(self._called(self._walk_of(only), self._laid_out(given), signs))
        names = [only] if only else [prop.name for prop in self._row.properties]
        return {name: self._reader.gathered(self.positions[name], found) for name in names}

    def _called(self, walk: Walk, arguments: list[np.ndarray], signs: np.ndarray | None) -> list[np.ndarray]:
        """A walk, watched where it may stand still: in Python that a user wrote, or in JAX."""
        self.batches += max(1.0, max((argument.shape[-1] for argument in arguments), default=1) / BATCH)
        with numbers_context(self._row.precision):
            if not walk.foreign:
                return walk(arguments, signs)
            return attended(walk, ", ".join(prop.name for prop in self._row.properties))(arguments, signs)

    def _laid_out(self, rows: Probe) -> list[np.ndarray]:
        """The leaves of rows, whose axis is last: in memory side by side or, where they are long, each as a whole."""
        leaves = [np.moveaxis(np.asarray(leaf), 0, -1) for leaf in jax.tree.leaves(rows)]
        return leaves if self._row.large else [np.ascontiguousarray(leaf) for leaf in leaves]

    def sides(self, rows: Probe, only: str = "", *, first: bool = False) -> dict[str, tuple[np.ndarray, ...]]:
        asked = {only: self.positions[only]} if only else self.positions
        if first:
            asked = {name: tuple(side[:1] for side in positions) for name, positions in asked.items()}
        if (only, first) not in self._whole:
            whole = [Reading((i,), _itself) for positions in asked.values() for side in positions for i in side]
            with numbers_context(self._row.precision):
                self._whole[only, first] = Walk(self._opened, whole, errors=no_rounding, ahead=self._row.large)
        found = iter(self._called(self._whole[only, first], self._laid_out(rows), None))
        return {
            name: tuple(_rows_first([next(found) for _ in side], rows.count) for side in positions)
            for name, positions in asked.items()
        }


def traced_row(row: Row) -> tuple[ClosedJaxpr, Facts]:
    """The program of a row, and what is learnt of it when it is traced."""
    program, shapes = jax.make_jaxpr(row.sides, return_shape=True)(row.like())
    positions = jax.tree.unflatten(jax.tree.structure(shapes), range(len(jax.tree.leaves(shapes))))
    units = {name: astuple(unit) for name, unit in units_of(program, shapes).items()}
    return program, {"positions": positions, "units": units, **row.learnt}


class _Reader:
    """Reads off the leaves of both sides what a judgement needs, as soon as they are there.

    Args:
        ahead: whether each row lies in memory as a whole.

    Attributes:
        groups: how many groups of rows the present walk has; the last axis holds the first row of each, then the second
            of each, and so on.
    """

    def __init__(self, *, ahead: bool) -> None:
        self.groups = 1
        self._ahead = ahead

    def readings(self, positions: tuple[list[int], ...]) -> list[Reading]:
        """Of one property, given where its sides, scales and errors are among a program's results."""
        lhs, rhs, scales, errors = positions
        of_leaves = [Reading(pair, self._leaf) for pair in zip(lhs, rhs, strict=True)]
        return [*of_leaves, *(Reading((i,), self._number) for i in (*scales, *errors))]

    def _leaf(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if self._ahead:  # entries in the order in which they lie, which is no copy of a side that came out transposed
            order = (*sorted(range(left.ndim - 1), key=left.strides.__getitem__, reverse=True), left.ndim - 1)
            left, right = left.transpose(order), right.transpose(order)
        return rounding.of_leaf(self._grouped(left), self._grouped(right), self.groups)

    def _number(self, number: np.ndarray) -> np.ndarray:
        """A scale or an error: of the first row, the least of all rows, and whether it is finite in all of them."""
        rows = np.asarray(self._grouped(number)[0], np.float64)
        read = np.empty((3, self.groups))
        read[0], read[1], read[2] = rows[0], rows.min(axis=0), np.isfinite(rows).all(axis=0)
        return read

    def _grouped(self, leaf: np.ndarray) -> np.ndarray:
        """A leaf, of shape (entries, rows of a group, groups)."""
        if leaf.shape[-1] == 1:
            return leaf.reshape(-1, 1, 1)
        rows = leaf.shape[-1] // self.groups
        if not self._ahead:
            return leaf.reshape(-1, rows, self.groups)
        ahead = leaf.transpose((leaf.ndim - 1, *range(leaf.ndim - 1)))
        return ahead.reshape(rows, self.groups, -1).transpose(2, 0, 1)

    def gathered(self, positions: tuple[list[int], ...], found: Tree) -> tuple[np.ndarray, ...]:
        """The fields of ``Measured`` of one property, from what its readings gave, in their order.

        A leaf whose terms vanish in a copy, all of them, and do not in the probe, is at the edge of a hypothesis on the
        point (``only_where``): rounding decides whether it is met, and nothing is compared there.
        """
        leaves = len(positions[0])
        of_leaves = _stacked([next(found) for _ in range(leaves)], 4, self.groups)
        scales, errors = (_stacked([next(found) for _ in side], 3, self.groups) for side in positions[2:])
        finite = np.concatenate([of_leaves[3], scales[2], errors[2]], axis=1) > 0
        whole: np.ndarray = np.logical_and.reduce(finite, axis=1)
        within = ~((scales[1] == 0) & (scales[0] > 0))
        residual, spread, size = (np.where(within, field, 0.0) for field in of_leaves[:3])
        size = np.maximum(size, np.where(within, scales[0], 0.0))
        return residual, spread, size, np.where(within, errors[0], 0.0), whole


def _stacked(numbers: Sequence[np.ndarray], fields: int, groups: int) -> np.ndarray:
    """What was read of each leaf, of shape (fields, groups, leaves)."""
    return np.stack(numbers, axis=-1) if numbers else np.zeros((fields, groups, 0))


def _itself(leaf: np.ndarray) -> np.ndarray:
    return leaf


def _parts(members: np.ndarray, at_once: int) -> list[np.ndarray]:
    return [members[start : start + at_once] for start in range(0, len(members), at_once)]


def _rows_first(leaves: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Leaves one after the other as float64 rows of numbers."""
    flat = [np.broadcast_to(leaf, (*leaf.shape[:-1], count)).reshape(-1, count).astype(np.float64) for leaf in leaves]
    whole = np.concatenate(flat) if flat else np.zeros((0, count))  # NumPy has no common type of all small floats
    return np.ascontiguousarray(whole.T)
