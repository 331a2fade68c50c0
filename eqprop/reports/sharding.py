"""A part of a run's pairs: the i-th of n, over their sorted names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from eqprop.arguments import short
from eqprop.errors import InvalidInput


@dataclass(frozen=True)
class Shard:
    """Every n-th pair, beginning with the i-th. Pairs and not cells: the cells of a pair share one search.

    Attributes:
        index: i, from 1.
        count: n.
    """

    index: int
    count: int

    @classmethod
    def of(cls, text: str) -> Shard:
        """``"2/5"``.

        Raises:
            InvalidInput: for anything else.
        """
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            msg = f"the shard is {short(text)}; expected i/n with i from 1 to n, as in 2/5."
            raise InvalidInput(msg)
        return cls(int(found[1]), int(found[2]))

    def part(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names that are of this shard. All shards together have each name once."""
        return frozenset(sorted(names)[self.index - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
