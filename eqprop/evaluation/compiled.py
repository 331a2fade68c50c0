"""Evaluates by XLA: the program of all rows of a call is compiled once. The only place that compiles a pair's sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import cached_property
from typing import Any, final

import jax
import numpy as np

from eqprop import rounding
from eqprop.engine import (
    HOT,
    MULTIPLY_ADDS,
    TABLE,
    Roundoff,
    Tree,
    attended,
    calls_back,
    compiler_options,
    garbage_kept,
    multiply_adds,
    numbers_context,
    opaque_inside,
    over_rows,
    traced,
    with_rounding_noise,
)
from eqprop.evaluation.batches import in_chunks, joined
from eqprop.evaluation.evaluator import NUMBERS_PER_CALL
from eqprop.evaluation.row import Row, units_of
from eqprop.evaluation.traced_programs import Slot, keepable
from eqprop.probes import Probe
from eqprop.properties import Property
from eqprop.rounding import Measured, combined, groups, measuring

Call = Callable[..., Tree]


@final
class Small:
    """The program of a model with few parameters: whole sides leave it, which NumPy goes through.

    Args:
        row: what is evaluated.
        probes: how many of them, with their copies, a call holds.
        slot: where the traced program is kept between runs; None keeps none.

    Attributes:
        rows: how many rows one call evaluates.
        units: see ``Evaluator``.
        opaque: likewise.
        calls_back: likewise.
        by_jax: likewise; none, since XLA does all.
    """

    rounds = False
    by_jax = ()

    def __init__(self, row: Row, probes: int, slot: Slot | None = None) -> None:
        self._row = row
        self.rows = int(np.clip(NUMBERS_PER_CALL // row.size, 1, probes * (1 + rounding.COPIES)))
        self.units: dict[str, Roundoff] = {}
        self.opaque = ""
        self.calls_back = False  # what is kept does not
        self._work = row.size  # of a row: parameters, and what else takes as long
        self._noisy: dict[str, Call] = {}
        self._ran = 0
        with numbers_context(row.precision), garbage_kept():
            lowered = (self._recalled(slot) if slot else None) or self._traced(slot)
            long = self.rows * self._work > HOT
            self._cold = None if long else lowered  # until it has run long enough to be compiled once more
            self._call = _finished(lowered, row.properties, long=long)

    def _recalled(self, slot: Slot) -> Tree:
        """The program from its slot, with what was learnt of it when it was traced; None where there is none."""
        kept = slot.load()
        if kept is None:
            return None
        call, facts = kept
        self._row.recall(facts)
        self.units = {name: Roundoff(*unit) for name, unit in facts["units"].items()}
        self._work = facts["work"]
        return traced(call, self._row.like(self.rows)).lower()

    def _traced(self, slot: Slot | None) -> Tree:
        rows = self._row.like(self.rows)
        jitted, program = over_rows(self._row.flat, rows)
        self.units = units_of(program.jaxpr, program.out_info)
        self.opaque = opaque_inside(program.jaxpr)
        self.calls_back = calls_back(program.jaxpr)
        self._work = self._row.size + multiply_adds(program.jaxpr) // (MULTIPLY_ADDS * self.rows)
        if slot is not None and keepable(program.jaxpr):
            program = traced(slot.keep(jitted, rows, self._facts()), rows)
        return program.lower()

    def _facts(self) -> dict[str, Any]:
        return {
            "units": {name: astuple(unit) for name, unit in self.units.items()},
            "work": self._work,
            **self._row.learnt,
        }

    def sides(self, rows: Probe, only: str = "", *, first: bool = False) -> dict[str, tuple[np.ndarray, ...]]:
        del only, first
        self._ran += rows.count * self._work
        with numbers_context(self._row.precision):
            if self._cold is not None and self._ran > HOT:
                self._call = _finished(self._cold, self._row.properties, long=True)
                self._cold = None
            chunks = in_chunks(rows, self._call, self.rows)
        return {name: joined([chunk[name] for chunk in chunks], rows.count) for name in self._row.layouts}

    def measured(
        self, rows: Probe, copies: int, rng: np.random.Generator, only: str = "", *, plain: bool = False
    ) -> dict[str, Measured]:
        del rng, only, plain
        return {name: self._read(name, sides, copies) for name, sides in self.sides(rows).items()}

    def _read(self, name: str, sides: Sequence[np.ndarray], copies: int) -> Measured:
        lhs, rhs, scales, errors = (side.reshape(len(side) // (1 + copies), 1 + copies, -1) for side in sides)
        return rounding.measure(lhs, rhs, scales, self._row.layouts[name].starts, errors)

    def measured_under_noise(self, name: str, rows: Probe, copies: int, rng: np.random.Generator) -> Measured:
        signs = _signs(rng, rows.count, copies)
        with numbers_context(self._row.precision):
            if name not in self._noisy:
                alone = (self._row.named(name),)
                held = jax.tree.map(lambda leaf: leaf[: 1 + copies], (rows, signs))
                noisy = with_rounding_noise(lambda probe: self._row.flat(probe, alone), rows.at(0))
                self._noisy[name] = _with_noise(over_rows(noisy, *held)[1], name)
            batches = groups(rows.count // (1 + copies), copies, copies)
            chunks = [self._noisy[name](rows.at(batch), signs[batch])[name] for batch in batches]
        return self._read(name, joined(chunks, rows.count), copies)


@final
class Large:
    """The program of a model with many parameters: it measures its sides itself, and only a few numbers leave it.

    Args:
        row: what is evaluated.
        probes: how many of them, with their copies, a call holds at most.

    Attributes:
        rows: how many rows one call evaluates.
        units: see ``Evaluator``.
        opaque: likewise.
        calls_back: likewise.
        by_jax: likewise; none, since XLA does all.
    """

    rounds = False
    by_jax = ()

    def __init__(self, row: Row, probes: int) -> None:
        self._row = row
        self._held = 1 + rounding.COPIES_LARGE
        self.rows = int(np.clip(NUMBERS_PER_CALL // (row.size * self._held), 1, probes)) * self._held
        self._noisy: dict[str, Call] = {}
        with numbers_context(row.precision), garbage_kept():
            like = row.like(self.rows // self._held, self._held)
            program = over_rows(measuring(row.sides, self._held), like)[1]
            self.units: dict[str, Roundoff] = units_of(program.jaxpr, program.out_info)
            self.opaque = opaque_inside(program.jaxpr)
            self.calls_back = calls_back(program.jaxpr)
            self._call = _finished(program.lower(), row.properties, long=True)

    def measured(
        self, rows: Probe, copies: int, rng: np.random.Generator, only: str = "", *, plain: bool = False
    ) -> dict[str, Measured]:
        del rng, only, plain
        probes = rows.count // (1 + copies)
        if 1 + copies == self._held:  # views of the rows
            in_groups = jax.tree.map(lambda leaf: leaf.reshape(probes, self._held, *leaf.shape[1:]), rows)
        else:
            in_groups = rows.at(groups(probes, copies, self._held - 1))
        with numbers_context(self._row.precision):
            chunks = in_chunks(in_groups, self._call, self.rows // self._held)
        return {
            name: combined(joined([chunk[name] for chunk in chunks], in_groups.count), probes)
            for name in self._row.layouts
        }

    @cached_property
    def _whole(self) -> Call:
        """The program that returns whole sides, a row at a time."""
        with numbers_context(self._row.precision), garbage_kept():
            program = over_rows(self._row.flat, self._row.like(1))[1]
            return _finished(program.lower(), self._row.properties, long=True)

    def sides(self, rows: Probe, only: str = "", *, first: bool = False) -> dict[str, tuple[np.ndarray, ...]]:
        del only, first
        with numbers_context(self._row.precision):
            chunks = in_chunks(rows, self._whole, 1)
        return {name: joined([chunk[name] for chunk in chunks], rows.count) for name in self._row.layouts}

    def measured_under_noise(self, name: str, rows: Probe, copies: int, rng: np.random.Generator) -> Measured:
        signs = _signs(rng, rows.count, copies)
        batches = groups(rows.count // (1 + copies), copies, self._held - 1)
        with numbers_context(self._row.precision):
            if name not in self._noisy:
                alone = (self._row.named(name),)
                noisy = with_rounding_noise(lambda probe: self._row.sides(probe, alone), rows.at(0))
                program = traced(measuring(noisy, self._held), rows.at(batches[0]), signs[batches[0]])
                self._noisy[name] = _with_noise(program, name)
            found = [self._noisy[name](rows.at(group), signs[group])[name] for group in batches]
        measured = [jax.tree.map(lambda leaf: leaf[None], of_group) for of_group in found]
        return combined(joined(measured, len(batches)), rows.count // (1 + copies))


def as_users_run(row: Row) -> Call:
    """The leaves of left sides at one row, compiled as ``jax.jit`` does where nobody asks it for anything else."""
    with numbers_context(row.precision), garbage_kept():
        one = traced(lambda probe: {name: lhs for name, (lhs, *_) in row.sides(probe).items()}, row.like())
        return one.lower().compile()


def _finished(lowered: Any, properties: Sequence[Property], *, long: bool) -> Call:
    compiled = lowered.compile(compiler_options=compiler_options(long=long))
    return attended(compiled, ", ".join(prop.name for prop in properties))


def _with_noise(program: Any, name: str) -> Call:
    long = multiply_adds(program.jaxpr) > MULTIPLY_ADDS * HOT
    compiled = program.lower().compile(compiler_options=compiler_options(long=long))
    return attended(compiled, f"{name}, with random rounding,")


def _signs(rng: np.random.Generator, rows: int, copies: int) -> np.ndarray:
    """Of the errors inside each row: none in a probe itself."""
    signs = rng.choice(np.array([-1.0, 1.0]), (rows // (1 + copies), 1 + copies, TABLE))
    signs[:, 0] = 0.0
    return signs.reshape(-1, TABLE)
