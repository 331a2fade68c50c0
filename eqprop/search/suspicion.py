"""The closer look at suspected probes: which of them are violations, and what the others are after all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqprop.evaluation import Program
from eqprop.probes import Probe
from eqprop.rounding import CONFIRMING_COPIES, Judgement
from eqprop.search.drawing import Drawn

AT_A_TIME = 8
"""How many suspected probes are looked into together; one violation is enough to falsify, and ends it."""


@dataclass(frozen=True)
class Batch:
    """Probes of a structure, and what a program said of each property there.

    Attributes:
        structure: what was probed.
        program: of some properties.
        probes: drawn for them.
        judged: by property name.
        rng: draws what is still to be drawn.
    """

    structure: Drawn
    program: Program
    probes: Probe
    judged: dict[str, Judgement]
    rng: np.random.Generator


def looked_into(batch: Batch, name: str, *, under_noise: bool) -> tuple[Judgement, np.ndarray]:
    """Judge the suspects of a batch again until one of them is a violation.

    Args:
        batch: with what was said of the property.
        name: of the property.
        under_noise: whether a violation must also survive random rounding inside the program, which compiles another.

    Returns:
        The judgement, with what the closer look says of the probes that it clears, and which probes violate it.
    """
    judged = batch.judged[name]
    suspects = np.flatnonzero(judged.suspect)
    for start in range(0, suspects.size, AT_A_TIME):
        left = suspects[start : start + AT_A_TIME]
        looks = (_with_many_copies, _under_noise) if under_noise else (_with_many_copies,)
        for look in looks:
            if left.size:
                closer = look(batch, name, left)
                cleared = ~closer.suspect
                judged, left = judged.replaced(left[cleared], closer.at(cleared)), left[~cleared]
        if left.size:
            return judged, left
    return judged, suspects[:0]


def _with_many_copies(batch: Batch, name: str, which: np.ndarray) -> Judgement:
    return batch.program.judge(batch.probes.at(which), batch.rng, copies=CONFIRMING_COPIES)[name]


def _under_noise(batch: Batch, name: str, which: np.ndarray) -> Judgement:
    return batch.program.under_noise(name, batch.probes.at(which), batch.rng)
