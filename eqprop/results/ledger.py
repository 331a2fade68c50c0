"""All cells (pair × property) that a run was expected to fill, and what filled them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from eqprop.results.verdict import Outcome, PairName, PropertyName, Verdict

Cell = tuple[str, str]
Applying = Mapping[str, Collection[str]]
"""Pair → the properties that are known to apply to it."""

NOTHING_KEPT: Applying = MappingProxyType({})
Digests = Mapping[str, str]
"""Pair → what it was when a ledger was written, in a few characters."""

NO_DIGESTS: Digests = MappingProxyType({})
NOBODY = "expected, and nothing verified it"


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

    def verdicts(self, orders: Mapping[str, int], why: str = "") -> dict[Cell, Verdict]:
        """What filled each expected cell, "missing" where nothing did; the cells that were filled come first.

        Args:
            orders: property → its order, of the cells that nothing filled.
            why: nothing did, where that is known.
        """
        found = {cell: self._held_to(verdict) for cell, verdict in self.filled.items()}
        absent = sorted(self.expected - found.keys())
        return found | {cell: missing(*cell, orders.get(cell[1], 0), why) for cell in absent}

    def _held_to(self, verdict: Verdict) -> Verdict:
        return vanished(verdict) if verdict.cell in self.applying else verdict


def missing(pair: str, name: str, order: int, why: str = "") -> Verdict:
    """The verdict of an expected cell that nothing filled.

    Args:
        pair: its name.
        name: of the property.
        order: of the derivatives that the property looks at.
        why: nothing did, where that is known.
    """
    reason = f"{NOBODY}: {why}" if why else NOBODY
    return Verdict(PairName(pair), PropertyName(name, order), Outcome.MISSING, reason)


def vanished(verdict: Verdict) -> Verdict:
    """The verdict of a cell whose property is known to apply: missing, where it does not any more."""
    if verdict.outcome is not Outcome.NOT_APPLICABLE:
        return verdict
    return replace(verdict, outcome=Outcome.MISSING, reason=f"expected, and does not apply any more: {verdict.reason}")
