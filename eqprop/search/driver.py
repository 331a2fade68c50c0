"""Drives hypothesis over one task: explores, confirms, shrinks, and settles every cell."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import Phase

from eqprop.claims import Pair
from eqprop.engine import separated_caches, unexpected
from eqprop.errors import EqpropError, InvalidInput
from eqprop.probes import Probe
from eqprop.properties import Property
from eqprop.results import Counterexample, Outcome, PairName, Progress, PropertyName, Series, Unseen, Verdict
from eqprop.rounding import Judgement
from eqprop.search.budget import Budget
from eqprop.search.culprits import Failure, separated
from eqprop.search.drawing import Drawn, Minimal, drive
from eqprop.search.known_failures import check_known_names
from eqprop.search.looking import OF_SYMMETRIES
from eqprop.search.outcomes import Evidence, blocker, settled
from eqprop.search.pool import ProgramPool, Violation
from eqprop.search.shrinking import Shrinker
from eqprop.search.suspicion import Batch, looked_into
from eqprop.search.tally import Tally
from eqprop.search.task import Options, SearchTask
from eqprop.validation import check_pair, first_infinite_order, why_not_finite

Listener = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The listener that shows nothing."""
    del progress


def search(task: SearchTask, options: Options, on_progress: Listener = ignore) -> tuple[Verdict, ...]:
    """One verdict for each asked property. A model that cannot be verified gives ``Outcome.ERROR`` with the reason."""
    on_progress(Progress(task.name, "started"))
    start = time.perf_counter()
    try:
        with separated_caches(options.precision):
            verdicts = Search(task, options, on_progress).verdicts()
    except EqpropError as error:
        verdicts = _errors(task, options, str(error))
    except Exception as error:  # noqa: BLE001 - nothing that a user's model raises may lose the other pairs' results
        verdicts = _errors(task, options, unexpected(error))
    seconds = time.perf_counter() - start
    verdicts = tuple(replace(verdict, seconds=seconds) for verdict in verdicts)
    on_progress(Progress(task.name, "finished", verdicts=verdicts))
    return verdicts


def _errors(task: SearchTask, options: Options, reason: str) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(PairName(task.name), PropertyName(p.name, p.order), Outcome.ERROR, reason) for p in options.properties
    )


