"""The numbers of a counterexample made readable: what hypothesis's shrinker is to structure, this is to numbers.

Candidates are judged in batches, with floors from a few copies each, and only what is to be kept is looked at more
closely, the simplest first: with the copies of a confirmation each candidate would cost what thirteen do. Only what
survives the looks that compile nothing is kept (whoever reports the result asks for the last word); zeros are perturbed
too (see ``rounding.perturbed``), so the simplifier does not walk into a kink.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from eqprop.evaluation import WITHOUT_COMPILING, Program, climbed, last_word
from eqprop.groups import LieGroup, involutions
from eqprop.probes import READABLE, Probe
from eqprop.rounding import Judgement

REAL_FIELDS = ("params", "inputs", "tangent", "tangent2", "cotangent", "targets", "rates", "shortness")
SIMPLEST_FIRST = np.array([0.0, *READABLE])
UNREADABLE = 2 * len(SIMPLEST_FIRST)
OPENING_DRAWS = 256
FINEST_BLOCKS = 128
ROUNDS = 240
COPIES_OF_CANDIDATES = 2
"""How many copies set a candidate's floor at first: most are dropped there."""

AT_A_TIME = 16
"""How many candidates are judged together: the next ones only where these, which are simpler, leave no violation. A
candidate of a quadrature takes ten milliseconds."""

CHOICES = 12


def complexity(numbers: np.ndarray) -> np.ndarray:
    """How far each row of numbers is from readable: 0 for a zero, more for each simple number, most for any other."""
    matches = numbers[..., None] == SIMPLEST_FIRST
    return np.where(matches.any(-1), matches.argmax(-1), UNREADABLE).sum(-1)


@dataclass(frozen=True)
class Draft:
    """A batch of candidates: real numbers as rows, and which simple group and algebra elements they use.

    A pick of −1 is the original element.
    """

    numbers: np.ndarray
    picks: np.ndarray

    def complexity(self) -> np.ndarray:
        return complexity(self.numbers) + np.where(self.picks < 0, UNREADABLE, self.picks).sum(-1)

    @property
    def count(self) -> int:
        return len(self.numbers)

    def at(self, index: Any) -> Draft:
        return Draft(self.numbers[index], self.picks[index])

    def parts(self) -> Iterator[Draft]:
        """These drafts, the simplest first, so many as are judged together."""
        ranked = np.argsort(self.complexity(), kind="stable")
        for start in range(0, self.count, AT_A_TIME):
            yield self.at(ranked[start : start + AT_A_TIME])


@dataclass(frozen=True)
class Seeming:
    """Drafts that seem to violate, by the floors of the search.

    Attributes:
        drafts: the simplest first.
        probes: a batch of them.
        judged: what is said of each.
    """

    drafts: Draft
    probes: Probe
    judged: Judgement


class Workshop:
    """Turns drafts into probes and judges them."""

    def __init__(self, program: Program, name: str, probe: Probe, rng: np.random.Generator) -> None:
        self.program, self.name, self.probe, self.rng = program, name, probe, rng
        self.leaves = [
            np.asarray(leaf) for field in REAL_FIELDS for leaf in jax.tree.leaves(getattr(probe, field)) if _real(leaf)
        ]
        group = program.pair.transformation.group
        elements = list(islice(group.simple(), CHOICES))
        algebra = list(islice(group.simple_algebra(), CHOICES)) if isinstance(group, LieGroup) else []
        options = {"element": elements, "element2": elements, "algebra": algebra, "algebra2": algebra}
        options["involution"] = list(islice(involutions(group), CHOICES))
        self.choices = {field: simple for field, simple in options.items() if getattr(probe, field) is not None}

    def original(self) -> Draft:
        """The probe itself."""
        flat = [np.ravel(leaf).astype(float) for leaf in self.leaves]
        numbers = np.concatenate(flat) if flat else np.zeros(0)
        return Draft(numbers[None], np.full((1, len(self.choices)), -1))

    def probes(self, draft: Draft) -> Probe:
        """The drafts as a batch of probes."""
        count = draft.count
        ends = np.cumsum([leaf.size for leaf in self.leaves])
        columns = iter(np.split(draft.numbers, ends[:-1], axis=1) if len(ends) else [])

        def fill(leaf: ArrayLike) -> np.ndarray:
            if _real(leaf):
                return next(columns).reshape(count, *np.shape(leaf))
            return np.broadcast_to(np.asarray(leaf), (count, *np.shape(leaf)))

        filled: dict[str, Any] = {field: jax.tree.map(fill, getattr(self.probe, field)) for field in REAL_FIELDS}
        for column, (field, simple) in enumerate(self.choices.items()):
            pool = [*simple, getattr(self.probe, field)]
            picked = [pool[i] for i in draft.picks[:, column]]
            filled[field] = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *picked)
        return self.program.cast(Probe(**filled))

    def seeming(self, draft: Draft) -> Seeming:
        """The drafts that seem to violate, the simplest first, and no more than are worth looking into."""
        probes = self.probes(draft)
        judged = self.program.judge(probes, self.rng, COPIES_OF_CANDIDATES, self.name)[self.name]
        ranked = np.argsort(draft.complexity(), kind="stable")
        which = ranked[judged.suspect[ranked]][:FINEST_BLOCKS]
        return Seeming(draft.at(which), probes.at(which), judged.at(which))

    def simplest(self, seeming: Seeming) -> Draft | None:
        """The first of these that violates, but for the last word."""
        found = climbed(self.program, self.name, seeming.probes, seeming.judged, self.rng, WITHOUT_COMPILING)
        return seeming.drafts.at(found.violations[:1]) if found.violations.size else None

    def sure(self, seeming: Seeming) -> Draft:
        """All of these that violate, but for the last word."""
        looked_at = last_word(self.program, self.name, seeming.probes, self.rng, WITHOUT_COMPILING)
        return seeming.drafts.at(looked_at.suspect)


