"""Compiles a pair's properties into one program and judges probes with it: the only place that jits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from eqprop import rounding
from eqprop.claims import Pair
from eqprop.engine import (
    HOT,
    LARGE,
    MULTIPLY_ADDS,
    TABLE,
    Precision,
    Roundoff,
    attended,
    coarsest,
    compiler_options,
    garbage_kept,
    is_reverse_only,
    lowest_precisions,
    multiply_adds,
    numbers_context,
    over_rows,
    with_rounding_noise,
)
from eqprop.evaluation.batches import Layout, flat, in_chunks, joined
from eqprop.evaluation.traced_programs import Slot, keepable
from eqprop.probes import Loss, Probe, cast_probe, output_shapes, probes_of
from eqprop.properties import Point, Property
from eqprop.properties.traits import traits_of
from eqprop.rounding import Judgement, Measured, Sides, combined, groups, measuring

PROBES = 64
"""How many probes, with their perturbed copies, one call of a small program evaluates where it is not said."""

NUMBERS_PER_CALL = 500_000
"""Keeps a call near the processor's cache: rows · parameters. A model with more parameters gets a row at a time."""


@dataclass(frozen=True)
class Comparison:
    """Both sides of one property at one probe, leaf by leaf, for a report."""

    names: tuple[str, ...]
    lhs: tuple[np.ndarray, ...]
    rhs: tuple[np.ndarray, ...]