class Search:
    """The state of one task's search.

    What programs said is remembered, so that hypothesis always gets the same answer about the same structure.
    """

    def __init__(self, task: SearchTask, options: Options, on_progress: Listener = ignore) -> None:
        self.task = task
        self.options = options
        self.tell = on_progress
        # A negative control is asked for the premise only.
        self.asked = tuple(p for p in options.properties if not task.control or p.name == "equivariance")
        self.tallies = {prop.name: Tally() for prop in options.properties}
        self.violations: dict[str, Violation] = {}
        self.reason_if_not_applicable: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.untold: dict[str, str] = {}
        self._applied: set[str] = set()
        self._refused: defaultdict[Hashable, set[str]] = defaultdict(set)  # by pair: what could not be evaluated
        self.known: dict[str, str] = dict(task.known_failures)
        self.programs = ProgramPool(task, options)
        self.series: dict[str, Series] = {}
        self._explored: dict[Hashable, dict[str, bool]] = {}
        self._effort = Budget(options.profile, self.asked, self.tallies)
        self._first: Drawn | None = None
        self._infinite: tuple[Pair, Probe] | None = None  # a probe at which some property was not finite
        self._checked = False
        self._undefined: tuple[Hashable, int, str] | None = None  # from which order on no derivative is finite, and why
        self._failure: Exception | None = None

    # -- the whole search ---------------------------------------------------------------------------------------------

    def verdicts(self) -> tuple[Verdict, ...]:
        """Explore, then shrink what was falsified and is not blocked, then settle every cell."""
        self._recall()
        self.explore()
        shrunk = {prop.name: self._told(prop) for prop in self.to_shrink()}
        reason_if_not_applicable = {
            name: reason for name, reason in self.reason_if_not_applicable.items() if name not in self._applied
        }
        self._diagnose()
        evidence = Evidence(
            control=self.task.control,
            tallies=self.tallies,
            violated=self.violations.keys(),
            reason_if_not_applicable=reason_if_not_applicable,
            known=self.known,
            series=self.series,
            errors=self.errors,
            empty=self._empty(),
            untold=self.untold,
        )
        found = tuple(
            settled(evidence, self.task.name, prop, shrunk.get(prop.name)) for prop in self.options.properties
        )
        left = self._unseen()
        return tuple(replace(v, unseen=left) if v.property.name in OF_SYMMETRIES else v for v in found)

    def _unseen(self) -> Unseen | None:
        """What the symmetry of a user's pair does not look at, where all could be evaluated and nothing is wrong."""
        if (
            not self.options.unseen
            or self._first is None
            or self.task.built_in
            or self.task.control
            or self.violations
            or self.errors
        ):
            return None
        return self.programs.unseen(self._first, self.options.properties)

    def explore(self) -> None:
        """Judge every property on fresh structures; what is violated is in ``violations`` afterwards."""
        self._drive(self._explored_safely, Phase.generate, digest="explore")
        if self._failure is not None:
            raise self._failure
        if self._first is None:
            msg = f"{self.task.name}: the strategy never yielded a usable pair."
            raise InvalidInput(msg)
        if not self._effort.costly_batches:
            for asked in self._effort.all_costly():
                self._explore(self._first, asked)

    def expect_evaluated(self) -> None:
        """For who reads ``violations`` and no verdicts.

        Raises:
            InvalidInput: where some property could not be evaluated, with the reason of each.
        """
        if self.errors:
            told = "; ".join(f"{name}: {reason}" for name, reason in self.errors.items())
            msg = f"{self.task.name}: some properties cannot be evaluated: {told}"
            raise InvalidInput(msg)

    def _drive(self, body: Callable[[Drawn], bool], *phases: Phase, digest: str) -> Minimal | None:
        named = f"{self.task.address}/{self.task.name}/{digest}"
        return drive(self.task.pairs, body, self.options.profile, *phases, number=self.options.seed, digest=named)

    def _recall(self) -> None:
        """Try what hypothesis's example database remembers of earlier failures, before anything new."""
        for prop in self.asked:
            found = self._drive(lambda s, p=prop: self._recalled(s, p), Phase.reuse, digest=prop.name)
            if found is not None:
                self._effort.spare()

    def _recalled(self, structure: Drawn, prop: Property) -> bool:
        self._check(structure.pair)
        try:
            if prop.reason_if_not_applicable(structure.pair) is not None:
                return False
            violation = self.programs.violates(structure, prop)
            stands = violation is not None and self.programs.stands_out(violation, prop)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is said of this property alone
            self._refuse(structure.pair, prop.name, Failure.of(error))
            return False
        if violation is not None and stands:
            self.violations.setdefault(prop.name, violation)
        return stands

    # -- exploring ----------------------------------------------------------------------------------------------------

    def _explored_safely(self, structure: Drawn) -> bool:
        """Explore one structure; never a failure to hypothesis, so that it goes on.

        The first error ends the exploration: were it raised through hypothesis, its second look at the same structure
        would find another state.
        """
        if self._failure is None:
            try:
                self._explore_one(structure)
            except Exception as error:  # noqa: BLE001 - raised again once hypothesis has finished
                self._failure = error
        return False

    def _explore_one(self, structure: Drawn) -> None:
        """Judge all properties on a structure, within the budget of architectures."""
        if not self._effort.admits(structure.pair):
            return
        self._check(structure.pair)
        self._first = self._first or structure
        for asked in (self._effort.cheap(structure.pair), *self._effort.costly(structure.pair)):
            self._explore(structure, asked)
        self.tell(Progress(self.task.name, "searching", self._effort.architectures, self._effort.probes))

    def _diagnose(self) -> None:
        """Look where NaN and infinite values come from, if too many probes of some property have them."""
        ill = [tally for tally in self.tallies.values() if tally.not_finite and tally.why_inconclusive()]
        if not ill or self._infinite is None:
            return
        pair, probe = self._infinite
        try:
            found = why_not_finite(pair, self.options.precision, probe.params, probe.inputs)
        except Exception as error:  # noqa: BLE001 - op by op a model may raise what it does not as a whole
            found = f"where they arise cannot be seen ({unexpected(error)})"
        for tally in ill:
            tally.cause = found

    def _empty(self) -> dict[str, str]:
        """Why statements are about nothing, of which both sides vanished at every probe."""
        silent = [p for p in self.asked if p.empty and self.tallies[p.name].all_vacuous]
        found = {p.name: p.empty(self._first.pair) for p in silent if p.empty and self._first is not None}
        return {name: reason for name, reason in found.items() if reason}

    def _blocked(self, prop: Property) -> bool:
        return blocker(prop, self.violations.keys()) is not None

    def _explore(self, structure: Drawn, asked: Sequence[Property]) -> None:
        """Judge those of the properties that apply to a structure's pair, in one program."""
        properties = self._applicable(structure.pair, asked)
        if not self.options.judge_blocked:
            properties = tuple(prop for prop in properties if not (prop.costly and self._blocked(prop)))
        if properties:
            falsified = self._judged(structure, properties)
            found = self._explored.setdefault(self._key(structure), {})
            unsettled = self._refused[structure.pair.key]
            found.update((p.name, p.name in falsified) for p in properties if p.name not in unsettled)

    def _applicable(self, pair: Pair, asked: Sequence[Property]) -> tuple[Property, ...]:
        """The properties whose hypotheses the pair meets, without those that cannot be evaluated on it."""
        met: list[Property] = []
        for prop in asked:
            if prop.name in self._refused[pair.key]:
                continue
            infinite = self._why_infinite(pair, prop)
            if infinite:
                self._refuse(pair, prop.name, Failure(infinite))
                continue
            try:
                reason = prop.reason_if_not_applicable(pair)
            except Exception as error:  # noqa: BLE001 - whatever an action raises is said of this property alone
                self._refuse(pair, prop.name, Failure.of(error))
                continue
            if reason is None:
                met.append(prop)
                self._applied.add(prop.name)
            else:
                self.reason_if_not_applicable[prop.name] = reason
        return tuple(met)

    def _why_infinite(self, pair: Pair, prop: Property) -> str:
        """Why a derivative that a property is about is not finite at the pair's own example; empty where it is."""
        if self._undefined is None or "inputs" not in prop.needs:  # of the transformation alone
            return ""
        key, order, reason = self._undefined
        return reason if pair.key == key and prop.order >= order else ""

    def _refuse(self, pair: Pair, name: str, failure: Failure) -> None:
        """A property cannot be evaluated on a pair: it is not asked there again, and its cell says why."""
        self._refused[pair.key].add(name)
        if failure.undefined:
            self._applied.discard(name)
            self.reason_if_not_applicable[name] = failure.reason
        else:
            # The example of the first pair raised nothing: of a drawn one it says which it was.
            self.errors[name] = f"{failure.reason}, for {pair!r}" if pair.architecture else failure.reason

    def _check(self, pair: Pair) -> None:
        """Validate the first pair of the search; the others come from the same hand."""
        if not self._checked:
            check_pair(pair, self.options.precision)
            self.known |= pair.known_failures
            check_known_names(self.known, self.options.properties, f"pair {pair.name!r}")
            self._checked = True
            infinite = first_infinite_order(pair, self.options.precision)
            self._undefined = (pair.key, *infinite) if infinite else None

    def _judged(self, structure: Drawn, properties: Sequence[Property]) -> frozenset[str]:
        """Tally a batch; the names of the properties that it falsifies."""
        batches, failed = separated(
            properties,
            lambda together: self.programs.judged(structure, together),
            lambda prop: self.programs.trace(structure, prop),
        )
        for name, failure in failed.items():
            self._refuse(structure.pair, name, failure)
        falsified: set[str] = set()
        for batch in batches:
            for name in batch.judged:
                try:
                    self._settle(batch, name, falsified)
                except Exception as error:  # noqa: BLE001 - a closer look runs what a user wrote once more
                    self._refuse(structure.pair, name, Failure.of(error))
        return frozenset(falsified)

    def _settle(self, batch: Batch, name: str, falsified: set[str]) -> None:
        """Look into one property's suspects and tally what is left of them."""
        judged, prop = batch.judged[name], self._property(name)
        # What rests on a falsified property is not reported, so its violations need no closer look.
        if self._blocked(prop):
            found = np.flatnonzero(judged.suspect)
        else:
            judged, found = looked_into(batch, name, under_noise=name not in self.violations)
        cleared = int((batch.judged[name].suspect & ~judged.suspect).sum())
        self.tallies[name].add(judged, batch.structure.pair.key, batch.program.units[name], cleared=cleared)
        infinite = np.flatnonzero(~judged.finite)
        if infinite.size and self._infinite is None and {"params", "inputs"} <= batch.program.needed:
            self._infinite = (batch.structure.pair, batch.probes.at(infinite[0]))
        if found.size:
            falsified.add(name)
            self.violations.setdefault(name, Violation(batch.structure, batch.probes.at(found[0])))
            self._effort.spare()
        if prop.series and name not in self.series:
            self._keep_series(batch, name, judged)

    def _keep_series(self, batch: Batch, name: str, judged: Judgement) -> None:
        conclusive = np.flatnonzero(~judged.inconclusive & ~judged.vacuous)
        if conclusive.size:
            sides = batch.program.compare(name, batch.probes.at(conclusive[0]))
            found, predicted = (tuple(side[0].tolist()) for side in (sides.lhs, sides.rhs))
            self.series[name] = Series(sides.names[0], found, predicted)

    def _property(self, name: str) -> Property:
        return next(prop for prop in self.options.properties if prop.name == name)

    def _key(self, structure: Drawn) -> Hashable:
        return (structure.pair.key, structure.loss_index, structure.seed)

    # -- shrinking ----------------------------------------------------------------------------------------------------

    def to_shrink(self) -> list[Property]:
        """The falsified properties that get a counterexample of their own."""
        if not self.options.shrink or self.task.control:
            return []
        falsified = [p for p in self.options.properties if p.name in self.violations]
        return [p for p in falsified if not blocker(p, self.violations.keys()) and p.name not in self.known]

    def counterexample(self, prop: Property) -> Counterexample:
        """The violation of one property on the smallest structure, with its numbers made readable."""
        self.tell(Progress(self.task.name, "shrinking", self._effort.architectures, shrinking=prop.name))

        def passes(structure: Drawn) -> bool:
            return self._explored.get(self._key(structure), {}).get(prop.name) is False

        shrinker = Shrinker(self.task, self.options, self.programs, self._drive, passes, self._key)
        return shrinker.counterexample(prop, self.violations[prop.name])

    def _told(self, prop: Property) -> Counterexample | None:
        """The counterexample; a falsification is not lost where it cannot be shown."""
        try:
            return self.counterexample(prop)
        except Exception as error:  # noqa: BLE001 - the violation was confirmed before
            self.untold[prop.name] = f"its counterexample cannot be shown ({unexpected(error)})"
            return None
