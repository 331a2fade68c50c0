"""How much is judged on which architecture: the orders in turn, and costly properties on a few."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import jax.numpy as jnp
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop.profiles import PROFILES
from eqprop.properties import by_name
from eqprop.properties.parts import of_numbers
from eqprop.results import Outcome
from eqprop.search import Options, SearchTask, pool, search
from tests.search.nets import BIAS_FORGOTTEN, SMALL, build, holds, judged, nets, planted


def of_order(order, sides=None, **changes):
    return planted(sides or holds, f"order-{order}", order=order, costly=False, **changes)


def test_of_twelve_architectures_four_are_judged_to_first_order_and_two_of_these_in_full():
    profile = replace(PROFILES["gate"], examples=200, probes=4)
    verdicts = search(SearchTask("net", nets()), Options(profile, properties=tuple(map(of_order, range(3)))))
    assert [v.architectures for v in verdicts] == [12, 4, 2]


def test_the_architectures_that_are_judged_in_full_are_spread_over_the_search():
    orders = [PROFILES["gate"].highest_order(place) for place in range(12)]
    assert orders == [inf, 0, 0, 1, 0, 0, inf, 0, 0, 1, 0, 0]


def test_a_wide_search_asks_a_hundred_architectures_for_the_premise_and_few_of_them_for_the_rest():
    orders = [PROFILES["wide"].highest_order(place) for place in range(PROFILES["wide"].architectures)]
    assert (orders.count(0), orders.count(1), orders.count(inf)) == (96, 2, 2)


@pytest.mark.parametrize("name", ["explore", "deep"])
def test_the_longer_profiles_judge_every_architecture_in_full(name):
    profile = PROFILES[name]
    assert {profile.highest_order(place) for place in range(profile.architectures)} == {inf}


def test_an_architecture_that_is_drawn_again_is_judged_in_full():
    two = st.integers(1, 2).map(lambda width: build(width, 2, 1, 2, ""))
    profile = replace(PROFILES["gate"], probes=4)
    verdicts = search(SearchTask("net", two), Options(profile, properties=tuple(map(of_order, range(3)))))
    assert [v.architectures for v in verdicts] == [2, 2, 2]


def test_a_property_that_is_asked_alone_is_judged_on_every_architecture():
    profile = replace(PROFILES["gate"], examples=200, probes=4)
    (verdict,) = search(SearchTask("net", nets()), Options(profile, properties=(of_order(2),)))
    assert verdict.architectures == 12


def of_wide_nets(point):
    """Both sides vanish for one hidden unit."""
    wide = float(point.theta[2].shape[1] > 1)
    return (of_numbers(wide, wide, wide),)


@pytest.mark.parametrize("costly", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_property_that_compared_nothing_yet_is_judged_again_on_later_architectures(costly):
    narrow_first = st.integers(0, 40).map(lambda seed: build(1 + seed, 2 if 10 < seed < 16 else 1, 1, 2, ""))
    silent = replace(of_order(2, of_wide_nets), costly=costly)
    profile = replace(PROFILES["gate"], examples=200, architectures=40, first_order=1, second_order=1, probes=4)
    verdict = search(SearchTask("net", narrow_first), Options(profile, properties=(of_order(0), silent)))[1]
    assert verdict.outcome is Outcome.HOLDS
    assert 1 < verdict.architectures < 40


@pytest.mark.parametrize(("batches", "probes"), [(1, 3), (2, 3), (4, 2)])
def test_costly_properties_are_judged_on_a_few_batches_with_a_few_probes_each(batches, probes):
    cheap = planted(holds, "cheap", costly=False)
    first, other = judged(cheap, planted(holds), costly_batches=batches, costly_probes=probes)
    assert first.outcome is other.outcome is Outcome.HOLDS
    assert other.probes == batches * probes
    assert 1 <= other.architectures <= batches
    assert first.probes == 40 * 5
    assert first.architectures > other.architectures


def test_a_costly_property_is_not_judged_on_the_smallest_architecture_first(monkeypatch):
    seen = []
    program = pool.Program

    def noted(pair, properties, *rest, **more):
        seen.extend((prop.name, dict(pair.architecture)) for prop in properties)
        return program(pair, properties, *rest, **more)

    monkeypatch.setattr(pool, "Program", noted)
    judged(planted(holds, "cheap", costly=False), planted(holds), costly_batches=1, costly_probes=2)
    smallest = dict.fromkeys(("d_in", "hidden", "d_out", "batch"), 1)
    assert ("cheap", smallest) in seen
    assert ("planted", smallest) not in seen


def test_a_search_of_one_example_judges_its_costly_properties_all_the_same():
    profile = replace(SMALL, examples=1, costly_batches=2, costly_probes=3)
    fixed = st.just(build(2, 3, 1, 2, ""))
    (verdict,) = search(SearchTask("net", fixed), Options(profile, properties=(planted(holds),)))
    assert (verdict.outcome, verdict.probes, verdict.architectures) == (Outcome.HOLDS, 3, 1)


def test_a_fixed_pair_gets_its_costly_properties_judged():
    (verdict,) = eqprop.run(build(2, 3, 1, 2, ""), properties=[planted(holds)]).verdicts
    assert verdict.outcome is Outcome.HOLDS
    assert 0 < verdict.probes <= PROFILES["gate"].costly_batches * PROFILES["gate"].costly_probes


def test_a_violation_of_a_costly_property_is_found_and_told():
    def off(point):
        total = jnp.sum(point.theta[2] ** 2)
        return (of_numbers(total, total * (1 + 1e-6), total),)

    (verdict,) = judged(planted(off), costly_batches=1, costly_probes=2)
    assert verdict.outcome is Outcome.FALSIFIED
    assert verdict.counterexample is not None


def test_costly_properties_are_not_judged_where_what_they_rest_on_is_falsified_unless_asked_for():
    properties = (by_name("equivariance"), planted(holds, rests_on=("equivariance",)))
    for judge_blocked in (False, True):
        options = Options(SMALL, properties=properties, shrink=False, judge_blocked=judge_blocked)
        verdict = search(SearchTask("net", nets(BIAS_FORGOTTEN)), options)[1]
        assert verdict.outcome is Outcome.BLOCKED
        assert bool(verdict.probes) == judge_blocked