def _real(leaf: ArrayLike) -> bool:
    return bool(jnp.issubdtype(np.asarray(leaf).dtype, jnp.floating))


def simplified(program: Program, name: str, probe: Probe, rng: np.random.Generator) -> Probe:
    """A probe that violates the same property with numbers as simple as could be found.

    Args:
        program: evaluates at least this property.
        name: of the property.
        probe: a confirmed violation (no leading axis).
        rng: of candidates and perturbations.
    """
    workshop = Workshop(program, name, probe, rng)
    current = _opened(workshop)
    for _ in range(ROUNDS):
        better = _improved(workshop, current)
        if better is None:
            break
        current = better
    return workshop.probes(current).at(0)


def _opened(workshop: Workshop) -> Draft:
    """The simplest violation among draws of readable numbers and simple elements, else the probe itself."""
    original = workshop.original()
    count, width = OPENING_DRAWS, original.numbers.shape[1]
    numbers = workshop.rng.choice(READABLE, (count, width))
    picks = np.stack(
        [
            workshop.rng.integers(0, len(simple), count) if simple else np.full(count, -1)
            for simple in workshop.choices.values()
        ]
        or [np.zeros(count, dtype=int)],
        axis=1,
    )[:, : len(workshop.choices)]
    for draft in (
        Draft(numbers, picks),
        Draft(numbers, np.full_like(picks, -1)),
        Draft(original.numbers.repeat(count, 0), picks),
    ):
        for part in draft.parts():
            found = workshop.simplest(workshop.seeming(part))
            if found is not None:
                return found
    return original


def _improved(workshop: Workshop, current: Draft) -> Draft | None:
    """The current draft with some single changes that stay a violation together; None where no change helps."""
    changes = list(_changes(workshop, current))
    if not changes:
        return None
    drafts = Draft(np.concatenate([c.numbers for c in changes]), np.concatenate([c.picks for c in changes]))
    for part in drafts.parts():
        alone = workshop.seeming(part)
        chosen = _together(workshop, current, alone.drafts)
        if chosen is None and alone.drafts.count:  # a change that only seemed to leave a violation may spoil the others
            sure = workshop.sure(alone)
            chosen = _together(workshop, current, sure) or (sure.at([0]) if sure.count else None)
        if chosen is not None and chosen.complexity()[0] < current.complexity()[0]:
            return chosen
    return None


def _together(workshop: Workshop, current: Draft, alone: Draft) -> Draft | None:
    """The simplest violation among the first change, the first two, four and so on, and all; None where there is none.

    The rounds that follow find what is left out.
    """
    if not alone.count:
        return None
    doubled = [2**i - 1 for i in range(alone.count.bit_length())]
    return workshop.simplest(workshop.seeming(_accumulated(current, alone).at([*doubled, alone.count - 1])))


def _accumulated(current: Draft, alone: Draft) -> Draft:
    """Row i: the first i + 1 changes applied together (a later change of the same number does not undo an earlier)."""
    numbers, picks = current.numbers[0].copy(), current.picks[0].copy()
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for changed, picked in zip(alone.numbers, alone.picks, strict=True):
        numbers = np.where(numbers == current.numbers[0], changed, numbers)
        picks = np.where(picks == current.picks[0], picked, picks)
        rows.append((numbers, picks))
    return Draft(np.stack([n for n, _ in rows]), np.stack([p for _, p in rows]))


def _changes(workshop: Workshop, current: Draft) -> Iterable[Draft]:
    """Drafts that differ from the current one in one block of numbers or one pick, each simpler than it."""
    total = current.numbers.shape[1]
    size = total
    while size:
        blocks = [slice(start, start + size) for start in range(0, total, size)]
        worth = [complexity(current.numbers[0, block]) for block in blocks]
        left = [(block, most) for block, most in zip(blocks, worth, strict=True) if most]  # zeros are done with
        for block, most in left if len(left) <= FINEST_BLOCKS else ():
            for value in SIMPLEST_FIRST[:6] if size == 1 else SIMPLEST_FIRST[:2]:
                changed = current.numbers.copy()
                changed[0, block] = value
                if complexity(changed[0, block]) < most:
                    yield replace(current, numbers=changed)
        size //= 2
    for column, simple in enumerate(workshop.choices.values()):
        now = current.picks[0, column]
        for pick in range(len(simple) if now < 0 else now):
            changed = current.picks.copy()
            changed[0, column] = pick
            yield replace(current, picks=changed)
