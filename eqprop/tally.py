"""Evidence for one cell, added up over the batches of a search."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from eqprop.rounding import Judgement

ALLOWED_INCONCLUSIVE = 0.1
"""The part of a cell's probes that may settle nothing before the cell itself counts as inconclusive."""


@dataclass
class Tally:
    """What all probes of one property said so far."""

    probes: int = 0
    inconclusive: int = 0
    not_finite: int = 0
    vacuous: int = 0
    cleared: int = 0
    floors: float = 0.0
    residual: float = 0.0
    floor: float = float("nan")
    resolutions: list[np.ndarray] = field(default_factory=list[np.ndarray])
    architectures: set[Hashable] = field(default_factory=set[Hashable])
    precisions: set[str] = field(default_factory=set[str])

    def add(self, judged: Judgement, architecture: Hashable, precision: str, *, cleared: int = 0) -> None:
        """Count a batch, in which a closer look cleared so many probes of a suspicion."""
        self.cleared += cleared
        self.probes += len(judged.finite)
        self.inconclusive += int(judged.inconclusive.sum())
        self.not_finite += int((~judged.finite).sum())
        self.vacuous += int(judged.vacuous.sum())
        self.architectures.add(architecture)
        self.precisions.add(precision)
        usable = ~judged.inconclusive & ~judged.vacuous
        self.resolutions.append(judged.resolution[usable])
        if usable.any():
            floors = np.where(usable, judged.floors, -1.0)
            worst = int(np.argmax(floors))
            if floors[worst] >= self.floors:
                leaf = judged.worst_leaf[worst]
                self.floors = float(floors[worst])
                self.residual, self.floor = float(judged.residual[worst, leaf]), float(judged.floor[worst, leaf])

    @property
    def conclusive(self) -> int:
        """How many probes compared something and settled it."""
        return self.probes - self.inconclusive - self.vacuous

    def resolution(self) -> tuple[float, float]:
        """The median and the worst resolution over conclusive probes."""
        values = np.concatenate(self.resolutions) if self.resolutions else np.zeros(0)
        return (float(np.median(values)), float(np.max(values))) if values.size else (float("nan"), float("nan"))

    def why_inconclusive(self) -> str:
        """Why the cell cannot count as a pass, or an empty text."""
        if self.probes == 0:
            return "no probe was evaluated"
        if self.inconclusive > ALLOWED_INCONCLUSIVE * self.probes:
            infinite = f", {self.not_finite} of them not finite" if self.not_finite else ""
            return (
                f"{self.inconclusive} of {self.probes} probes settle nothing{infinite}: "
                "kinks, overflow or ill-conditioning leave no digits to compare"
            )
        if self.conclusive == 0:
            return f"at all {self.probes} probes both sides vanish: there is nothing to compare"
        return ""
