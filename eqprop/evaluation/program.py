"""What some properties of a pair say at probes: draws these, evaluates both sides, and judges them by their floors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import jax
import numpy as np

from eqprop import rounding
from eqprop.claims import Pair
from eqprop.engine import Precision, Roundoff, garbage_kept, numbers_context
from eqprop.evaluation.batches import Layout
from eqprop.evaluation.copies import Measuring, measured_at_copies
from eqprop.evaluation.evaluator import Choice, Evaluator
from eqprop.evaluation.evaluators import Evaluators
from eqprop.evaluation.row import Row
from eqprop.evaluation.traced_programs import Slot
from eqprop.probes import Loss, Probe
from eqprop.properties import Property
from eqprop.rounding import Judgement, Measured

T = TypeVar("T")

PROBES = 64
"""How many probes, with their perturbed copies, one call of a small program evaluates where it is not said."""


@dataclass(frozen=True)
class Comparison:
    """Both sides of one property at one probe, leaf by leaf, for a report.

    Attributes:
        names: of the leaves, as reports show them.
        lhs: the leaves of the left side, each of the shape that the property gave it.
        rhs: of the right side, of the same shapes.
    """

    names: tuple[str, ...]
    lhs: tuple[np.ndarray, ...]
    rhs: tuple[np.ndarray, ...]


class Program:
    """All sides of some properties of a pair under one loss, traced once, for batches of probes.

    Args:
        pair: what is verified.
        properties: those to evaluate; each must apply to the pair.
        loss: a drawn loss; the model's own takes precedence.
        precision: ``"float64"``, or ``"model"`` for the dtypes of the example parameters.
        evaluator: ``"numpy"`` walks the traced program, ``"xla"`` compiles it; ``"auto"`` walks ``WALKS`` batches and
            compiles it then, or at once where it cannot be walked.
        reverse_only: whether the model is known to be reverse-only; found out where it is not said.
        probes: how many probes a call of a compiled program holds at most; ``PROBES`` by default.
        slot: where a traced program is kept between runs, to be compiled; None keeps none.

    Attributes:
        large: whether the model has so many parameters that its sides are not kept whole.
        copies: how many perturbed copies of each probe set its floor.
        evaluators: of its row, each made when it is first asked for.
        evaluator: what evaluates now.
        why_compiled: why the program is not walked, or not any more; empty where it is.

    Raises:
        Unsupported: with ``evaluator="numpy"``, where an operation can only be compiled.
    """

    def __init__(
        self,
        pair: Pair,
        properties: Sequence[Property],
        loss: Loss,
        precision: Precision = "float64",
        *,
        evaluator: Choice = "auto",
        reverse_only: bool = False,
        probes: int | None = None,
        slot: Slot | None = None,
    ) -> None:
        with numbers_context(precision), garbage_kept():
            self.row = Row(pair, properties, loss, precision, reverse_only=reverse_only)
        self.copies = rounding.COPIES_LARGE if self.row.large else rounding.COPIES
        self.evaluators = Evaluators(self.row, evaluator, probes or PROBES, slot)

    # -- what it is of ------------------------------------------------------------------------------------------------

    @property
    def pair(self) -> Pair:
        """What is verified."""
        return self.row.pair

    @property
    def properties(self) -> tuple[Property, ...]:
        """Those that are evaluated."""
        return self.row.properties

    @property
    def loss(self) -> Loss:
        """Where the model has none of its own."""
        return self.row.loss

    @property
    def precision(self) -> Precision:
        """In which it is evaluated."""
        return self.row.precision

    @property
    def needed(self) -> frozenset[str]:
        """The fields of a probe that are read."""
        return self.row.needed

    @property
    def layouts(self) -> dict[str, Layout]:
        """For each property, where the leaves of its sides lie."""
        return self.row.layouts

    @property
    def large(self) -> bool:
        return self.row.large

    @property
    def twofold(self) -> bool:
        """Whether both evaluators are asked, and their results are what is compared."""
        return self.evaluators.twofold

    @property
    def evaluator(self) -> Evaluator:
        return self.evaluators.now

    @property
    def why_compiled(self) -> str:
        return self.evaluators.why_compiled

    @property
    def reverse_only(self) -> bool:
        """Whether a reverse-only derivative rule was met."""
        return self.row.reverse_only

    @property
    def units(self) -> dict[str, Roundoff]:
        """For each property, the lowest floating precision that its sides depend on."""
        return self.evaluator.units

    @property
    def by_jax(self) -> tuple[str, ...]:
        """The names of the operations that NumPy has nothing for, and that JAX does one by one."""
        return self.evaluator.by_jax

    @property
    def calls_back(self) -> bool:
        """Whether it calls Python while it runs."""
        return self.evaluator.calls_back

    @property
    def opaque(self) -> str:
        """Why a violation may be rounding inside of what others evaluate; empty where all of that is shown."""
        return self.evaluator.opaque

    @property
    def eps(self) -> dict[str, float]:
        """Likewise its unit roundoff."""
        return {name: unit.eps for name, unit in self.units.items()}

    @property
    def lowest(self) -> dict[str, str]:
        """Likewise its name."""
        return {name: unit.name for name, unit in self.units.items()}

    # -- probes -------------------------------------------------------------------------------------------------------

    def draw(self, rng: np.random.Generator, count: int) -> Probe:
        """A batch of probes with the fields that this program reads, in its precision."""
        return self.row.draw(rng, count)

    def cast(self, probes: Probe) -> Probe:
        """The batch with the floating-point types that the program was traced for."""
        return self.row.cast(probes)

    def evaluate(self, rows: Probe, only: str = "") -> dict[str, tuple[np.ndarray, ...]]:
        """Sides, scales and errors at every row: float64 arrays of shape (rows, numbers) and (rows, leaves).

        Args:
            rows: any batch.
            only: a property's name, where the others are not asked.
        """
        return self.evaluator.sides(rows, only)

    def measure(self, rows: Probe, copies: int, rng: np.random.Generator, only: str = "") -> dict[str, Measured]:
        """What each property's sides (or one's) say at every probe of the rows, each followed by its copies.

        Args:
            rows: a batch of n · (1 + copies): each probe, and behind it its perturbed copies.
            copies: of each probe.
            rng: of the signs, where operations round at random.
            only: a property's name, where the others are not asked.
        """
        return self.evaluators.for_a_batch().measured(rows, copies, rng, only)

    def judge(
        self, probes: Probe, rng: np.random.Generator, copies: int | None = None, only: str = ""
    ) -> dict[str, Judgement]:
        """Every property (or one) at every probe of a batch, with floors from perturbed copies (``self.copies``).

        Where properties differ in precision, each precision gets copies of its own: a softmax in float32 inside the
        model is no reason to let errors of that size pass in the group laws.

        Args:
            probes: a batch of n: every field has a leading axis.
            rng: of the perturbations.
            copies: of each probe; ``self.copies`` by default.
            only: a property's name, where the others are not asked.
        """
        copies = self.copies if copies is None else copies
        names = [only] if only else [p.name for p in self.properties]
        eps = {name: self.eps[name] for name in names}
        judged: dict[str, Judgement] = {}
        for unit in sorted(set(eps.values())):
            of_unit = [name for name in names if eps[name] == unit]
            measured = self._at_copies(
                lambda rows, held: self.measure(rows, held, rng, only), probes, copies, unit, rng
            )
            for name in of_unit:
                found = self._in_range(name, rounding.judgement(measured[name], unit), probes)
                judged[name] = self._plainly(name, found, probes, copies, rng)
        return {name: judged[name] for name in names}

    def _in_range(self, name: str, judged: Judgement, probes: Probe) -> Judgement:
        """A judgement that says nothing of suspects at which float16 runs out of range inside.

        It does so from 65,504 on, which rescalings reach, and tanh or a comparison makes a finite number of ∞ again.
        """
        suspects = np.flatnonzero(judged.suspect)
        if not suspects.size or self.units[name].name != "float16" or self.twofold:
            return judged
        finite = judged.finite.copy()
        finite[suspects] = ~self.evaluators.overflowing(name, probes.at(suspects))
        return replace(judged, finite=finite)

    def _plainly(self, name: str, judged: Judgement, probes: Probe, copies: int, rng: np.random.Generator) -> Judgement:
        """Where rounding inside leaves no digits, what perturbed inputs alone say, unless that is a suspicion.

        Random rounding errs on the side of silence: a factor that saturates to 0 alike on both sides is told by what
        the program computes, and not by what it could.
        """
        foggy = np.flatnonzero(judged.inconclusive & judged.finite)
        if not foggy.size or not self.evaluator.rounds:
            return judged

        def measure(rows: Probe, held: int) -> dict[str, Measured]:
            return self.evaluator.measured(rows, held, rng, name, plain=True)

        measured = self._at_copies(measure, probes.at(foggy), copies, self.eps[name], rng)
        plain = rounding.judgement(measured[name], self.eps[name])
        told = ~plain.inconclusive & ~plain.suspect
        return judged.replaced(foggy[told], plain.at(told))

    def _at_copies(
        self, measure: Measuring, probes: Probe, copies: int, eps: float, rng: np.random.Generator
    ) -> dict[str, Measured]:
        return measured_at_copies(measure, probes, copies, eps, rng, large=self.large)

    def compare(self, name: str, probe: Probe, *, first: bool = False) -> Comparison:
        """Both sides of one property at a single probe.

        Args:
            name: of the property.
            probe: without a leading axis.
            first: whether the first leaf of each side is enough.
        """
        one = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe)
        lhs, rhs, *_ = self.evaluator.sides(one, name, first=first)[name]
        layout = self.layouts[name].first if first else self.layouts[name]
        return Comparison(layout.names, tuple(layout.leaves(lhs[0])), tuple(layout.leaves(rhs[0])))


def applicable(pair: Pair, properties: Sequence[Property]) -> tuple[Property, ...]:
    """The properties whose hypotheses the pair meets."""
    return tuple(prop for prop in properties if prop.reason_if_not_applicable(pair) is None)
