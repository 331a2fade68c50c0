"""The looks at a suspicion, each closer than the one before: more copies, rounding inside, and XLA's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from eqprop import rounding
from eqprop.evaluation.copies import closely, measured_at_copies
from eqprop.evaluation.program import Program
from eqprop.probes import Probe
from eqprop.rounding import CONFIRMING_COPIES, Judgement, Measured

Look = Callable[[Program, str, Probe, np.random.Generator], Judgement]
"""Judges one property of a program, by name, at a batch of probes."""


def fresh_perturbations(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
    """Floors from many more perturbed copies of each probe; of a large model from a few, and from many where in doubt.

    What a few leave beyond doubt may still be a kink between both sides, which a copy sees only now and then: all that
    is called a violation is looked at with many copies by ``rounding_inside``.

    Args:
        program: of the pair.
        name: of the property.
        probes: that are suspected: a batch, every field with a leading axis of n.
        rng: of the perturbations and signs.
    """

    def judged(which: np.ndarray, copies: int) -> Judgement:
        return program.judge(probes.at(which), rng, copies, name)[name]

    return closely(judged, probes.count) if program.large else program.judge(probes, rng, CONFIRMING_COPIES, name)[name]


def rounding_inside(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
    """Floors for which every operation inside the program rounds at random, too.

    They see what the program absorbs or saturates, which no perturbation of its inputs shows.

    Args:
        program: of the pair.
        name: of the property.
        probes: that are suspected: a batch, every field with a leading axis of n.
        rng: of the perturbations and signs.
    """
    return rounding.judgement(_measured_inside(program, name, probes, rng), program.eps[name])


def _measured_inside(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Measured:
    def measure(rows: Probe, held: int) -> dict[str, Measured]:
        return {name: program.evaluators.rounding.measured_under_noise(name, rows, held, rng)}

    eps = program.eps[name]
    return measured_at_copies(measure, probes, CONFIRMING_COPIES, eps, rng, large=program.large)[name]


def as_compiled(program: Program, name: str, probes: Probe, rng: np.random.Generator) -> Judgement:
    """One property judged by what XLA makes of it, which is what users run: compiled alone, for this.

    Its residual is the compiled program's. Its floor is the larger one of the floors that perturbed inputs give it
    there, and that random rounding gives it where it is walked. A few copies are compiled first: a compiled row may
    take seconds where others evaluate.

    Args:
        program: of the pair.
        name: of the property.
        probes: that are suspected: a batch, every field with a leading axis of n.
        rng: of the perturbations and signs.
    """
    if program.twofold:
        return rounding_inside(program, name, probes, rng)
    read, eps = probes.only(program.row.named(name).reads(program.pair)), program.eps[name]
    alone = program.evaluators.compiled_alone(name, probes.count)

    def compiled(rows: Probe, held: int) -> dict[str, Measured]:
        return alone.measured(rows, held, rng)

    inside = _measured_inside(program, name, probes, rng).spread

    def judged(which: np.ndarray, copies: int) -> Judgement:
        measured = measured_at_copies(compiled, read.at(which), copies, eps, rng, large=program.large)[name]
        return rounding.judgement(replace(measured, spread=np.fmax(measured.spread, inside[which])), eps)

    return closely(judged, probes.count)


WITHOUT_COMPILING: tuple[Look, ...] = (fresh_perturbations,)
"""The looks that compile nothing more, whoever evaluates: for the hundreds of candidates of shrinking and
simplifying."""

LADDER: tuple[Look, ...] = (*WITHOUT_COMPILING, rounding_inside)
"""The looks at what a search comes across, in their order."""

REPORTED: tuple[Look, ...] = (*LADDER, as_compiled)
"""The looks that what is reported must survive. The last one has the last word, and compiles a program for it: it is
taken at a counterexample once that is shrunk."""
