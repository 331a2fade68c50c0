"""All cells (pair × property) that a run was expected to fill, and what filled them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eqprop.results.verdict import Outcome, Verdict

Cell = tuple[str, str]


@dataclass
class Ledger:
    """Cells are expected before a run and filled during it; one that is never filled is a failure of the run.

    Attributes:
        expected: cells that must have a verdict.
        applying: those of them in which the property is known to apply: "not applicable" does not fill them.
        filled: what was found.
    """

    expected: set[Cell] = field(default_factory=set[Cell])
    applying: set[Cell] = field(default_factory=set[Cell])
    filled: dict[Cell, Verdict] = field(default_factory=dict[Cell, Verdict])

    def expect(self, pair: str, properties: Iterable[str], applying: Iterable[str] = ()) -> None:
        """Expect a verdict for each property of a pair, and another one than "not applicable" for some of them.

        Args:
            pair: its name.
            properties: asked of it.
            applying: those of which something else than "not applicable" is expected.
        """
        cells = {(pair, name) for name in properties}
        self.expected |= cells
        self.applying |= cells & {(pair, name) for name in applying}

    def fill(self, verdicts: Iterable[Verdict]) -> None:
        """Record verdicts; a later one for the same cell replaces the earlier."""
        self.filled |= {verdict.cell: verdict for verdict in verdicts}

    @property
    def missing(self) -> tuple[Cell, ...]:
        """Expected cells without a verdict, or with none although the property is known to apply."""
        vanished = {c for c in self.applying & self.filled.keys() if self.filled[c].outcome is Outcome.NOT_APPLICABLE}
        return tuple(sorted((self.expected - self.filled.keys()) | vanished))
