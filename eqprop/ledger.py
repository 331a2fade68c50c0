"""All cells (pair × property) that a run was expected to fill, and what filled them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eqprop.verdict import Verdict

Cell = tuple[str, str]


@dataclass
class Ledger:
    """Cells are expected before a run and filled during it; one that is never filled is a failure of the run."""

    expected: set[Cell] = field(default_factory=set[Cell])
    filled: dict[Cell, Verdict] = field(default_factory=dict[Cell, Verdict])

    def expect(self, pair: str, properties: Iterable[str]) -> None:
        """Expect a verdict for each property of a pair."""
        self.expected |= {(pair, name) for name in properties}

    def fill(self, verdicts: Iterable[Verdict]) -> None:
        """Record verdicts; a later one for the same cell replaces the earlier."""
        self.filled |= {verdict.cell: verdict for verdict in verdicts}

    @property
    def missing(self) -> tuple[Cell, ...]:
        """Expected cells without a verdict."""
        return tuple(sorted(self.expected - self.filled.keys()))
