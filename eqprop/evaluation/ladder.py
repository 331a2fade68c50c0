"""The ladder from a suspicion to a violation: closer and closer looks, each at what those before it left suspect.

A batch is judged with floors from a few perturbed copies of each probe. What is suspect then is judged again with many
copies, and what still is with random rounding of every operation inside the program; what is to be reported is judged
by the compiled program at last. What a look clears counts as that look judged it; a violation is what every look left
suspect, and nothing else is called one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqprop.evaluation.looks import LADDER, Look
from eqprop.evaluation.program import Program
from eqprop.probes import Probe
from eqprop.rounding import Judgement

AT_A_TIME = 8
"""How many suspects go up together at most, where one violation is enough. The first one goes alone, because most that
are suspect are violations; then twice as many each time."""


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
