"""Candidates of a simpler counterexample, and what makes them simpler."""

from __future__ import annotations

import numpy as np

from eqprop.counterexamples.drafts import Change, Draft, Undone, accumulated, changes

ODD = Draft(np.array([0.3, 0.7, 0.0, 2.1]), np.array([-1, 1]))
SIMPLE = [2, 3]


def test_every_change_makes_a_draft_simpler_by_what_it_says():
    for change in changes(ODD, SIMPLE, set()):
        assert ODD.complexity() - change.applied(ODD, ODD).complexity() == change.saved > 0


def test_what_saves_most_comes_first_and_makes_all_numbers_zero():
    first, *others = changes(ODD, SIMPLE, set())
    assert not first.applied(ODD, ODD).numbers.any()
    assert [other.saved for other in others] == sorted((other.saved for other in others), reverse=True)


def test_what_left_no_violation_before_comes_last():
    first, *others = changes(ODD, SIMPLE, set())
    assert changes(ODD, SIMPLE, {first}) == [*others, first]


def test_zeros_and_the_simplest_pick_are_not_changed():
    assert changes(Draft(np.zeros(4), np.array([0, 0])), SIMPLE, set()) == []


def test_a_change_leaves_alone_what_was_changed_before_it():
    whole, half = Change(1, 0, 4, 0.0), Change(1, 0, 2, 1.0)
    np.testing.assert_array_equal(half.applied(whole.applied(ODD, ODD), ODD).numbers, np.zeros(4))


def test_changes_are_applied_in_ever_longer_runs_and_all_of_them():
    each = [Change(1, i, i + 1, 1.0) for i in range(3)]
    made = [draft.numbers.tolist() for draft in accumulated(ODD, each)]
    assert made == [[1.0, 0.7, 0.0, 2.1], [1.0, 1.0, 0.0, 2.1], [1.0, 1.0, 1.0, 2.1]]


def test_a_change_is_undone():
    for change in changes(ODD, SIMPLE, set()):
        changed = change.applied(ODD, ODD)
        before = Undone.between(ODD, changed).applied(changed)
        np.testing.assert_array_equal(before.numbers, ODD.numbers)
        np.testing.assert_array_equal(before.picks, ODD.picks)
