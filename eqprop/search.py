"""Drives hypothesis over one subject: explores, confirms, shrinks, and settles every cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import Phase

from eqprop import narrate
from eqprop.counterexample import Counterexample
from eqprop.effort import Effort
from eqprop.errors import InvalidInput
from eqprop.evaluation import Program, applicable
from eqprop.judging import Judge, Violation, confirmed
from eqprop.pair import Pair
from eqprop.precision import separated_caches
from eqprop.probe import Probe
from eqprop.properties import Property
from eqprop.rounding import Judgement
from eqprop.settle import Evidence, blocker, settled
from eqprop.simplify import simplified
from eqprop.structures import Minimal, Structure, drive
from eqprop.subject import Options, Subject
from eqprop.tally import Tally
from eqprop.trial import unexpected
from eqprop.validation import check_pair
from eqprop.verdict import Outcome, PairName, Progress, PropertyName, Series, Verdict

Listener = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The listener that shows nothing."""
    del progress


def search(subject: Subject, options: Options, on_progress: Listener = ignore) -> tuple[Verdict, ...]:
    """One verdict for each asked property. A model that cannot be verified gives ``Outcome.ERROR`` with the reason."""
    on_progress(Progress(subject.name, "started"))
    start = time.perf_counter()
    try:
        with separated_caches(options.precision):
            verdicts = Search(subject, options, on_progress).verdicts()
    except InvalidInput as error:
        verdicts = _errors(subject, options, str(error))
    except Exception as error:  # noqa: BLE001 - nothing that a user's model raises may lose the other pairs' results
        verdicts = _errors(subject, options, unexpected(error))
    seconds = time.perf_counter() - start
    verdicts = tuple(replace(verdict, seconds=seconds) for verdict in verdicts)
    on_progress(Progress(subject.name, "finished", verdicts=verdicts))
    return verdicts


def _errors(subject: Subject, options: Options, reason: str) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(PairName(subject.name), PropertyName(p.name, p.order), Outcome.ERROR, reason)
        for p in options.properties
    )