class Program:
    """All sides of some properties of a pair under one loss, traced and compiled once, for batches of probes.

    Args:
        pair: what is verified.
        properties: those to evaluate; each must apply to the pair.
        loss: a drawn loss; the model's own takes precedence.
        precision: ``"float64"``, or ``"model"`` for the dtypes of the example parameters.
        reverse_only: whether the model is known to be reverse-only; found out where it is not said.
        probes: how many probes a call holds where the model is small; ``PROBES`` by default.
        slot: where the traced program is kept between runs; None keeps none.
        compiled: False traces and lowers the program only, for what that raises.

    Attributes:
        reverse_only: whether a reverse-only derivative rule was met.
        large: whether the model has so many parameters that the program itself measures its sides.
        copies: how many perturbed copies of each probe set its floor.
        rows: how many rows (probes and copies) one call evaluates.
        units: for each property, the lowest floating precision that its sides depend on.
        eps: likewise its unit roundoff.
        lowest: likewise its name.
        outputs: shapes of the outputs.
    """

    def __init__(
        self,
        pair: Pair,
        properties: Sequence[Property],
        loss: Loss,
        precision: Precision = "float64",
        *,
        reverse_only: bool = False,
        probes: int | None = None,
        slot: Slot | None = None,
        compiled: bool = True,
    ) -> None:
        self.pair = pair
        self.properties = tuple(properties)
        self.loss = loss
        self.precision: Precision = precision
        self.needed = frozenset[str]().union(*(p.needs for p in self.properties))
        self.layouts: dict[str, Layout] = {}
        self._noisy: dict[str, Callable[[Probe, Any], dict[str, tuple[Any, ...]]]] = {}
        self._cold: Any = None  # the lowered program, until it has run long enough to be compiled once more
        self._ran = 0
        self._finished = compiled
        size = max(pair.model.param_leaves.size, 1)
        self.large = size >= LARGE
        self._work = size  # of a row: parameters, and what else takes as long
        self.copies = rounding.COPIES_LARGE if self.large else rounding.COPIES
        self.rows = int(np.clip(NUMBERS_PER_CALL // size, 1, (probes or PROBES) * (1 + rounding.COPIES)))
        if self.large:
            self.rows = max(self.rows // (1 + self.copies), 1) * (1 + self.copies)
        if any(prop.costly for prop in self.properties):
            traits_of(pair)  # worked out here, and remembered: not inside of the trace
        with numbers_context(precision), garbage_kept():
            self.outputs = output_shapes(pair, precision)
            self._example = self.draw(np.random.default_rng(0), 1)
            self.reverse_only = reverse_only
            if slot is None or self.large or not self._recall(slot):
                try:
                    self._compile(slot)
                except (TypeError, NotImplementedError) as error:
                    if self.reverse_only or not is_reverse_only(error):
                        raise
                    self.reverse_only = True
                    self._compile(slot)

    @property
    def eps(self) -> dict[str, float]:
        return {name: unit.eps for name, unit in self.units.items()}

    @property
    def lowest(self) -> dict[str, str]:
        return {name: unit.name for name, unit in self.units.items()}

    def _recall(self, slot: Slot) -> bool:
        """Take the program from its slot, with what was learnt of it when it was traced."""
        kept = slot.load()
        if kept is None:
            return False
        call, facts = kept
        self.reverse_only = facts["reverse_only"]
        self.units = {name: Roundoff(*unit) for name, unit in facts["units"].items()}
        self._work = facts["work"]
        self.layouts = {name: Layout.from_json(layout) for name, layout in facts["layouts"].items()}
        self._call = self._compiled(jax.jit(call).trace(self._rows_like(self.rows)))
        return True

    def _compile(self, slot: Slot | None) -> None:
        jitted, traced = self._traced()
        found = jax.tree.unflatten(jax.tree.structure(traced.out_info), lowest_precisions(traced.jaxpr))
        self.units = {name: coarsest(of_sides) for name, of_sides in found.items()}
        self._work = self.pair.model.param_leaves.size + multiply_adds(traced.jaxpr) // (MULTIPLY_ADDS * self.rows)
        if slot is not None and not self.large and keepable(traced.jaxpr):
            rows = self._rows_like(self.rows)
            layouts = {name: layout.as_json() for name, layout in self.layouts.items()}
            units = {name: astuple(unit) for name, unit in self.units.items()}
            facts = {"reverse_only": self.reverse_only, "units": units, "layouts": layouts, "work": self._work}
            traced = jax.jit(slot.keep(jitted, rows, facts)).trace(rows)
        self._call = self._compiled(traced)

    def _compiled(self, traced: Any) -> Callable[[Probe], Any]:
        lowered = traced.lower()
        if not self._finished:
            return _unfinished
        long = self.large or self.rows * self._work > HOT
        if not long:
            self._cold = lowered
        return self._attended(lowered.compile(compiler_options=compiler_options(long=long)))

    def _attended(self, compiled: Callable[..., Any]) -> Callable[..., Any]:
        return attended(compiled, ", ".join(prop.name for prop in self.properties))

    def _traced(self) -> tuple[Any, Any]:
        """The program over all rows, jitted and traced."""
        if not self.large:
            return over_rows(self._row, self._rows_like(self.rows))
        held = 1 + self.copies
        return over_rows(measuring(self._sides, held), self._rows_like(self.rows // held, held))

    def _rows_like(self, *axes: int) -> Probe:
        def like(leaf: np.ndarray) -> Any:
            return jax.ShapeDtypeStruct((*axes, *leaf.shape[1:]), jax.dtypes.canonicalize_dtype(leaf.dtype))

        return jax.tree.map(like, self._example)

    @cached_property
    def _large_sides_call(self) -> Callable[[Probe], Any]:
        """The program that returns whole sides of a large model, a row at a time: compiled when needed."""
        return self._compiled(over_rows(self._row, self._rows_like(1))[1])

    def _sides_call(self, rows: int) -> tuple[Callable[[Probe], Any], int]:
        """The program that returns whole sides, and how many rows it takes; compiled to run fast where it runs long."""
        if self.large:
            return self._large_sides_call, 1
        self._ran += rows * self._work
        if self._cold is not None and self._ran > HOT:
            self._call = self._attended(self._cold.compile(compiler_options=compiler_options(long=True)))
            self._cold = None
        return self._call, self.rows

    def _sides(self, probe: Probe, properties: Sequence[Property] = ()) -> Sides:
        """The leaves of both sides, the scales and the errors of every property (or of some) at one probe."""
        point = Point(self.pair, probe, self.loss, reverse_only=self.reverse_only)
        found: dict[str, tuple[list[Any], ...]] = {}
        for prop in properties or self.properties:
            parts = prop.compared(point)
            lhs = [leaf for part in parts for leaf in part.lhs]
            rhs = [leaf for part in parts for leaf in part.rhs]
            names = tuple(name for part in parts for name in part.names)
            self.layouts[prop.name] = Layout.of(names, lhs)
            scales = [scale for part in parts for scale in part.scales]
            found[prop.name] = (lhs, rhs, scales, [error for part in parts for error in part.errors])
        return found

    def _row(self, probe: Probe, properties: Sequence[Property] = ()) -> dict[str, tuple[Any, ...]]:
        """``_sides``, each as one flat vector."""
        return {name: tuple(map(flat, sides)) for name, sides in self._sides(probe, properties).items()}

    def draw(self, rng: np.random.Generator, count: int) -> Probe:
        """A batch of probes with the fields that this program reads, in its precision."""
        generic = all(prop.costly for prop in self.properties)
        return self.cast(probes_of(self.pair, self.loss, self.outputs, self.needed, rng, count, generic=generic))

    def cast(self, probes: Probe) -> Probe:
        """The batch with the floating-point types that the program was compiled for."""
        return cast_probe(self.pair, probes, self.precision)

    def evaluate(self, rows: Probe) -> dict[str, tuple[np.ndarray, ...]]:
        """Sides, scales and errors at every row: float64 arrays of shape (rows, numbers) and (rows, leaves)."""
        with numbers_context(self.precision):
            chunks = in_chunks(rows, *self._sides_call(rows.count))
        return {name: joined([chunk[name] for chunk in chunks], rows.count) for name in self.layouts}

    def measure(self, rows: Probe, copies: int) -> dict[str, Measured]:
        """What each property's sides say at every probe of the rows, each followed by its copies."""
        probes = rows.count // (1 + copies)
        if self.large:
            return self._measured_inside(rows, probes, copies)
        found: dict[str, Measured] = {}
        for name, sides in self.evaluate(rows).items():
            lhs, rhs, scales, errors = (side.reshape(probes, 1 + copies, -1) for side in sides)
            found[name] = rounding.measure(lhs, rhs, scales, self.layouts[name].starts, errors)
        return found

    def _measured_inside(self, rows: Probe, probes: int, copies: int) -> dict[str, Measured]:
        held = 1 + self.copies
        if copies == self.copies:  # views of the rows
            in_groups = jax.tree.map(lambda leaf: leaf.reshape(probes, held, *leaf.shape[1:]), rows)
        else:
            in_groups = rows.at(groups(probes, copies, self.copies))
        with numbers_context(self.precision):
            chunks = in_chunks(in_groups, self._call, self.rows // held)
        return {
            name: combined(joined([chunk[name] for chunk in chunks], in_groups.count), probes) for name in self.layouts
        }

    def judge(self, probes: Probe, rng: np.random.Generator, copies: int | None = None) -> dict[str, Judgement]:
        """Every property at every probe of a batch, with floors from perturbed copies of each (``self.copies``).

        Where properties differ in precision, each precision gets copies of its own: a softmax in float32 inside the
        model is no reason to let errors of that size pass in the group laws.
        """
        copies = self.copies if copies is None else copies
        judged: dict[str, Judgement] = {}
        for eps in sorted(set(self.eps.values())):
            measured = self.measure(rounding.perturbed(probes, copies, eps, rng), copies)
            for name in (p.name for p in self.properties if self.eps[p.name] == eps):
                judged[name] = rounding.judgement(measured[name], eps)
        return {p.name: judged[p.name] for p in self.properties}

    def confirmed(self, name: str, probes: Probe, rng: np.random.Generator) -> np.ndarray:
        """Which suspected probes still violate the property when judged with many fresh perturbations."""
        return self.judge(probes, rng, copies=rounding.CONFIRMING_COPIES)[name].suspect

    def under_noise(self, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
        """One property judged with floors in which every operation inside the program rounds at random, too.

        The last word on a violation: what the program absorbs or saturates no perturbation of its inputs can show. It
        compiles a program of its own (kept), so it is asked of confirmed violations only.
        """
        copies = rounding.CONFIRMING_COPIES
        rows = rounding.perturbed(probes.only(self._property(name).needs), copies, self.eps[name], rng)
        signs = rng.choice(np.array([-1.0, 1.0]), (probes.count, 1 + copies, TABLE))
        signs[:, 0] = 0.0
        with numbers_context(self.precision):
            batches = groups(probes.count, copies, self.copies if self.large else copies)
            signs = signs.reshape(-1, TABLE)
            noisy = self._noisy_program(name, rows.at(batches[0]), signs[batches[0]])
            if self.large:
                measured = [jax.tree.map(lambda found: found[None], noisy(rows.at(g), signs[g])[name]) for g in batches]
                inside = combined(joined(measured, len(batches)), probes.count)
                return rounding.judgement(inside, self.eps[name])
            chunks = [noisy(rows.at(group), signs[group])[name] for group in batches]
        lhs, rhs, scales, errors = (
            np.stack([np.asarray(chunk[i], dtype=np.float64) for chunk in chunks]) for i in range(4)
        )
        measured = rounding.measure(lhs, rhs, scales, self.layouts[name].starts, errors)
        return rounding.judgement(measured, self.eps[name])

    def _noisy_program(self, name: str, rows: Probe, signs: Any) -> Callable[..., dict[str, tuple[Any, ...]]]:
        if name not in self._noisy:
            alone = (self._property(name),)
            row = self._sides if self.large else self._row
            noisy = with_rounding_noise(lambda probe: row(probe, alone), rows.at(0))
            if self.large:
                traced: Any = jax.jit(measuring(noisy, 1 + self.copies)).trace(rows, signs)
            else:
                traced = over_rows(noisy, rows, signs)[1]
            long = multiply_adds(traced.jaxpr) > MULTIPLY_ADDS * HOT
            compiled = traced.lower().compile(compiler_options=compiler_options(long=long))
            self._noisy[name] = attended(compiled, f"{name}, with random rounding,")
        return self._noisy[name]

    def _property(self, name: str) -> Property:
        return next(prop for prop in self.properties if prop.name == name)

    def compare(self, name: str, probe: Probe) -> Comparison:
        """Both sides of one property at a single probe (no leading axis)."""
        one = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe)
        lhs, rhs, *_ = self.evaluate(one)[name]
        layout = self.layouts[name]
        return Comparison(layout.names, tuple(layout.leaves(lhs[0])), tuple(layout.leaves(rhs[0])))


def _unfinished(rows: Probe) -> Any:
    del rows
    msg = "a program that was only traced cannot be run"
    raise AssertionError(msg)


def applicable(pair: Pair, properties: Sequence[Property]) -> tuple[Property, ...]:
    """The properties whose hypotheses the pair meets."""
    return tuple(prop for prop in properties if prop.reason_if_not_applicable(pair) is None)
