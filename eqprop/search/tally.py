"""Evidence for one cell, added up over the batches of a search, each after the ladder."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from eqprop.engine import FINEST, Roundoff, coarsest
from eqprop.evaluation import Climbed
from eqprop.rounding import UNSETTLED, bar_of
from eqprop.search.batch import Facts

CHANCE = 3
"""Standard deviations by which the number of probes that settle nothing may exceed the part that is allowed."""


@dataclass
class Tally:
    """What all probes of one property said so far.

    Every figure but the number of probes is of those that are settled: a suspect that not all looks were taken at is
    neither a violation nor cleared, and how many floors it seemed to have says nothing.

    Attributes:
        cause: what leaves no digits to compare and what to do about it, once that was looked into.
        set_by: the operation, or the input, that the most of them are lost in; likewise.
    """

    probes: int = 0
    inconclusive: int = 0
    not_finite: int = 0
    vacuous: int = 0
    cleared: int = 0
    cause: str = ""
    set_by: str = ""
    floors: float = 0.0
    residual: float = 0.0
    floor: float = float("nan")
    resolutions: list[np.ndarray] = field(default_factory=list[np.ndarray])
    unresolved: list[np.ndarray] = field(default_factory=list[np.ndarray])
    architectures: set[Hashable] = field(default_factory=set[Hashable])
    units: set[Roundoff] = field(default_factory=set[Roundoff])
    by_jax: dict[str, None] = field(default_factory=dict[str, None])
    why_compiled: str = ""

    def add(self, found: Climbed, architecture: Hashable, unit: Roundoff) -> None:
        """Count a batch by what its last looks said.

        Args:
            found: the judgements of the batch's probes, each by its last look.
            architecture: that they were drawn for.
            unit: the roundoff that they were judged in.
        """
        judged = found.settled
        self.cleared += int(found.cleared.sum())
        self.probes += len(found.judged.finite)
        self.inconclusive += int(judged.inconclusive.sum())
        self.not_finite += int((~judged.finite).sum())
        self.vacuous += int(judged.vacuous.sum())
        self.architectures.add(architecture)
        self.units.add(unit)
        usable = ~judged.inconclusive & ~judged.vacuous
        self.resolutions.append(judged.resolution[usable])
        self.unresolved.append(judged.resolution[judged.inconclusive])
        if usable.any():
            floors = np.where(usable, judged.floors, -1.0)
            worst = int(np.argmax(floors))
            if floors[worst] >= self.floors:
                leaf = judged.worst_leaf[worst]
                self.floors = float(floors[worst])
                self.residual, self.floor = float(judged.residual[worst, leaf]), float(judged.floor[worst, leaf])

    def evaluated_by(self, facts: Facts) -> None:
        """Note what a batch was judged by."""
        self.by_jax |= dict.fromkeys(facts.by_jax)
        self.why_compiled = self.why_compiled or facts.why_compiled

    @property
    def conclusive(self) -> int:
        """How many probes compared something and settled it."""
        return self.probes - self.inconclusive - self.vacuous

    @property
    def looked_at(self) -> str:
        """What was judged, in words."""
        if not self.probes:
            return "this was not judged at all"
        return f"this was judged at {self.probes} probes of {len(self.architectures)} architectures"

    @property
    def all_vacuous(self) -> bool:
        """Whether both sides vanished wherever they were evaluated, but for a few probes that settle nothing."""
        return self.vacuous > 0 == self.conclusive and not self.unsettled

    def resolution(self) -> tuple[float, float]:
        """The median over the probes that compared something, settled or not, and the worst over conclusive ones."""
        settled = np.concatenate(self.resolutions) if self.resolutions else np.zeros(0)
        if not settled.size:
            return float("nan"), float("nan")
        compared = np.concatenate([settled, *(np.where(np.isnan(r), np.inf, r) for r in self.unresolved)])
        return float(np.quantile(compared, 0.5, method="lower")), float(np.max(settled))

    @property
    def precision(self) -> str:
        """The names of the lowest precisions of the programs."""
        return ", ".join(sorted({unit.name for unit in self.units}))

    def why_inconclusive(self) -> str:
        """Why the cell cannot count as a pass, or an empty text."""
        if self.probes == 0:
            return "no probe was evaluated"
        if self.unsettled:
            return f"{self.unsettled_text}: {self._why_foggy()}"
        if self.conclusive == 0:
            where = f"all {self.probes}" if self.vacuous == self.probes else f"{self.vacuous} of {self.probes}"
            return f"at {where} probes both sides vanish: there is nothing to compare"
        return ""

    @property
    def unsettled_text(self) -> str:
        """How many of the probes settle nothing, in words."""
        infinite = f", {self.not_finite} of them not finite" if self.not_finite else ""
        return f"{self.inconclusive} of {self.probes} probes settle nothing{infinite}"

    def settles(self, share: float) -> bool:
        """Whether at most this share of the probes settles nothing, and some probe settles something."""
        return self.conclusive > 0 and self.inconclusive <= share * self.probes

    @property
    def unsettled(self) -> bool:
        """Whether too many probes settle nothing: the median of those that compared something must tell, in any case.

        Few probes may be unlucky: of sixteen, where a fifteenth of all lie at kinks, two or three often do. That half
        of the digits are gone excuses no NaN; half precision runs out of range as well.
        """
        bar = bar_of(coarsest(self.units).eps)
        most = bar.unsettled * self.probes + CHANCE * math.sqrt(bar.unsettled * (1 - bar.unsettled) * self.probes)
        infinite = self.not_finite if not bar.coarse else 0
        settled = self.conclusive or self.vacuous
        return self.inconclusive > min(most, settled) or infinite > UNSETTLED * self.probes

    def _why_foggy(self) -> str:
        """What leaves no digits to compare: what is not finite, where that was seen, or a low precision."""
        if self.cause:
            return self.cause
        unit = coarsest(self.units)
        if unit.eps <= FINEST.eps:
            return "kinks, overflow or ill-conditioning leave no digits to compare"
        if not unit.origin:
            return f"{unit.name} leaves too few digits to compare; verify with precision='float64'"
        finer = "float64" if unit.name == "float32" else "float64 (or float32)"
        lost = f" (most are lost in {self.set_by})" if self.set_by else ""
        return (
            f"the model computes in {unit.name} from {unit.origin} on, which leaves too few digits to compare{lost}; "
            f"build it with dtype={finer} for verification"
        )
