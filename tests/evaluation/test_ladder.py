"""The ladder from a suspicion to a violation: who is looked at, how often, and what counts in the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eqprop.evaluation import LADDER, WITHOUT_COMPILING, climbed, last_word
from eqprop.probes import Probe
from eqprop.rounding import Judgement

PROGRAM: Any = None
"""The looks of these tests ask none."""

SEEMING, FLOOR = 1e3, 1.0
"""A residual, in floors, that only a closer look tells from a violation; and the floor."""


def judgement(floors: np.ndarray) -> Judgement:
    """One leaf for each probe, whose sides are large enough to tell."""
    size = np.full((len(floors), 1), 1e9)
    return Judgement(floors[:, None], np.full_like(size, FLOOR), size, np.ones(len(floors), bool), size[:, 0] == 0)


def batch(count: int) -> Probe:
    """Probes that are their own numbers."""
    return Probe(params=(np.arange(count, dtype=float),))


class Looks:
    """Looks that each clear some of the probes, and note whom they were taken at."""

    def __init__(self, *clearing: set[int]) -> None:
        self.clearing = clearing
        self.taken: list[tuple[int, list[int]]] = []

    def __iter__(self) -> Any:
        return iter([self._look(i) for i in range(len(self.clearing))])

    def _look(self, i: int) -> Any:
        def look(program: Any, name: str, probes: Probe, rng: Any) -> Judgement:
            del program, name, rng
            numbers = [int(n) for n in probes.params[0]]
            self.taken.append((i, numbers))
            return judgement(np.array([float(i) if n in self.clearing[i] else SEEMING for n in numbers]))

        return look


RNG = np.random.default_rng(0)


def test_the_looks_that_compile_nothing_are_the_lower_part_of_the_ladder():
    assert WITHOUT_COMPILING
    assert LADDER[: len(WITHOUT_COMPILING)] == WITHOUT_COMPILING != LADDER


def test_each_look_is_taken_at_what_those_before_it_left_suspect():
    looks = Looks({0, 1}, {2}, set())
    found = last_word(PROGRAM, "p", batch(4), RNG, tuple(looks))
    assert looks.taken == [(0, [0, 1, 2, 3]), (1, [2, 3]), (2, [3])]
    assert found.floors.tolist() == [0.0, 0.0, 1.0, SEEMING]


def test_no_look_is_taken_at_what_was_never_suspect():
    looks = Looks(set(), set())
    found = climbed(PROGRAM, "p", batch(3), judgement(np.array([1.0, 2.0, 3.0])), RNG, tuple(looks))
    assert looks.taken == []
    assert (found.violations.size, found.cleared.any(), found.open.any()) == (0, False, False)
    assert found.settled.floors.tolist() == [1.0, 2.0, 3.0]


def test_what_a_look_clears_counts_as_that_look_judged_it_and_is_told():
    suspects = judgement(np.array([2.0, SEEMING, SEEMING]))
    found = climbed(PROGRAM, "p", batch(3), suspects, RNG, tuple(Looks({1}, {1, 2})))
    assert found.settled.floors.tolist() == [2.0, 0.0, 1.0]
    assert found.cleared.tolist() == [False, True, True]
    assert not found.violations.size


def test_one_violation_is_enough_and_those_that_nobody_looked_at_are_open():
    looks = Looks(set(range(10)), set())
    found = climbed(PROGRAM, "p", batch(40), judgement(np.full(40, SEEMING)), RNG, tuple(looks))
    assert [numbers for i, numbers in looks.taken if i == 0] == [[0], [1, 2], [3, 4, 5, 6], list(range(7, 15))]
    assert found.violations.tolist() == list(range(10, 15))
    assert found.cleared.nonzero()[0].tolist() == list(range(10))
    assert found.open.nonzero()[0].tolist() == list(range(15, 40))
    assert len(found.settled.finite) == 15


def test_no_more_than_eight_suspects_go_up_together():
    looks = Looks(set(range(30)), set())
    climbed(PROGRAM, "p", batch(40), judgement(np.full(40, SEEMING)), RNG, tuple(looks))
    assert [len(numbers) for i, numbers in looks.taken if i == 0] == [1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("looks", [0, 1], ids=["none", "all but the last word"])
def test_a_violation_without_the_last_word_stays_open(looks: int):
    found = climbed(
        PROGRAM, "p", batch(3), judgement(np.array([1.0, SEEMING, SEEMING])), RNG, tuple(Looks({1}))[:looks]
    )
    assert found.violations.tolist() == [1, 2][looks:]
    assert found.open.nonzero()[0].tolist() == [1, 2][looks:]
    assert found.settled.floors.max() < SEEMING
