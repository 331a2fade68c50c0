"""The numbers of a counterexample made readable: what hypothesis's shrinker is to structure, this is to numbers.

Candidates are judged in batches, with floors from a few copies each, and only what is to be kept is looked at more
closely, the simplest first: with the copies of a confirmation each candidate would cost what thirteen do. Only what
survives the looks that compile nothing is kept (whoever reports the result asks for the last word), and only where it
violates as clearly as the probe itself or by twice what is allowed: else hundreds of looks end with one that violates
by luck. Zeros are perturbed too (see ``rounding.perturbed``), so the simplifier does not walk into a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from eqprop.counterexamples.drafts import Change, Draft, Undone, accumulated, changes
from eqprop.evaluation import WITHOUT_COMPILING, Program, last_word
from eqprop.groups import LieGroup, involutions
from eqprop.probes import READABLE, Probe
from eqprop.rounding import CONFIRMING_COPIES, COPIES, Judgement

REAL_FIELDS = ("params", "inputs", "tangent", "tangent2", "cotangent", "targets", "rates", "shortness")
OPENING_DRAWS = 256
OPENING_NUMBERS = 1 << 20
"""How many numbers the draws of an opening have together: of a large model there are few."""

ROUNDS = 240
NUMBERS_JUDGED = 1 << 30
"""How many numbers all that is judged may have together, with copies: each look at a large model takes seconds."""

WORTHWHILE = 32
"""How many candidates there must be: with fewer only halves of a model become zeros, and nobody reads millions."""

COPIES_OF_CANDIDATES = 2
"""How many copies set a candidate's floor at first: most are dropped there."""

AT_A_TIME = 16
"""How many candidates are judged together: the next ones only where these, which are simpler, leave no violation. A
candidate of a quadrature takes ten milliseconds."""

NUMBERS_AT_A_TIME = 1 << 22
"""Likewise how many numbers they may have, but for ``FEW``: large ones gain nothing by being judged together."""

FEW = 4

CLEARLY = 2.0
"""By how many times of what is allowed a candidate may violate, however large the violation was that was found."""

CHOICES = 12


