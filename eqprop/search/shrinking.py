"""From a violation to a counterexample: the smallest structure that has one, with its numbers made readable."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import Phase

from eqprop.counterexamples import counterexample, simplified
from eqprop.engine import unexpected
from eqprop.evaluation import as_compiled
from eqprop.properties import Property
from eqprop.results import Counterexample
from eqprop.search.batch import Violation
from eqprop.search.drawing import Drawn, Minimal
from eqprop.search.pool import ProgramPool
from eqprop.search.task import Options, SearchTask


@dataclass(frozen=True)
class Shrinker:
    """Shrinks the violations of one search.

    Attributes:
        task: what is searched.
        options: how.
        programs: judge structures.
        drive: drives hypothesis over the task's structures.
        passes: whether a structure is known not to violate the property.
    """

    task: SearchTask
    options: Options
    programs: ProgramPool
    drive: Callable[..., Minimal | None]
    passes: Callable[[Drawn], bool]

    def counterexample(self, prop: Property, first: Violation) -> Counterexample | None:
        """The violation of one property on the smallest structure, with its numbers made readable.

        None, where the compiled program, which is what users run, does not violate the property there.
        """
        shown, notes = self._readable(prop, first)
        if shown is None:
            return None
        return counterexample(
            self.programs.program(shown.structure, (prop,)),
            prop,
            shown.probe.only(prop.reads(shown.structure.pair)),
            shown.judged,
            target=self.task.address,
            task=self.task.name,
            blob=shown.blob or self._blob(shown.structure),
            before=first.probe.only(prop.reads(first.structure.pair)),
            seed=self.options.seed,
            save=self.options.save,
            notes=notes,
        )

    def _readable(self, prop: Property, first: Violation) -> tuple[Violation | None, tuple[str, ...]]:
        """The violation to show: as it was found where shrinking led to rounding only, or to where nothing runs."""
        try:
            smallest = self._smallest(prop, first)
            program = self.programs.program(smallest.structure, (prop,))
            # A violation that is not found again has all fields that the search drew; the program reads its own.
            probe = smallest.probe.only(prop.reads(program.pair))
            rng = np.random.default_rng(self.options.seed)
            simpler = simplified(program, prop.name, probe, smallest.judged, rng)
            looked_at = (self.programs.last_word(replace(smallest, probe=numbers), prop) for numbers in simpler)
            shown, notes = next((found for found in looked_at if found is not None), None), ()
        except Exception as error:  # noqa: BLE001 - a user's model may refuse numbers that it was never given before
            shown, notes = None, (f"not shrunk: {unexpected(error)}",)
        return shown or self.programs.last_word(first, prop, (as_compiled,)), notes

    def _smallest(self, prop: Property, first: Violation) -> Violation:
        """The violation on the smallest structure that hypothesis finds within the budget of compilations."""
        answers: dict[Hashable, Violation | None] = {}
        compiled: set[Hashable] = set()

        def fails(structure: Drawn) -> bool:
            if self.passes(structure):
                return False
            key = structure.key
            if key not in answers:
                fresh = structure.pair.key not in compiled
                spent = fresh and len(compiled) >= self.options.profile.shrinks
                compiled.add(structure.pair.key)
                answers[key] = None if spent else self._violation(structure, prop)
            return answers[key] is not None

        minimal = self.drive(fails, Phase.reuse, Phase.generate, Phase.shrink, digest=prop.name)
        if minimal is None:
            return first
        violation = answers[minimal.structure.key]
        assert violation is not None, "hypothesis reports only structures that the body called failing"
        return replace(violation, blob=minimal.blob)

    def _violation(self, structure: Drawn, prop: Property) -> Violation | None:
        """None, too, where a structure cannot be evaluated: that is another failure, no smaller one."""
        try:
            return (
                None
                if prop.reason_if_not_applicable(structure.pair) is not None
                else self.programs.violates(structure, prop)
            )
        except Exception:  # noqa: BLE001 - said of the property where it was explored
            return None

    def _blob(self, structure: Drawn) -> str:
        """What rebuilds a structure that exploring came across: the same seed comes across it again."""
        key = structure.key
        found = self.drive(lambda s: s.key == key, Phase.generate, digest="explore")
        return found.blob if found is not None else ""
