"""One task's search: explores, shrinks what is falsified, and settles every cell."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from math import inf, isfinite

from hypothesis import Phase

from eqprop.claims import Pair
from eqprop.engine import LARGE, unexpected, until
from eqprop.errors import InvalidInput
from eqprop.properties import Property
from eqprop.results import Counterexample, Progress, Unseen, Verdict
from eqprop.search.ahead import Ahead, Foreseen, Helper
from eqprop.search.askable import Askable
from eqprop.search.batch import Batch, Facts
from eqprop.search.budget import Budget, by_order
from eqprop.search.comparing import why_not_compared
from eqprop.search.culprits import Failure, separated
from eqprop.search.drawing import Drawn, Enough, Minimal, drive
from eqprop.search.gathered import Gathered
from eqprop.search.looking import OF_SYMMETRIES
from eqprop.search.outcomes import DISPUTED, Evidence, verdict_of, why_empty
from eqprop.search.pool import ProgramPool
from eqprop.search.shrinking import Shrinker
from eqprop.search.task import Listener, Options, SearchTask, ignore
from eqprop.search.time_limit import TimeLimit
from eqprop.validation import check_pair


class Search:
    """The state of one task's search.

    What programs said is remembered, so that hypothesis always gets the same answer about the same structure.
    """

    def __init__(
        self, task: SearchTask, options: Options, on_progress: Listener = ignore, helper: Helper | None = None
    ) -> None:
        self.task = task
        self.options = options
        self.tell = on_progress
        # A negative control is asked for the premise only.
        self.asked = tuple(p for p in options.properties if not task.control or p.name == "equivariance")
        self.gathered = Gathered(task, options)
        self.askable = Askable()
        self.limit = TimeLimit(options.max_time)
        self.programs = ProgramPool(task, options)
        self._ahead = Ahead(self.programs, helper)
        self._structures: list[Drawn] = []  # all that are going to be drawn, where somebody helps
        self._explored: dict[Hashable, dict[str, bool]] = {}
        self._effort = Budget(options.profile, self.asked, self.gathered.tallies)
        self._first: Drawn | None = None
        self._largest: Drawn | None = None
        self._told: set[str] = set()  # whose first evidence was told
        self._checked = False
        self._failure: Exception | None = None

    # -- the whole search ---------------------------------------------------------------------------------------------

    def verdicts(self) -> tuple[Verdict, ...]:
        """Explore, then shrink what was falsified and is not blocked, then settle every cell."""
        self._recall()
        self.explore()
        shrunk = {prop.name: self.told(prop) for prop in self.gathered.to_shrink()}
        if not self._effort.spared:
            self.gathered.diagnose()
        evidence = self.evidence()
        found = tuple(
            verdict_of(evidence, self.task.name, prop, shrunk.get(prop.name)) for prop in self.options.properties
        )
        left = self._unseen()
        self.programs.forget()
        return tuple(replace(v, unseen=left) if v.property.name in OF_SYMMETRIES else v for v in found)

    def evidence(self) -> Evidence:
        """What was found out so far, for the outcome of each cell."""
        gathered, first = self.gathered, self._first
        empty = why_empty(self.asked, gathered.tallies, first.pair) if first is not None else {}
        return gathered.evidence(self.askable, empty, self.limit.passed)

    def _unseen(self) -> Unseen | None:
        """What the symmetry of a user's pair does not look at, where all was evaluated and nothing is wrong."""
        of_user = not self.task.built_in and not self.task.control
        all_is_well = not (self.gathered.violated() or self.askable.errors or self.limit.passed)
        first = self._first
        if first is None or not (self.options.unseen and of_user and all_is_well):
            return None
        refused = self.askable.refused(first.pair)
        asked = tuple(prop for prop in self.options.properties if prop.name not in refused)
        doubtful = [name for name, tally in self.gathered.tallies.items() if tally.cleared]
        found: list[Unseen | None] = []
        try:
            self.limit.within(lambda: found.append(self.programs.unseen(first, asked, doubtful)))
        except Exception as error:  # noqa: BLE001 - every cell has its verdict, which this does not take away
            failure = Failure.of(error)
            return None if failure.undefined else Unseen((), (), 0, failure.reason)
        return found[0] if found else Unseen((), (), 0, self.limit.passed)

    def explore(self) -> None:
        """Judge every property on fresh structures; what is violated is in ``gathered.violations`` afterwards."""
        if self._ahead.helped:
            self._drive(lambda structure: bool(self._structures.append(structure)), Phase.generate, digest="explore")
        self._drive(self._explored_safely, Phase.generate, digest="explore")
        if self._failure is not None:
            raise self._failure
        if self._first is None:
            if self.limit.passed:
                return
            msg = f"{self.task.name}: the strategy never yielded a usable pair."
            raise InvalidInput(msg)
        if not self._effort.costly_batches:
            for asked in self._effort.all_costly():
                self._explore_in_time(self._first, asked)
        self._compare_with_compiled(self._largest or self._first)
        self._ahead.stop()

    def _compare_with_compiled(self, structure: Drawn) -> None:
        """Ask whether XLA computes what was traced, once, on the largest of the structures."""
        for prop in (prop for prop in self.asked if prop.twofold):
            self._explore_in_time(structure, (prop,))

    def _may_be_compared(self, pair: Pair, prop: Property) -> bool:
        """Whether a property is not about the compiler, or the compiler may be asked about this pair."""
        asks = prop.twofold and not self.askable.why_unusable(pair, prop)
        reason = why_not_compared(self.task, self.options, self.programs, pair) if asks else ""
        if reason:
            self.askable.refuse(pair, prop.name, Failure(reason, undefined=True))
        return not reason

    def expect_evaluated(self) -> None:
        """For who reads ``gathered.violations`` and no verdicts.

        Raises:
            InvalidInput: where some property could not be evaluated, with the reason of each.
        """
        if self.askable.errors:
            told = "; ".join(f"{name}: {reason}" for name, reason in self.askable.errors.items())
            msg = f"{self.task.name}: some properties cannot be evaluated: {told}"
            raise InvalidInput(msg)

    def _drive(self, body: Callable[[Drawn], bool], *phases: Phase, digest: str) -> Minimal | None:
        named = f"{self.task.address}/{self.task.name}/{digest}"
        return drive(self.task.pairs, body, self.options.profile, *phases, number=self.options.seed, digest=named)

    def _recall(self) -> None:
        """Try what hypothesis's example database remembers of earlier failures, before anything new."""
        for prop in self.asked:
            self._drive(lambda s, p=prop: self._recalled(s, p), Phase.reuse, digest=prop.name)

    def _recalled(self, structure: Drawn, prop: Property) -> bool:
        if not self.limit.within(lambda: self._check(structure.pair)):
            return False
        known = self._known_of(structure)
        if prop.name not in known:
            self._explore_in_time(structure, (prop,))
        return known.get(prop.name, False)

    # -- exploring ----------------------------------------------------------------------------------------------------

    def _explored_safely(self, structure: Drawn) -> bool:
        """Explore one structure; never a failure to hypothesis, so that it goes on.

        The first error ends the exploration: were it raised through hypothesis, its second look at the same structure
        would find another state.

        Raises:
            Enough: once what was found has used up the budget.
        """
        if self._effort.spent:
            raise Enough
        if self._failure is None:
            try:
                self._explore_one(structure)
            except Exception as error:  # noqa: BLE001 - raised again once hypothesis has finished
                self._failure = error
        return False

    def _explore_one(self, structure: Drawn) -> None:
        """Judge all properties on a structure, within the budget of architectures."""
        if not self._effort.admits(structure.pair) or not self.limit.within(lambda: self._check(structure.pair)):
            return
        if self._first is None:
            self._first = structure
            self._foresee_costly(structure)
        if self._largest is None or structure.pair.model.param_leaves.size > self._largest.pair.model.param_leaves.size:
            self._largest = structure
        for asked in (*self._cheap(structure.pair), *self._effort.costly(structure.pair)):
            self._explore_in_time(structure, asked)
        if structure is self._first:
            self._foresee(structure)
        self.tell(Progress(self.task.name, "searching", self._effort.architectures, self._effort.probes))

    def _cheap(self, pair: Pair) -> list[list[Property]]:
        """What is judged on every batch of a pair, in the parts that it is judged in."""
        cheap = self._effort.cheap(pair)
        hurried = isfinite(self.options.max_time) and pair.model.param_leaves.size >= LARGE
        return by_order(cheap) if hurried else [cheap]

    def _foresee_costly(self, first: Drawn) -> None:
        """Have who helps begin with what takes longest: of a fixed pair, of which nothing is known to fail."""
        if any(structure.pair is not first.pair for structure in self._structures) or self.gathered.known:
            self._ahead.stop()
        if self._ahead.helped:
            self._ahead.foresee(self._costly_to_come())

    def _foresee(self, first: Drawn) -> None:
        """Have who helps judge all that is to come, now that the first batch has said what can be evaluated."""
        if self._effort.spared:
            self._ahead.stop()
        if not self._ahead.helped:
            return
        later = self._structures[1:]
        batches = [self._foreseen(structure, part) for structure in later for part in self._cheap(structure.pair)]
        twofold = [prop for prop in self.asked if prop.twofold and self._may_be_compared(first.pair, prop)]
        alone = [self._foreseen(first, (prop,), heavy=True) for prop in twofold]
        self._ahead.foresee([*batches, *self._costly_to_come(), *alone])

    def _costly_to_come(self) -> list[Foreseen]:
        second = self._structures[1:2]
        return [self._foreseen(one, part, heavy=True) for one in second for part in self._effort.costly_parts]

    def _foreseen(self, structure: Drawn, properties: Sequence[Property], *, heavy: bool = False) -> Foreseen:
        return Foreseen(structure, self.askable.of(structure.pair, properties), heavy=heavy)

    def _explore_in_time(self, structure: Drawn, asked: Sequence[Property]) -> None:
        done = bool(asked) and self.limit.within(lambda: self._explore(structure, asked))
        if done and structure.pair.model.param_leaves.size >= LARGE:
            self._tell_settled(asked)

    def _tell_settled(self, asked: Sequence[Property]) -> None:
        """Of a model that takes long each property is heard of as soon as it is settled, with the probes so far."""
        evidence = self.evidence()
        fresh = [p for p in asked if p.name not in self._told and self.gathered.tallies[p.name].conclusive > 0]
        self._told.update(prop.name for prop in fresh)
        found = tuple(verdict_of(evidence, self.task.name, prop) for prop in fresh)
        if found:
            effort = self._effort
            self.tell(Progress(self.task.name, "settled", effort.architectures, effort.probes, verdicts=found))

    def _explore(self, structure: Drawn, asked: Sequence[Property]) -> None:
        """Judge those of the properties that apply to a structure's pair, in one program."""
        asked = [prop for prop in asked if self._may_be_compared(structure.pair, prop)]
        properties = self.askable.of(structure.pair, asked)
        if not self.options.judge_blocked:
            properties = tuple(prop for prop in properties if not self.gathered.is_blocked(prop))
        if properties:
            falsified = self._judged(structure, properties)
            unsettled = self.askable.refused(structure.pair)
            self._known_of(structure).update(
                (p.name, p.name in falsified) for p in properties if p.name not in unsettled
            )

    def _known_of(self, structure: Drawn) -> dict[str, bool]:
        """Property name → whether it was falsified on a structure, of those that were judged there."""
        return self._explored.setdefault(structure.key, {})

    def _check(self, pair: Pair) -> None:
        """Validate the first pair of the search; the others come from the same hand."""
        if not self._checked:
            missing = check_pair(pair, self.options.precision)
            self.gathered.expect(pair)
            self._checked = True
            self.askable.look_at_example(pair, self.options.precision, missing)

    def _judged(self, structure: Drawn, properties: Sequence[Property]) -> frozenset[str]:
        """Tally a batch; the names of the properties that it falsifies.

        Raises:
            OutOfTime: where the batch took longer than there was. A suspect in it is looked into to the end.
        """
        batches, failed = separated(
            properties,
            lambda together: self._ahead.judged(structure, together),
            lambda prop: self.programs.trace(structure, prop),
        )
        for name, failure in failed.items():
            self.askable.refuse(structure.pair, name, failure)
        falsified: set[str] = set()
        with until(inf):
            for batch in batches:
                facts = batch.facts
                falsified |= {prop.name for prop in batch.properties if self._settled(batch, facts, prop)}
        return frozenset(falsified)

    def _settled(self, batch: Batch, facts: Facts, prop: Property) -> bool:
        """Tally what was judged of one property; whether that is a violation."""
        try:
            violated = self.gathered.add(batch, facts, prop, self.programs.opaque)
        except Exception as error:  # noqa: BLE001 - a closer look runs what a user wrote once more
            self.askable.refuse(batch.structure.pair, prop.name, Failure.of(error))
            return False
        if violated and self.gathered.is_news(prop):  # beside a failure that is known, the others are judged as usual
            self._effort.spare()
            self._ahead.stop()
        return violated

    # -- shrinking ----------------------------------------------------------------------------------------------------

    def counterexample(self, prop: Property) -> Counterexample | None:
        """The violation of one property on the smallest structure; None where it is none once it is compiled."""
        self.tell(Progress(self.task.name, "shrinking", self._effort.architectures, shrinking=prop.name))

        def passes(structure: Drawn) -> bool:
            return self._known_of(structure).get(prop.name) is False

        shrinker = Shrinker(self.task, self.options, self.programs, self._drive, passes)
        return shrinker.counterexample(prop, self.gathered.violations[prop.name])

    def told(self, prop: Property) -> Counterexample | None:
        """The counterexample; a falsification is not lost where it cannot be shown."""
        try:
            found = self.counterexample(prop)
        except Exception as error:  # noqa: BLE001 - the violation was confirmed before
            self.gathered.untold[prop.name] = f"its counterexample cannot be shown ({unexpected(error)})"
            return None
        if found is None:
            self.gathered.disputed[prop.name] = DISPUTED
        return found
