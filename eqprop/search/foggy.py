"""Where the digits of a search's unsettled probes went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from eqprop.engine import FINEST, Precision, Unsupported, coarsest, numbers_context, unexpected
from eqprop.evaluation import Fog, Row, fog_of
from eqprop.probes import Probe
from eqprop.properties import Property
from eqprop.rounding import Judgement
from eqprop.search.batch import Batch, Facts
from eqprop.search.tally import Tally

LOOKED_AT = 4
"""Probes of one batch that are looked into together; one of a model with many parameters."""


@dataclass(frozen=True)
class _Seen:
    """Probes of a property that settle nothing: not the batch, whose program would be kept with it."""

    row: Callable[[], Row]
    probes: Probe
    seed: int

    def fog(self, precision: Precision) -> Fog | str | None:
        """What makes the floor at these probes, or why that cannot be seen."""
        try:
            with numbers_context(precision):
                return fog_of(self.row(), self.probes, np.random.default_rng(self.seed))
        except Unsupported as error:
            return f"NumPy has nothing for {error}"
        except Exception as error:  # noqa: BLE001 - op by op a model may raise what it does not as a whole
            return unexpected(error)


class Foggy:
    """The first probes at which each property was finite and settled nothing, and what is seen there."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._known: dict[str, Fog | str | None] = {}

    def note(self, batch: Batch, facts: Facts, prop: Property, judged: Judgement) -> None:
        """Keep probes of a batch, if they are the first ones of their property."""
        unsettled = np.flatnonzero(judged.inconclusive & judged.finite)
        if unsettled.size and prop.name not in self._seen and not prop.twofold:
            some = unsettled[: 1 if facts.large else LOOKED_AT]
            probes = batch.probes.at(some).only(prop.reads(batch.structure.pair))
            self._seen[prop.name] = _Seen(batch.row(prop), probes, batch.structure.seed)

    def diagnose(self, tallies: Mapping[str, Tally], precision: Precision) -> None:
        """Say what leaves no digits in the tallies that are inconclusive for it."""
        for name, tally in tallies.items():
            if name in self._seen and not tally.cause and tally.unsettled:
                if name not in self._known:
                    self._known[name] = self._seen[name].fog(precision)
                _tell(tally, self._known[name])


def _tell(tally: Tally, found: Fog | str | None) -> None:
    """Of a low precision a tally knows the reason itself, and needs the operation alone."""
    if isinstance(found, str):
        tally.cause = f"kinks, overflow or ill-conditioning leave no digits to compare; where cannot be seen ({found})"
    elif found is not None:
        tally.set_by = found.source
        if found.kink or coarsest(tally.units).eps <= FINEST.eps:
            tally.cause = f"{found.said}; {found.remedy}"
