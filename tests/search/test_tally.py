"""Evidence of a cell, added up over batches."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop.engine import FINEST, Roundoff
from eqprop.evaluation import Climbed
from eqprop.rounding import Judgement
from eqprop.search import Tally


def judged(residual, floor, size, *, finite=True, vacuous=False):
    """One probe, one leaf for each number."""
    leaves = (np.array([residual], float), np.array([floor], float), np.array([size], float))
    return Judgement(*leaves, finite=np.array([finite]), vacuous=np.array([vacuous]))


GOOD = ([1.0], [1.0], [1e6])


def climbed(batch, *, open_=False):
    suspects = np.flatnonzero(batch.suspect)
    return Climbed(batch, np.zeros(1, dtype=bool), np.array([open_]), suspects)


def tally_of(*batches, unit=FINEST):
    tally = Tally()
    for i, batch in enumerate(batches):
        tally.add(climbed(batch), f"architecture {i}", unit)
    return tally


def test_nothing_is_no_pass():
    assert tally_of().why_inconclusive() == "no probe was evaluated"


def test_one_probe_that_settles_nothing_is_no_reason_to_say_something_of_what_vanishes_everywhere():
    empty, infinite = judged([0.0], [1.0], [0.0], vacuous=True), judged([np.nan], [np.nan], [np.nan], finite=False)
    assert tally_of(*[empty] * 30, infinite).all_vacuous
    assert not tally_of(*[empty] * 30, *[infinite] * 20).all_vacuous
    assert not tally_of(*[empty] * 30, judged(*GOOD)).all_vacuous
    assert not tally_of(infinite).all_vacuous


def test_conclusive_probes_pass():
    tally = tally_of(judged(*GOOD), judged(*GOOD))
    assert tally.why_inconclusive() == ""
    assert (tally.probes, tally.conclusive, len(tally.architectures)) == (2, 2, 2)


def test_infinite_probes_are_counted_and_said():
    tally = tally_of(judged([np.inf], [np.inf], [np.inf], finite=False))
    assert tally.why_inconclusive().startswith("1 of 1 probes settle nothing, 1 of them not finite")
    assert tally.conclusive == 0


@pytest.mark.parametrize(("probes", "most"), [(10, 3), (16, 5), (64, 13), (1000, 128)])
def test_one_inconclusive_probe_in_ten_is_allowed_and_what_chance_makes_of_it(probes: int, most: int):
    foggy, good = judged([1.0], [1.0], [1.0]), judged(*GOOD)
    assert tally_of(*[foggy] * most, *[good] * (probes - most)).why_inconclusive() == ""
    reason = tally_of(*[foggy] * (most + 1), *[good] * (probes - most - 1)).why_inconclusive()
    assert f"{most + 1} of {probes}" in reason


def test_probes_at_which_everything_vanishes_compare_nothing():
    tally = tally_of(judged([0.0], [0.0], [0.0], vacuous=True))
    assert "both sides vanish" in tally.why_inconclusive()
    assert np.isnan(tally.resolution()).all()


def test_the_worst_leaf_of_the_worst_probe_is_kept():
    tally = tally_of(judged([1.0, 8.0], [1.0, 2.0], [1e6, 1e6]), judged([2.0, 0.0], [1.0, 1.0], [1e6, 1e6]))
    assert (tally.residual, tally.floor) == (8.0, 2.0)


def test_the_resolution_is_the_median_and_the_worst_over_conclusive_probes():
    tally = tally_of(*(judged([0.0], [1.0], [30.0 * size]) for size in (1e3, 1e4, 1e5)))
    assert tally.resolution() == pytest.approx((1e-4, 1e-3))


def test_the_median_is_over_all_that_was_compared_and_not_only_over_what_settled_something():
    settled, foggy = ([0.0], [1.0], [30.0 * 1e3]), ([0.0], [1.0], [60.0])
    tally = tally_of(*[judged(*settled)] * 2, *[judged(*foggy)] * 3, unit=FLOAT32)
    assert tally.resolution() == pytest.approx((0.5, 1e-3))
    assert "3 of 5" in tally.why_inconclusive()


def test_what_nobody_looked_into_is_counted_and_shows_no_floors():
    seeming = judged([1e5], [1.0], [1e6])
    tally = tally_of(judged(*GOOD))
    tally.add(climbed(seeming, open_=True), "another", FINEST)
    assert (tally.probes, tally.residual, tally.floor) == (2, 1.0, 1.0)
    tally.add(climbed(seeming), "another", FINEST)
    assert (tally.probes, tally.residual) == (3, 1e5)


def test_what_is_only_open_has_no_resolution():
    tally = Tally()
    tally.add(climbed(judged([1e5], [1.0], [1e6]), open_=True), "one", FINEST)
    assert np.isnan(tally.resolution()).all()


@pytest.mark.parametrize(("unit", "allowed"), [("float64", 3), ("float32", 5), ("bfloat16", 5)])
def test_below_float64_half_of_the_probes_may_leave_no_digits(unit: str, allowed: int):
    of = {"float64": FINEST, "float32": FLOAT32, "bfloat16": BFLOAT16}[unit]
    good, foggy = judged(*GOOD), judged([0.0], [1.0], [1.0])
    assert tally_of(*[foggy] * allowed, *[good] * (10 - allowed), unit=of).why_inconclusive() == ""
    reason = tally_of(*[foggy] * (allowed + 1), *[good] * (9 - allowed), unit=of).why_inconclusive()
    assert f"{allowed + 1} of 10" in reason


def test_a_low_precision_excuses_no_numbers_that_are_not_finite():
    infinite = judged([np.inf], [np.inf], [np.inf], finite=False)
    many = (*[infinite] * 2, *[judged(*GOOD)] * 8)
    assert "2 of them not finite" in tally_of(*many, unit=FLOAT32).why_inconclusive()
    assert tally_of(*many, unit=BFLOAT16).why_inconclusive() == ""  # it is out of range beyond 65504


FLOAT32 = Roundoff(2.0**-23, "float32", "convert_element_type (net.py:7)")
BFLOAT16 = Roundoff(2.0**-7, "bfloat16", "convert_element_type (net.py:7)")


def test_a_low_precision_is_named_with_the_operation_that_set_it_and_with_what_would_help():
    foggy = judged([1.0], [1.0], [1.0])
    reason = tally_of(foggy, unit=BFLOAT16).why_inconclusive()
    assert "computes in bfloat16 from convert_element_type (net.py:7) on" in reason
    assert "dtype=float64" in reason
    assert "precision='float64'" in tally_of(foggy, unit=Roundoff(1e-7, "float32")).why_inconclusive()
    assert "kinks" in tally_of(foggy).why_inconclusive()