class Workshop:
    """Turns drafts into probes and judges them.

    Attributes:
        original: the probe itself.
        simple: how many simple elements there are of each field that holds one.
    """

    def __init__(self, program: Program, name: str, probe: Probe, judged: Judgement, rng: np.random.Generator) -> None:
        self.program, self.name, self.probe, self.rng = program, name, probe, rng
        allowed = judged.bar.margin
        self._bar = replace(judged.bar, margin=float(np.clip(judged.floors[0], allowed, CLEARLY * allowed)))
        fields = (getattr(probe, field) for field in REAL_FIELDS)
        self._leaves = [leaf for field in fields for leaf in jax.tree.leaves(field) if _real(leaf)]
        self._sizes = [np.size(leaf) for leaf in self._leaves]
        self._choices = self._simple_elements()
        self.simple = [len(simple) for simple in self._choices.values()]
        self._left = NUMBERS_JUDGED

    @cached_property
    def original(self) -> Draft:
        flat = [np.ravel(leaf).astype(float) for leaf in self._leaves]
        return Draft(np.concatenate(flat) if flat else np.zeros(0), np.full(len(self.simple), -1))

    def _simple_elements(self) -> dict[str, list[Any]]:
        group = self.program.pair.transformation.group
        elements = list(islice(group.simple(), CHOICES))
        algebra = list(islice(group.simple_algebra(), CHOICES)) if isinstance(group, LieGroup) else []
        involved = list(islice(involutions(group), CHOICES)) if self.probe.involution is not None else []
        options = {"element": elements, "element2": elements, "algebra": algebra, "algebra2": algebra}
        options["involution"] = involved
        return {field: simple for field, simple in options.items() if getattr(self.probe, field) is not None}

    @property
    def numbers(self) -> int:
        """How many a draft has."""
        return max(sum(self._sizes), 1)

    @property
    def at_a_time(self) -> int:
        """How many candidates are judged together."""
        return int(np.clip(NUMBERS_AT_A_TIME // self.numbers, FEW, AT_A_TIME))

    def allows(self, candidates: int) -> bool:
        """Whether so many candidates may still be judged."""
        return self._left >= candidates * self.numbers * (1 + COPIES_OF_CANDIDATES)

    def probes(self, drafts: Sequence[Draft]) -> Probe:
        """The drafts as a batch of probes."""
        count = len(drafts)
        columns = iter(np.split(np.stack([draft.numbers for draft in drafts]), np.cumsum(self._sizes)[:-1], axis=1))

        def fill(leaf: ArrayLike) -> np.ndarray:
            if _real(leaf):
                return next(columns).reshape(count, *np.shape(leaf))
            return np.broadcast_to(np.asarray(leaf), (count, *np.shape(leaf)))

        filled: dict[str, Any] = {field: jax.tree.map(fill, getattr(self.probe, field)) for field in REAL_FIELDS}
        for column, (field, simple) in enumerate(self._choices.items()):
            pool = [*simple, getattr(self.probe, field)]
            picked = [pool[draft.picks[column]] for draft in drafts]
            filled[field] = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *picked)
        return self.program.cast(Probe(**filled))

    def seeming(self, drafts: Sequence[Draft]) -> list[int]:
        """Which of the drafts seem to violate, by the floors of the search."""
        self._left -= len(drafts) * self.numbers * (1 + COPIES_OF_CANDIDATES)
        return self._violating(
            drafts, lambda some: self.program.judge(some, self.rng, COPIES_OF_CANDIDATES, self.name)[self.name]
        )

    def sure(self, drafts: Sequence[Draft]) -> list[int]:
        """Which of the drafts violate, but for the last word."""

        def judge(some: Probe) -> Judgement:
            judged = last_word(self.program, self.name, some, self.rng, WITHOUT_COMPILING)
            doubtful = np.count_nonzero(~judged.beyond_doubt)
            self._left -= self.numbers * (some.count * (1 + COPIES) + doubtful * (1 + CONFIRMING_COPIES))
            return judged

        return self._violating(drafts, judge)

    def first(self, drafts: Sequence[Draft]) -> Draft | None:
        """The first of the drafts that violates, but for the last word. Of those that seem to most do."""
        left, at_a_time = [drafts[i] for i in self.seeming(drafts)], 1
        while left:
            some, left = left[:at_a_time], left[at_a_time:]
            sure = self.sure(some)
            if sure:
                return some[sure[0]]
            at_a_time *= 2
        return None

    def _violating(self, drafts: Sequence[Draft], judge: Callable[[Probe], Judgement]) -> list[int]:
        found, held = list[int](), max(1, NUMBERS_AT_A_TIME // self.numbers)
        for start in range(0, len(drafts), held):
            judged = replace(judge(self.probes(drafts[start : start + held])), bar=self._bar)
            found += (start + np.flatnonzero(judged.suspect)).tolist()
        return found


def _real(leaf: ArrayLike) -> bool:
    return bool(jnp.issubdtype(np.asarray(leaf).dtype, jnp.floating))


def simplified(
    program: Program, name: str, probe: Probe, judged: Judgement, rng: np.random.Generator
) -> Iterator[Probe]:
    """Probes that seem to violate the same property, with numbers as simple as could be found; the simplest first.

    A closer look may clear what hundreds of looks have led to. So what follows is what it was made from: one step back,
    two more, four more and so on, and at last the probe itself.

    Args:
        program: evaluates at least this property.
        name: of the property.
        probe: a confirmed violation (no leading axis).
        judged: what was said of it there.
        rng: of candidates and perturbations.
    """
    workshop = Workshop(program, name, probe, judged, rng)
    undone, spoiling = list[Undone](), set[Change]()
    if workshop.allows(WORTHWHILE):
        current = workshop.original
        better = _opened(workshop) or _improved(workshop, current, spoiling)
        while better is not None:
            undone.append(Undone.between(current, better))
            current = better
            better = _improved(workshop, current, spoiling) if len(undone) < ROUNDS else None
        stride = 1
        while undone:
            yield workshop.probes([current]).at(0)
            for _ in range(min(stride, len(undone))):
                current = undone.pop().applied(current)
            stride *= 2
    yield probe


def _opened(workshop: Workshop) -> Draft | None:
    """The simplest violation among draws of readable numbers and simple elements; None where there is none."""
    original, rng = workshop.original, workshop.rng
    count = max(1, min(OPENING_DRAWS, OPENING_NUMBERS // workshop.numbers))
    numbers = rng.choice(READABLE, (count, len(original.numbers)))
    columns = [rng.integers(0, simple, count) if simple else np.full(count, -1) for simple in workshop.simple]
    picks = np.stack(columns, axis=1) if columns else np.zeros((count, 0), dtype=int)
    for opening in (
        [Draft(*each) for each in zip(numbers, picks, strict=True)],
        [Draft(each, original.picks) for each in numbers],
        [Draft(original.numbers, each) for each in picks],
    ):
        ranked = sorted(opening, key=Draft.complexity)
        for start in range(0, count, workshop.at_a_time):
            found = workshop.first(ranked[start : start + workshop.at_a_time])
            if found is not None:
                return found
    return None


def _improved(workshop: Workshop, current: Draft, spoiling: set[Change]) -> Draft | None:
    """The current draft with some single changes that stay a violation together; None where no change helps.

    Args:
        workshop: judges.
        current: a violation.
        spoiling: changes that left none; more are added.
    """
    simpler = changes(current, workshop.simple, spoiling)
    for start in range(0, len(simpler), workshop.at_a_time):
        if not workshop.allows(workshop.at_a_time):
            return None
        some = simpler[start : start + workshop.at_a_time]
        made = [change.applied(current, current) for change in some]
        alone = workshop.seeming(made)
        spoiling.update(change for i, change in enumerate(some) if i not in alone)
        chosen = _together(workshop, current, [some[i] for i in alone])
        if chosen is None and alone:  # a change that only seemed to leave a violation may spoil the others
            sure = [alone[i] for i in workshop.sure([made[i] for i in alone])]
            chosen = _together(workshop, current, [some[i] for i in sure]) or (made[sure[0]] if sure else None)
        if chosen is not None and chosen.complexity() < current.complexity():
            return chosen
    return None


def _together(workshop: Workshop, current: Draft, alone: Sequence[Change]) -> Draft | None:
    """The simplest violation among the first change, the first two, four and so on, and all; None where there is none.

    The rounds that follow find what is left out.
    """
    return workshop.first(sorted(accumulated(current, alone), key=Draft.complexity))
