"""What a search has found out about each property so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from eqprop.claims import Pair
from eqprop.evaluation import LADDER, WITHOUT_COMPILING, Look
from eqprop.kept import allowances_in
from eqprop.properties import Property
from eqprop.results import Series
from eqprop.search.askable import Askable
from eqprop.search.batch import Batch, Facts, Violation, violation
from eqprop.search.foggy import Foggy
from eqprop.search.infinite import Infinite
from eqprop.search.known_failures import check_known_names
from eqprop.search.outcomes import Evidence, blocker, unseen_rounding
from eqprop.search.tally import Tally
from eqprop.search.task import Options, SearchTask


class Gathered:
    """What was said of each property: counted, and where it is violated.

    Args:
        task: what is searched.
        options: what is asked of it.

    Attributes:
        tallies: by property name.
        violations: property name → the first violation of it.
        untold: property name → why its violation has no counterexample to show.
        disputed: property name → why its violation does not count after all.
        known: property name → reason, for failures that are expected.
    """

    def __init__(self, task: SearchTask, options: Options) -> None:
        self._task = task
        self._options = options
        self.tallies = {prop.name: Tally() for prop in options.properties}
        self.violations: dict[str, Violation] = {}
        self.untold: dict[str, str] = {}
        self.disputed: dict[str, str] = {}
        self.known: dict[str, str] = {**task.known_failures, **task.standing}
        self._allowed = dict(task.allowed)
        self._series: dict[str, Series] = {}
        self._infinite = Infinite()
        self._foggy = Foggy()

    def expect(self, pair: Pair) -> None:
        """Expect of the properties what a pair says of them.

        Args:
            pair: which.

        Raises:
            InvalidInput: where it names a property that there is not.
        """
        self.known |= pair.known_failures
        self._allowed |= allowances_in(pair.allow_inconclusive, f"pair {pair.name!r}: allow_inconclusive")
        for named, what in ((self.known, "known_failures"), (self._allowed, "allow_inconclusive")):
            check_known_names(named, self._options.properties, f"pair {pair.name!r}: {what}")

    def violated(self) -> set[str]:
        """What is falsified: here, or by a known counterexample."""
        return {*self.violations, *self._task.standing}

    def is_blocked(self, prop: Property) -> bool:
        """Whether a property rests on a falsified one: it is not reported.

        Args:
            prop: which.
        """
        return blocker(prop, self.violated()) is not None

    def is_news(self, prop: Property) -> bool:
        """Whether a failure of a property is none that was known before.

        Args:
            prop: which.
        """
        return prop.name not in self.known or bool(self._task.control)

    def to_shrink(self) -> list[Property]:
        """The falsified properties that get a counterexample of their own."""
        if not self._options.shrink or self._task.control:
            return []
        falsified = [prop for prop in self._options.properties if prop.name in self.violations]
        return [prop for prop in falsified if not self.is_blocked(prop) and prop.name not in self.known]

    def add(self, batch: Batch, facts: Facts, prop: Property, opaque: Callable[[Batch, Property], str]) -> bool:
        """Let one property's suspects go up the ladder, and tally what is left of them; whether that is a violation.

        Args:
            batch: that was judged.
            facts: of its program.
            prop: the property.
            opaque: why rounding inside of what others evaluate cannot be seen; empty where there is no such thing.
        """
        found = batch.climbed(prop.name, self._looks(prop))
        self.tallies[prop.name].add(found, batch.structure.pair.key, facts.units[prop.name])
        self.tallies[prop.name].evaluated_by(facts)
        self._infinite.note(batch, facts, found.judged)
        self._foggy.note(batch, facts, prop, found.judged)
        violated = violation(batch, found)
        why_unseen = opaque(batch, prop) if violated is not None else ""
        if why_unseen:
            self.disputed.setdefault(prop.name, unseen_rounding(why_unseen))
        elif violated is not None:
            self.violations.setdefault(prop.name, violated)
        if prop.series and prop.name not in self._series:
            along = batch.series(prop.name, found.judged)
            if along is not None:
                self._series[prop.name] = along
        return violated is not None and not why_unseen

    def _looks(self, prop: Property) -> tuple[Look, ...]:
        """The looks at suspects that are worth it."""
        if self.is_blocked(prop):
            return ()
        return WITHOUT_COMPILING if prop.name in self.violations else LADDER

    def diagnose(self) -> None:
        """Say what leaves no digits where that is how a cell comes out: not where it is falsified, or rests on one."""
        violated = self.violated()
        unsettled = (p for p in self._options.properties if p.name not in violated and not self.is_blocked(p))
        self._foggy.diagnose({prop.name: self.tallies[prop.name] for prop in unsettled}, self._options.precision)

    def evidence(self, askable: Askable, empty: Mapping[str, str], out_of_time: str) -> Evidence:
        """What was found out so far, for the outcome of each cell.

        Args:
            askable: which properties could be asked.
            empty: property name → why it is about nothing here.
            out_of_time: why not all was judged that was to be; empty where all was.
        """
        self._infinite.diagnose(self.tallies.values(), self._options.precision)
        return Evidence(
            tallies=self.tallies,
            violated=self.violated(),
            control=self._task.control,
            reason_if_not_applicable=askable.reason_if_not_applicable,
            known=self.known,
            allowed=self._allowed,
            series=self._series,
            errors=askable.errors,
            empty=empty,
            untold=self.untold,
            disputed=self.disputed,
            out_of_time=out_of_time,
        )
