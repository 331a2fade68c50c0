"""Candidates of a simpler counterexample: its numbers in a row, and which simple group and algebra elements it uses.

A large model has millions of numbers and hundreds of candidates, so a change is kept as what it alters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from eqprop.probes import READABLE

SIMPLEST_FIRST = np.array([0.0, *READABLE])
UNREADABLE = 2 * len(SIMPLEST_FIRST)
FINEST_BLOCKS = 128


def complexity(numbers: np.ndarray) -> np.ndarray:
    """How far each number is from readable: 0 for a zero, more for each simple number, most for any other."""
    far = np.full(np.shape(numbers), UNREADABLE, np.int8)
    for rank, simple in enumerate(SIMPLEST_FIRST):
        far[numbers == simple] = rank
    return far


@dataclass(frozen=True)
class Draft:
    """A candidate.

    Attributes:
        numbers: all real ones, in a row.
        picks: of each field that holds an element, which of the simple ones it is; −1 is the original element.
    """

    numbers: np.ndarray
    picks: np.ndarray

    def complexity(self) -> int:
        return int(
            complexity(self.numbers).sum(dtype=np.int64) + np.where(self.picks < 0, UNREADABLE, self.picks).sum()
        )


@dataclass(frozen=True)
class Change:
    """A block of a draft's numbers that are all made the same simple one, or another pick.

    Attributes:
        saved: by how much it makes the draft simpler.
        start: where the block begins.
        stop: where it ends; no later than it begins where a pick is changed.
        value: what they are made.
        chosen: whose pick is changed, by its place; −1 where numbers are.
        pick: what it is made.
    """

    saved: int = field(compare=False)
    start: int = 0
    stop: int = 0
    value: float = 0.0
    chosen: int = -1
    pick: int = -1

    def applied(self, draft: Draft, original: Draft) -> Draft:
        """The changed draft; what differs from the original already stays as it is."""
        numbers, picks = draft.numbers, draft.picks
        if self.chosen >= 0:
            picks = picks.copy()
            if picks[self.chosen] == original.picks[self.chosen]:
                picks[self.chosen] = self.pick
        else:
            numbers = numbers.copy()
            here = numbers[self.start : self.stop]
            here[here == original.numbers[self.start : self.stop]] = self.value
        return Draft(numbers, picks)


def changes(draft: Draft, simple: Sequence[int], spoiling: Collection[Change]) -> list[Change]:
    """What makes a draft simpler, one block of numbers or one pick at a time; what saves most comes first.

    Args:
        draft: to be changed.
        simple: how many simple elements there are of each field that holds one.
        spoiling: what left no violation of drafts before this one, and comes last.
    """
    found = [*_of_numbers(draft.numbers), *_of_picks(draft.picks, simple)]
    return sorted(found, key=lambda change: (change in spoiling, -change.saved))


def _of_numbers(numbers: np.ndarray) -> Iterator[Change]:
    far, size = complexity(numbers), len(numbers)
    while size:
        starts = np.arange(0, len(numbers), size)
        worth = np.add.reduceat(far, starts, dtype=np.int64)
        left = np.flatnonzero(worth)  # zeros are done with
        for block in left if len(left) <= FINEST_BLOCKS else ():
            start, stop = int(starts[block]), min(int(starts[block]) + size, len(numbers))
            for rank, value in enumerate(SIMPLEST_FIRST[: 6 if size == 1 else 2]):
                saved = int(worth[block]) - rank * (stop - start)
                if saved > 0:
                    yield Change(saved, start, stop, float(value))
        size //= 2


def _of_picks(picks: np.ndarray, simple: Sequence[int]) -> Iterator[Change]:
    for chosen, count in enumerate(simple):
        now = int(picks[chosen])
        for pick in range(count if now < 0 else now):
            yield Change((UNREADABLE if now < 0 else now) - pick, chosen=chosen, pick=pick)


def accumulated(draft: Draft, some: Iterable[Change]) -> list[Draft]:
    """The draft with the first of some changes, the first two, four and so on, and with all of them."""
    made, together = list[Draft](), draft
    todo = list(some)
    for count, change in enumerate(todo, start=1):
        together = change.applied(together, draft)
        if count == len(todo) or not count & (count - 1):
            made.append(together)
    return made


@dataclass(frozen=True)
class Undone:
    """What a draft was before it was changed.

    Attributes:
        where: indices of the numbers that are others now.
        numbers: what they were.
        picks: all picks, as they were.
    """

    where: np.ndarray
    numbers: np.ndarray
    picks: np.ndarray

    @classmethod
    def between(cls, before: Draft, after: Draft) -> Undone:
        where = np.flatnonzero(before.numbers != after.numbers)
        return cls(where, before.numbers[where], before.picks)

    def applied(self, after: Draft) -> Draft:
        """The draft as it was."""
        numbers = after.numbers.copy()
        numbers[self.where] = self.numbers
        return Draft(numbers, self.picks)
