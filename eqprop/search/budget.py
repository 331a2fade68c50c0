"""How the budget of a search is spent: which properties are judged on which architecture."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import groupby
from math import inf

from eqprop.claims import Pair
from eqprop.engine import LARGE
from eqprop.profiles import Profile
from eqprop.properties import Property
from eqprop.search.tally import Tally

AFTER_FALSIFICATION = 3
"""How many further batches are judged once something is falsified: other cells of a broken pair matter less."""

COSTLY_EVERY = 4
"""Batches between two on which the costly properties are judged, too; the first is the second one, because hypothesis
begins with the smallest architecture."""


class Budget:
    """The budget of one search.

    Args:
        profile: what may be spent.
        asked: the properties.
        tallies: what was judged so far, by their names.

    Attributes:
        costly_batches: on how many batches the costly properties were judged.
    """

    def __init__(self, profile: Profile, asked: Sequence[Property], tallies: Mapping[str, Tally]) -> None:
        self._profile = profile
        self._asked = tuple(asked)
        self._tallies = tallies
        self._most: float = inf  # batches, once something is falsified
        self._orders: dict[Hashable, float] = {}  # up to which order properties are judged on an architecture
        self._batches = 0
        self.costly_batches = 0

    @property
    def architectures(self) -> int:
        """How many distinct ones were admitted."""
        return len(self._orders)

    @property
    def probes(self) -> int:
        """Judged so far by the property with the most."""
        return max(tally.probes for tally in self._tallies.values())

    def admits(self, pair: Pair) -> bool:
        """Whether a batch on this pair is within the budget of architectures; a new one is counted."""
        if self.spent:
            return False
        if pair.key not in self._orders:
            if self.architectures == self._profile.architectures:
                return False
            self._orders[pair.key] = self._profile.highest_order(len(self._orders))
        elif list(self._orders.values()).count(inf) < self._profile.second_order:
            self._orders[pair.key] = inf  # few architectures are drawn again and again: they are judged in full
        self._batches += 1
        return True

    def spare(self) -> None:
        """Something is falsified: admit few more batches."""
        self._most = min(self._most, self._batches + AFTER_FALSIFICATION)

    @property
    def spared(self) -> bool:
        """Whether something is falsified, and other cells matter less."""
        return self._most < inf

    @property
    def spent(self) -> bool:
        """Whether nothing more is admitted, whatever is drawn."""
        return self._batches >= self._most

    def cheap(self, pair: Pair) -> list[Property]:
        """The properties that are not costly, up to the pair's order; all where none is of such a low order."""
        cheap, order = [prop for prop in self._asked if not prop.costly and not prop.twofold], self._orders[pair.key]
        return [prop for prop in cheap if prop.order <= order or self._silent(prop)] or cheap

    def costly(self, pair: Pair) -> list[list[Property]]:
        """The costly properties, on some batches (one for a large model); on later ones the silent and the unheard.

        In parts, each for a program of its own: XLA's time outgrows the program (docs/decisions/evaluating.md).
        """
        if self._batches % COSTLY_EVERY != 2:
            return []
        most = 1 if pair.model.param_leaves.size >= LARGE else self._profile.costly_batches
        if self.costly_batches < most:
            return self.all_costly()
        return _parts(prop for prop in self._asked if prop.costly and (self._silent(prop) or self._unheard(prop)))

    def all_costly(self) -> list[list[Property]]:
        """The costly properties in their parts, for a batch more."""
        self.costly_batches += 1
        return self.costly_parts

    @property
    def costly_parts(self) -> list[list[Property]]:
        """The costly properties in their parts."""
        return _parts(prop for prop in self._asked if prop.costly)

    def _silent(self, prop: Property) -> bool:
        """Whether a property was judged and settled nothing yet: both sides may vanish on some architectures."""
        tally = self._tallies[prop.name]
        return tally.probes > 0 and tally.conclusive == 0

    def _unheard(self, prop: Property) -> bool:
        """Whether a property was never judged: it may apply to none of the simplest architectures, which come first."""
        return self._tallies[prop.name].probes == 0


def by_order(properties: Iterable[Property]) -> list[list[Property]]:
    """Properties in parts of one order each, the lowest first: what costs least is known soonest."""
    ranked = sorted(properties, key=lambda prop: prop.order)
    return [list(part) for _, part in groupby(ranked, key=lambda prop: prop.order)]


def _parts(properties: Iterable[Property]) -> list[list[Property]]:
    """Those of first order (trajectories, mostly), and the others."""
    given = list(properties)
    parts = [prop for prop in given if prop.order < 2], [prop for prop in given if prop.order >= 2]
    return [part for part in parts if part]
