"""Which evaluator a program is asked of: walked at first, and compiled once that pays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import numpy as np

from eqprop.engine import Unsupported, garbage_kept, is_reverse_only
from eqprop.evaluation.alone import Alone
from eqprop.evaluation.compiled import Large, Small
from eqprop.evaluation.evaluator import Choice, Evaluator, Measures
from eqprop.evaluation.row import Row
from eqprop.evaluation.traced_programs import Slot
from eqprop.evaluation.twofold import Twofold
from eqprop.evaluation.walked import Walked
from eqprop.probes import Probe

T = TypeVar("T")

WALKS = 150
"""After so many batches a walked program is compiled: they took about as long as that takes (measured:
docs/decisions/evaluating.md). A count and not a time, so that a seed gives the same numbers on every machine."""


class Evaluators:
    """The evaluators of one row, each made when it is first asked for.

    Args:
        row: what is evaluated.
        choice: ``"numpy"``, ``"xla"`` or ``"auto"``, as a program takes it.
        probes: how many a call of a compiled program holds at most.
        slot: where a traced program is kept between runs, to be compiled; None keeps none.

    Attributes:
        now: the one in use.
        why_compiled: why that does not walk, or not any more; empty where it does.

    Raises:
        Unsupported: with ``"numpy"``, where an operation can only be compiled.
    """

    def __init__(self, row: Row, choice: Choice, probes: int, slot: Slot | None) -> None:
        self._row = row
        self._choice: Choice = choice
        self._probes = probes
        self._slot = slot
        self.twofold = any(prop.twofold for prop in row.properties)
        self.why_compiled = ""
        self.now = self._first()

    def _first(self) -> Evaluator:
        if self.twofold:
            self.why_compiled = "it is compared with its own operations"
            return self._whatever_rules(lambda: Twofold(self._row))
        if self._choice == "xla":
            self.why_compiled = "asked for"
            return self._compiled()
        try:
            return self._whatever_rules(lambda: Walked(self._row, slot=self._slot))
        except Unsupported as error:
            if self._choice == "numpy":
                raise
            self.why_compiled = f"NumPy has nothing for {error}"
            return self._compiled()

    def _compiled(self) -> Evaluator:
        return self._whatever_rules(
            lambda: Large(self._row, self._probes) if self._row.large else Small(self._row, self._probes, self._slot)
        )

    def _whatever_rules(self, made: Callable[[], T]) -> T:
        """What is made of the row, whose model may turn out to be reverse-only."""
        with garbage_kept():
            try:
                return made()
            except (TypeError, NotImplementedError) as error:
                if self._row.reverse_only or not is_reverse_only(error):
                    raise
                self._row.reverse_only = True
                return made()

    def for_a_batch(self) -> Evaluator:
        """The evaluator, for a batch: compiled where it was walked often enough.

        What others evaluate XLA calls row by row, which is the last word, and slow: such a program is always walked.
        """
        walked = self.now
        if self._choice == "auto" and isinstance(walked, Walked) and not walked.elsewhere and walked.batches >= WALKS:
            self.why_compiled = f"it has walked {walked.batches:.0f} batches"
            self.now = self._compiled()
        return self.now

    def compiled_alone(self, name: str, probes: int) -> Measures:
        """One property by XLA, in a program of its own; what is in use where it is that.

        Args:
            name: of the property.
            probes: how many it will be asked about.
        """
        is_alone = len(self._row.properties) == 1
        if is_alone and not self.now.rounds:
            return self.now
        row = self._row if is_alone else self._row.of(self._row.named(name))
        with garbage_kept():
            if row.large:
                return Large(row, probes)
            return Alone(row, self.now if is_alone and isinstance(self.now, Walked) else None, probes)

    @cached_property
    def rounding(self) -> Evaluator:
        """What evaluates with random rounding: nothing is compiled where it can be walked."""
        if self.now.rounds or self._choice == "xla":
            return self.now
        try:
            return self._whatever_rules(lambda: Walked(self._row))
        except Unsupported:
            return self.now

    @cached_property
    def _walked(self) -> Walked | None:
        """A walk of the row, whoever evaluates; None where there is none."""
        if isinstance(self.rounding, Walked):
            return self.rounding
        try:
            return self._whatever_rules(lambda: Walked(self._row))
        except Unsupported:
            return None

    def overflowing(self, name: str, probes: Probe) -> np.ndarray:
        """At which probes numbers become too large for their type on the way to one property's sides.

        Only a walk tells: of what cannot be walked nothing is known.

        Args:
            name: of the property.
            probes: a batch of n.
        """
        walked = self._walked
        return np.zeros(probes.count, dtype=bool) if walked is None else walked.overflowing(name, probes)
