"""Every costly property holds on some pair, and is falsified where the model no longer is what the pair claims."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import eqprop
from eqprop.evaluation import Program, applicable, rounding_inside
from eqprop.probes import SQUARED_ERROR
from eqprop.probes.losses import SMOOTH
from eqprop.properties import HIGHER, LIBRARY
from eqprop.rounding import Judgement
from tests.properties.library_pairs import PAIRS, broken

pytestmark = pytest.mark.slow

COSTLY = tuple(prop for prop in LIBRARY if prop.costly) + tuple(HIGHER.values())[:1]
PROBES = 12
OF_K_ALONE = {"charge-form", "bracket"}
"""Statements about the transformation: a broken model does not touch them. Mutants of K falsify them."""

OF_CALCULUS = {"hessian-integral"}
"""Likewise of any function that is differentiated rightly, whatever its symmetry (test_derivatives.py)."""


@cache
def judged(make, *, good: bool) -> dict[str, Judgement]:
    pair = make() if good else broken(make())
    program = Program(pair, applicable(pair, COSTLY), SQUARED_ERROR if good else SMOOTH, probes=PROBES)
    rng = np.random.default_rng(4)
    probes = program.draw(rng, PROBES)
    found = program.judge(probes, rng)
    for name, judgement in found.items() if good else ():
        suspects = np.flatnonzero(judgement.suspect)
        assert not suspects.size or not rounding_inside(program, name, probes.at(suspects), rng).suspect.any(), name
    return found


def conclusive(judgement: Judgement) -> np.ndarray:
    return ~judgement.inconclusive & ~judgement.vacuous


@pytest.mark.parametrize("make", PAIRS, ids=[make.__name__ for make in PAIRS])
def test_what_applies_holds_and_most_probes_settle_it(make):
    for name, judgement in judged(make, good=True).items():
        assert conclusive(judgement).sum() >= PROBES // 2, name
        assert np.median(judgement.resolution[conclusive(judgement)]) < 1e-6, name


@pytest.mark.parametrize("make", PAIRS, ids=[make.__name__ for make in PAIRS])
def test_what_applies_is_falsified_once_the_model_is_broken(make):
    for name, judgement in judged(make, good=False).items():
        if name not in OF_K_ALONE | OF_CALCULUS:
            assert judgement.suspect.any(), name


def test_every_costly_property_applies_to_one_of_the_pairs():
    covered = {name for make in PAIRS for name in judged(make, good=True)}
    assert covered == {prop.name for prop in COSTLY}


def test_a_generator_that_slides_along_the_orbit_is_falsified_by_the_bracket_alone():
    from eqprop.mutants import slides_along_orbit

    pair = slides_along_orbit().broken(PAIRS[0]())
    assert isinstance(pair, eqprop.Pair)
    program = Program(pair, applicable(pair, LIBRARY), SQUARED_ERROR)
    rng = np.random.default_rng(1)
    found = program.judge(program.draw(rng, PROBES), rng)
    assert {name for name, judgement in found.items() if judgement.suspect.any()} == {"bracket"}
