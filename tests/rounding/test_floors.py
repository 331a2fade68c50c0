"""Floors and judgements: what settles nothing, what compares nothing, and where a residual becomes a suspect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqprop.rounding import MARGIN, Judgement, judge, judgement, measure
from eqprop.rounding.floors import GROSS

EPS = float(np.finfo(np.float64).eps)
TINY = np.finfo(np.float64).tiny


def judged(lhs: Any, rhs: Any, scales: Any = 0.0, spread: Any = 0.0) -> Judgement:
    """One probe, one leaf; the copies lie within the spread around the sides."""
    lhs, rhs = (np.atleast_1d(np.asarray(side, dtype=float)) for side in (lhs, rhs))
    offsets = np.array([0.0, 1.0, -1.0])[:, None] * spread
    with np.errstate(invalid="ignore"):
        rows = [(side + offsets * (i == 0))[None] for i, side in enumerate((lhs, rhs))]
    return judge(*rows, np.full((1, 3, 1), scales), np.array([0, lhs.size]), EPS)


NOTHING_TO_SEE = [
    ("a NaN", judged(np.nan, 1.0)),
    ("the same NaN on both sides", judged([1.0, np.nan], [1.0, np.nan])),
    ("infinities that agree", judged(np.inf, np.inf)),
    ("an infinite scale", judged(1.0, 1.0, scales=np.inf)),
    ("a NaN among the scales", judged(1.0, 2.0, scales=np.nan)),
    ("finite sides whose difference overflows", judged(1.7e308, -1.7e308)),
    ("a floor as large as the sides", judged(1.0, 1.001, spread=1.0)),
    ("a floor that leaves no digit", judged(1.0, 1.5, spread=2 * GROSS / MARGIN)),
    ("large terms that cancel to nothing", judged(1.0, 2.0, scales=1.0, spread=0.01)),
]


@pytest.mark.parametrize("found", [j for _, j in NOTHING_TO_SEE], ids=[label for label, _ in NOTHING_TO_SEE])
def test_what_settles_nothing_is_inconclusive_and_neither_a_pass_nor_a_violation(found: Judgement):
    assert found.inconclusive[0]
    assert not found.suspect[0]
    assert not found.vacuous[0]


def test_an_infinity_in_one_copy_alone_is_inconclusive():
    lhs = np.ones((1, 3, 1))
    lhs[0, 2, 0] = np.inf
    assert judge(lhs, np.ones((1, 3, 1)), np.zeros((1, 3, 1)), np.array([0, 1]), EPS).inconclusive[0]


def test_two_sides_that_vanish_with_all_their_terms_compare_nothing():
    found = judged([0.0, 0.0], [0.0, 0.0])
    assert found.vacuous[0]
    assert not found.inconclusive[0]
    assert not found.suspect[0]
    assert judged([], []).vacuous[0]


def test_two_sides_that_vanish_while_their_terms_do_not_are_a_pass():
    found = judged([0.0, 0.0], [0.0, 0.0], scales=1.0)
    assert not found.vacuous[0]
    assert not found.inconclusive[0]
    assert found.floors[0] == 0


def test_numbers_near_the_smallest_representable_compare_nothing():
    assert judged(TINY, 2 * TINY).vacuous[0]


def of_probes(values: list[float], spread: list[float]) -> Judgement:
    """Probes whose sides are a value and the same; a copy lies that far off."""
    sides = np.zeros((len(values), 2, 1))
    sides[:, 0, 0] = values
    moved = sides[:, :1] + np.array([[[0.0], [1.0]]]) * np.array(spread)[:, None, None]
    return judge(moved, moved, np.zeros_like(moved), np.array([0, 1]), EPS)


def test_a_side_that_is_zero_but_for_rounding_beside_sides_of_ordinary_size_compares_nothing():
    found = of_probes([1.0, 2.0, 3e-16], [1e-15, 1e-15, 5e-15])
    assert found.vacuous.tolist() == [False, False, True]
    assert not found.inconclusive.any()


@pytest.mark.parametrize("others", [[], [(1.0, 0.1)], [(1e-12, 1e-27)]], ids=["alone", "foggy", "small"])
def test_a_side_below_its_floor_stays_inconclusive_unless_ordinary_sides_stand_far_above_that_floor(
    others: list[tuple[float, float]],
):
    values, spread = (list(each) for each in zip(*others, (3e-16, 5e-15), strict=True))
    found = of_probes(values, spread)
    assert found.inconclusive[-1]
    assert not found.vacuous[-1]


def test_a_side_that_stands_above_its_floor_is_compared_or_inconclusive_however_small_it_is():
    found = of_probes([1.0, 1e-12, 1e-14], [1e-15, 1e-15, 1e-15])
    assert not found.vacuous.any()
    assert found.inconclusive.tolist() == [False, False, True]


def test_the_margin_is_where_a_residual_becomes_a_suspect():
    floor = 1e-9 + EPS
    assert not judged(1.0, 1.0 + 0.9 * MARGIN * floor, spread=1e-9).suspect[0]
    assert judged(1.0, 1.0 + 1.1 * MARGIN * floor, spread=1e-9).suspect[0]


def test_terms_that_cancel_raise_the_floor_and_lower_the_resolution():
    plain, cancelling = judged(1e-15, 2e-15), judged(1e-15, 2e-15, scales=1.0)
    assert plain.suspect[0]
    assert not cancelling.suspect[0]
    assert not cancelling.inconclusive[0]
    np.testing.assert_allclose(cancelling.resolution, MARGIN * EPS, rtol=1e-12)  # one division


def test_each_leaf_has_a_floor_of_its_own_and_the_worst_is_named():
    lhs, rhs = np.array([[[1e6, 1.0, 0.0]]]), np.array([[[1e6 * (1 + 2 * EPS), 1.0 + 1e-12, 0.0]]])
    found = judge(lhs, rhs, np.zeros((1, 1, 3)), np.array([0, 1, 2, 3]), EPS)
    assert found.worst_leaf[0] == 1
    assert found.suspect[0]


@given(st.floats(0.1, 10), st.floats(-1e-6, 1e-6), st.floats(1e-12, 1e-3), st.integers(-200, 200))
def test_a_judgement_does_not_depend_on_units_or_on_which_side_is_left(
    value: float, error: float, spread: float, power: int
):
    unit = 2.0**power
    one = judged(value, value + error, scales=value, spread=spread)
    other = judged(value * unit, (value + error) * unit, scales=value * unit, spread=spread * unit)
    assert one.floors[0] == other.floors[0]
    assert one.resolution[0] == other.resolution[0]
    swapped = judge(
        *(np.array([[[side]]]) for side in (value + error, value)), np.zeros((1, 1, 1)), np.array([0, 1]), EPS
    )
    straight = judge(
        *(np.array([[[side]]]) for side in (value, value + error)), np.zeros((1, 1, 1)), np.array([0, 1]), EPS
    )
    assert swapped.floors[0] == straight.floors[0]


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
@settings(max_examples=300)
def test_every_judgement_is_exactly_one_of_pass_suspect_inconclusive_and_vacuous(lhs: float, rhs: float):
    found = judged(lhs, rhs, scales=0.0)
    verdicts = int(found.suspect[0]) + int(found.inconclusive[0]) + int(found.vacuous[0])
    assert verdicts <= 1
    if verdicts == 0:
        assert found.floors[0] <= MARGIN
        assert np.isfinite([lhs, rhs]).all()


# -- errors that a property declares ----------------------------------------------------------------------------------


def with_error(residual: Any, error: Any, leaves: int = 1) -> Judgement:
    """One probe with sides 1 and 1 + residual, a leaf for each number; the copies say nothing and declare nothing."""
    lhs = np.ones((1, 3, leaves))
    errors = np.zeros((1, 3, leaves))
    errors[0, 0] = error
    return judgement(measure(lhs, lhs + residual, np.zeros_like(lhs), np.arange(leaves + 1), errors), EPS)


@pytest.mark.parametrize("error", [1e-12, 1e-9, 1e-6, 1e-4])
def test_a_declared_error_is_part_of_the_floor(error: float):
    assert with_error(1e-3, 0.0).suspect[0]
    below, above = (with_error(factor * MARGIN * (error + EPS), error) for factor in (0.95, 1.05))
    assert not below.suspect[0]
    assert not below.inconclusive[0]
    assert above.suspect[0]


def test_a_declared_error_lowers_the_resolution_until_the_probe_settles_nothing():
    np.testing.assert_allclose(with_error(0.0, 1e-6).resolution, MARGIN * 1e-6, rtol=1e-6)  # EPS and one division
    assert with_error(-1.5, 0.9 * GROSS / MARGIN).suspect[0]  # 1 against −½: as large as the sides
    gross = with_error(-1.5, 1.1 * GROSS / MARGIN)
    assert gross.inconclusive[0]
    assert not gross.suspect[0]


@pytest.mark.parametrize("error", [np.inf, np.nan])
def test_an_error_without_bound_is_inconclusive(error: float):
    found = with_error(1e-3, error)
    assert found.inconclusive[0]
    assert not found.suspect[0]
    assert not found.vacuous[0]


def test_a_declared_error_belongs_to_its_leaf_alone():
    found = with_error(np.array([1e-6, 1e-6]), np.array([1e-6, 0.0]), leaves=2)
    assert found.worst_leaf[0] == 1
    assert found.suspect[0]
    assert not with_error(np.array([1e-6, 0.0]), np.array([1e-6, 0.0]), leaves=2).suspect[0]
