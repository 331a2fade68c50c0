"""Modules of PyTorch judged without a search: properties at some probes of one pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import eqprop
from eqprop.evaluation import Program, applicable, last_word
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import CORE, Property
from eqprop.rounding import Judgement


def judged(
    pair: eqprop.Pair, probes: int = 32, precision: Any = "float64", properties: Sequence[Property] = CORE
) -> tuple[Program, Probe, dict[str, Judgement]]:
    """The program, its probes, and what is said of each property that applies."""
    program = Program(pair, applicable(pair, properties), SQUARED_ERROR, precision)
    rng = np.random.default_rng(0)
    drawn = program.draw(rng, probes)
    return program, drawn, program.judge(drawn, rng)


def violated(
    pair: eqprop.Pair, probes: int = 32, precision: Any = "float64", properties: Sequence[Property] = CORE
) -> set[int]:
    """The orders of the properties that are violated at some probe, after every look but the compiled one."""
    program, drawn, found = judged(pair, probes, precision, properties)
    orders = {prop.name: prop.order for prop in program.properties}
    rng = np.random.default_rng(1)
    return {
        orders[name]
        for name, judgement in found.items()
        if judgement.suspect.any()
        and last_word(program, name, drawn.at(np.flatnonzero(judgement.suspect)[:2]), rng).suspect.any()
    }
