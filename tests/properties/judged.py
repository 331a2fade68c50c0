"""What a handful of probes says of properties of a pair, without a search."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import eqprop
from eqprop.evaluation import Program, applicable
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name

PROBES = 12


def suspected(pair: eqprop.Pair, names: Iterable[str]) -> dict[str, bool]:
    """Whether some of twelve probes is a suspect, of each of these properties that applies; none compares nothing."""
    program = Program(pair, applicable(pair, [by_name(name) for name in names]), SQUARED_ERROR, probes=PROBES)
    rng = np.random.default_rng(0)
    judged = program.judge(program.draw(rng, PROBES), rng)
    assert all((~found.vacuous).any() for found in judged.values())
    return {name: bool(found.suspect.any()) for name, found in judged.items()}