class Search:
    """The state of one subject's search.

    What programs said is remembered, so that hypothesis always gets the same answer about the same structure.
    """

    def __init__(self, subject: Subject, options: Options, on_progress: Listener = ignore) -> None:
        self.subject = subject
        self.options = options
        self.tell = on_progress
        # A negative control is asked for the premise only.
        self.asked = tuple(p for p in options.properties if not subject.control or p.name == "equivariance")
        self.tallies = {prop.name: Tally() for prop in options.properties}
        self.violations: dict[str, Violation] = {}
        self.why_not: dict[str, str] = {}
        self._applied: set[str] = set()
        self.known: dict[str, str] = dict(subject.known_failures)
        self.judge = Judge(subject, options)
        self.series: dict[str, Series] = {}
        self._explored: dict[Hashable, dict[str, bool]] = {}
        self._effort = Effort(options.profile, self.asked, self.tallies)
        self._first: Structure | None = None
        self._checked = False
        self._failure: Exception | None = None

    # -- the whole search ---------------------------------------------------------------------------------------------

    def verdicts(self) -> tuple[Verdict, ...]:
        """Explore, then shrink what was falsified and is not blocked, then settle every cell."""
        self._recall()
        self.explore()
        shrunk = {prop.name: self.counterexample(prop) for prop in self.to_shrink()}
        why_not = {name: reason for name, reason in self.why_not.items() if name not in self._applied}
        evidence = Evidence(
            self.subject.control, self.tallies, self.violations.keys(), why_not, self.known, self.series
        )
        return tuple(
            settled(evidence, self.subject.name, prop, shrunk.get(prop.name)) for prop in self.options.properties
        )

    def explore(self) -> None:
        """Judge every property on fresh structures; what is violated is in ``violations`` afterwards."""
        self._drive(self._explored_safely, Phase.generate, digest="explore")
        if self._failure is not None:
            raise self._failure
        if self._first is None:
            msg = f"{self.subject.name}: the strategy never yielded a usable pair."
            raise InvalidInput(msg)
        if not self._effort.costly_batches:
            for asked in self._effort.all_costly():
                self._explore(self._first, asked)

    def _drive(self, body: Callable[[Structure], bool], *phases: Phase, digest: str) -> Minimal | None:
        named = f"{self.subject.target}/{self.subject.name}/{digest}"
        return drive(self.subject.pairs, body, self.options.profile, *phases, number=self.options.seed, digest=named)

    def _recall(self) -> None:
        """Try what hypothesis's example database remembers of earlier failures, before anything new."""
        for prop in self.asked:
            found = self._drive(lambda s, p=prop: self._recalled(s, p), Phase.reuse, digest=prop.name)
            if found is not None:
                self._effort.spare()

    def _recalled(self, structure: Structure, prop: Property) -> bool:
        self._check(structure.pair)
        if prop.why_not(structure.pair) is not None:
            return False
        violation = self.judge.violates(structure, prop)
        if violation is None or not self.judge.stands_out(violation, prop):
            return False
        self.violations.setdefault(prop.name, violation)
        return True

    # -- exploring ----------------------------------------------------------------------------------------------------

    def _explored_safely(self, structure: Structure) -> bool:
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

    def _explore_one(self, structure: Structure) -> None:
        """Judge all properties on a structure, within the budget of architectures."""
        if not self._effort.admits(structure.pair):
            return
        self._check(structure.pair)
        self._first = self._first or structure
        for asked in (self._effort.cheap(structure.pair), *self._effort.costly(structure.pair)):
            self._explore(structure, asked)
        self.tell(Progress(self.subject.name, "searching", self._effort.architectures, self._effort.probes))

    def _blocked(self, prop: Property) -> bool:
        return blocker(prop, self.violations.keys()) is not None

    def _explore(self, structure: Structure, asked: Sequence[Property]) -> None:
        """Judge those of the properties that apply to a structure's pair, in one program."""
        properties = applicable(structure.pair, asked)
        self.why_not |= {p.name: str(p.why_not(structure.pair)) for p in asked if p not in properties}
        self._applied |= {prop.name for prop in properties}
        if not self.options.judge_blocked:
            properties = tuple(prop for prop in properties if not (prop.costly and self._blocked(prop)))
        if properties:
            falsified = self._judged(structure, self.judge.program(structure, properties))
            found = self._explored.setdefault(self._key(structure), {})
            found.update((prop.name, prop.name in falsified) for prop in properties)

    def _check(self, pair: Pair) -> None:
        """Validate the first pair of the search; the others come from the same hand."""
        if not self._checked:
            check_pair(pair, self.options.precision)
            self.known |= pair.known_failures
            self._checked = True

    def _judged(self, structure: Structure, program: Program) -> frozenset[str]:
        """Tally a batch; the names of the properties that it falsifies."""
        rng = np.random.default_rng(structure.seed)
        probes = program.draw(rng, self.judge.batch(structure.pair, program.properties))
        falsified: set[str] = set()
        for name, judged in program.judge(probes, rng).items():
            self.tallies[name].add(judged, structure.pair.key, program.lowest[name])
            # What rests on a falsified property is not reported, so its violations need no closer look.
            blocked = self._blocked(self._property(name))
            found = np.flatnonzero(judged.suspect) if blocked else confirmed(program, name, probes, judged, rng)
            if found.size and name not in self.violations and not blocked:
                closer = program.under_noise(name, probes.at(found), rng)
                self.tallies[name].inconclusive += int(closer.inconclusive.sum())
                found = found[closer.suspect]
            if found.size:
                falsified.add(name)
                self.violations.setdefault(name, Violation(structure, probes.at(found[0])))
                self._effort.spare()
            if self._property(name).series and name not in self.series:
                self._keep_series(program, name, probes, judged)
        return frozenset(falsified)

    def _keep_series(self, program: Program, name: str, probes: Probe, judged: Judgement) -> None:
        conclusive = np.flatnonzero(~judged.inconclusive & ~judged.vacuous)
        if conclusive.size:
            sides = program.compare(name, probes.at(conclusive[0]))
            found, predicted = (tuple(side[0].tolist()) for side in (sides.lhs, sides.rhs))
            self.series[name] = Series(sides.names[0], found, predicted)

    def _property(self, name: str) -> Property:
        return next(prop for prop in self.options.properties if prop.name == name)

    def _key(self, structure: Structure) -> Hashable:
        return (structure.pair.key, structure.loss_index, structure.seed)

    # -- shrinking ----------------------------------------------------------------------------------------------------

    def to_shrink(self) -> list[Property]:
        """The falsified properties that get a counterexample of their own."""
        if not self.options.shrink or self.subject.control:
            return []
        falsified = [p for p in self.options.properties if p.name in self.violations]
        return [p for p in falsified if not blocker(p, self.violations.keys()) and p.name not in self.known]

    def _smallest(self, prop: Property) -> Violation:
        """The violation on the smallest structure that hypothesis finds within the budget of compilations."""
        answers: dict[Hashable, Violation | None] = {}
        compiled: set[Hashable] = set()

        def fails(structure: Structure) -> bool:
            key = self._key(structure)
            if self._explored.get(key, {}).get(prop.name) is False:
                return False
            if key not in answers:
                fresh = structure.pair.key not in compiled
                spent = fresh and len(compiled) >= self.options.profile.shrinks
                if spent or prop.why_not(structure.pair) is not None:
                    answers[key] = None
                else:
                    compiled.add(structure.pair.key)
                    answers[key] = self.judge.violates(structure, prop)
            return answers[key] is not None

        minimal = self._drive(fails, Phase.reuse, Phase.generate, Phase.shrink, digest=prop.name)
        if minimal is None:
            return self.violations[prop.name]
        violation = answers[self._key(minimal.structure)]
        assert violation is not None, "hypothesis reports only structures that the body called failing"
        return replace(violation, blob=minimal.blob)

    def _blob(self, structure: Structure) -> str:
        """What rebuilds a structure that exploring came across: the same seed comes across it again."""
        key = self._key(structure)
        found = self._drive(lambda s: self._key(s) == key, Phase.generate, digest="explore")
        return found.blob if found is not None else ""

    def counterexample(self, prop: Property) -> Counterexample:
        """The violation of one property on the smallest structure, with its numbers made readable."""
        self.tell(Progress(self.subject.name, "shrinking", self._effort.architectures, shrinking=prop.name))
        first = self.violations[prop.name]
        smallest = self._smallest(prop)
        program = self.judge.program(smallest.structure, (prop,))
        probe = simplified(program, prop.name, smallest.probe, np.random.default_rng(self.options.seed))
        if not self.judge.stands_out(Violation(smallest.structure, probe), prop):
            smallest, probe = first, first.probe
            program = self.judge.program(first.structure, (prop,))
        return narrate.counterexample(
            program,
            prop,
            probe.only(prop.needs),
            target=self.subject.target,
            subject=self.subject.name,
            blob=smallest.blob or self._blob(smallest.structure),
            before=first.probe.only(prop.needs),
            seed=self.options.seed,
            save=self.options.save,
        )
