"""The ladder from a suspicion to a violation: closer and closer looks, each at what those before it left suspect.

A batch is judged with floors from a few perturbed copies of each probe. What is suspect then is judged again with many
copies, and what still is with random rounding of every operation inside the program; what is to be reported is judged
by the compiled program at last. What a look clears counts as that look judged it; a violation is what every look left
suspect, and nothing else is called one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eqprop.evaluation.copies import closely
from eqprop.evaluation.program import Program
from eqprop.probes import Probe
from eqprop.rounding import CONFIRMING_COPIES, Judgement

Look = Callable[[Program, str, Probe, np.random.Generator], Judgement]
"""Judges one property of a program, by name, at a batch of probes."""

AT_A_TIME = 8
"""How many suspects go up together at most, where one violation is enough. The first one goes alone, because most that
are suspect are violations; then twice as many each time."""


def fresh_perturbations(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
    """Floors from many more perturbed copies of each probe; of a large model from a few, and from many where in doubt.

    Args:
        program: of the pair.
        name: of the property.
        probes: that are suspected: a batch, every field with a leading axis of n.
        rng: of the perturbations and signs.
    """

    def judged(which: np.ndarray, copies: int) -> Judgement:
        return program.judge(probes.at(which), rng, copies, name)[name]

    return closely(judged, probes.count) if program.large else program.judge(probes, rng, CONFIRMING_COPIES, name)[name]


def rounding_inside(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
    """Floors that see as well what the program absorbs or saturates, which no perturbation of its inputs shows.

    Args:
        program: of the pair.
        name: of the property.
        probes: that are suspected: a batch, every field with a leading axis of n.
        rng: of the perturbations and signs.
    """
    return program.under_noise(name, probes, rng)


def as_compiled(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
    """The sides as XLA computes them, which is what users run; the larger one of the floors there and of the walk.

    Args:
        program: of the pair.
        name: of the property.
        probes: that are suspected: a batch, every field with a leading axis of n.
        rng: of the perturbations and signs.
    """
    return program.as_compiled(name, probes, rng)


WITHOUT_COMPILING: tuple[Look, ...] = (fresh_perturbations,)
"""The looks that compile nothing more, whoever evaluates: for the hundreds of candidates of shrinking and
simplifying."""

LADDER: tuple[Look, ...] = (*WITHOUT_COMPILING, rounding_inside)
"""The looks at what a search comes across, in their order."""

REPORTED: tuple[Look, ...] = (*LADDER, as_compiled)
"""The looks that what is reported must survive. The last one has the last word, and compiles a program for it: it is
taken at a counterexample once that is shrunk."""


@dataclass(frozen=True)
class Climbed:
    """What is left of the suspicions about one property in a batch.

    Attributes:
        judged: every probe as the last look at it left it.
        cleared: at which probes a look cleared a suspicion, shape (probes,).
        open: which suspects not all looks were taken at: one violation is enough, or the looks were fewer. Likewise.
        violations: the indices of the probes that all looks which were asked for left suspect.
    """

    judged: Judgement
    cleared: np.ndarray
    open: np.ndarray
    violations: np.ndarray

    @property
    def settled(self) -> Judgement:
        """What is said of the probes that are not open."""
        return self.judged.at(~self.open)


def last_word(
    program: Program, name: str, probes: Probe, rng: np.random.Generator, looks: Sequence[Look] = LADDER
) -> Judgement:
    """Every probe as the last look at it judges it: each look but the first is taken at what is still suspect.

    Args:
        program: evaluates at least this property.
        name: of the property.
        probes: that are suspected.
        rng: of perturbations.
        looks: at least one.
    """
    first, *others = looks
    judged = first(program, name, probes, rng)
    for look in others:
        left = np.flatnonzero(judged.suspect)
        if left.size:
            judged = judged.replaced(left, look(program, name, probes.at(left), rng))
    return judged


def climbed(
    program: Program,
    name: str,
    probes: Probe,
    judged: Judgement,
    rng: np.random.Generator,
    looks: Sequence[Look] = LADDER,
) -> Climbed:
    """Let the suspects of a batch go up, a few at a time, until there is a violation among them.

    Args:
        program: that judged the batch.
        name: of the property.
        probes: the batch.
        judged: what was said of the property there.
        rng: of further perturbations.
        looks: what a violation must survive; with none every suspect is called one, and stays open.
    """
    suspects = np.flatnonzero(judged.suspect)
    now, violations, looked_at, at_a_time = judged, suspects, 0, 1
    while looks and looked_at < suspects.size:
        some = suspects[looked_at : looked_at + at_a_time]
        now = now.replaced(some, last_word(program, name, probes.at(some), rng, looks))
        violations, looked_at = some[now.suspect[some]], looked_at + some.size
        if violations.size:
            break
        at_a_time = min(2 * at_a_time, AT_A_TIME)
    open_ = np.zeros(judged.suspect.shape, dtype=bool)
    open_[suspects[looked_at:]] = True
    if len(looks) < len(LADDER):
        open_[violations] = True
    return Climbed(now, judged.suspect & ~now.suspect, open_, violations)
