"""Where NaN and infinite values of a search come from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from eqprop.claims import Pair
from eqprop.engine import Precision, unexpected
from eqprop.probes import Probe
from eqprop.rounding import Judgement
from eqprop.search.batch import Batch, Facts
from eqprop.search.tally import Tally
from eqprop.validation import why_not_finite


class Infinite:
    """The first probe at which some property was not finite, and what is seen there."""

    def __init__(self) -> None:
        self._seen: tuple[Pair, Probe] | None = None

    def note(self, batch: Batch, facts: Facts, judged: Judgement) -> None:
        """Keep a probe of a batch, if it is the first one and shows where the model was evaluated."""
        infinite = np.flatnonzero(~judged.finite)
        if infinite.size and self._seen is None and {"params", "inputs"} <= facts.needed:
            self._seen = (batch.structure.pair, batch.probes.at(infinite[0]))

    def diagnose(self, tallies: Iterable[Tally], precision: Precision) -> None:
        """Say where the values arise in the tallies that have too many of them."""
        ill = [tally for tally in tallies if tally.not_finite and tally.why_inconclusive()]
        if not ill or self._seen is None:
            return
        pair, probe = self._seen
        try:
            found = why_not_finite(pair, precision, probe.params, probe.inputs)
        except Exception as error:  # noqa: BLE001 - op by op a model may raise what it does not as a whole
            found = f"where they arise cannot be seen ({unexpected(error)})"
        for tally in ill:
            tally.cause = found
