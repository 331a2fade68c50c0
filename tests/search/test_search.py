"""The search: deterministic for a seed, remembers failures, and settles every cell."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eqprop
from eqprop.evaluation import Choice
from eqprop.profiles import PROFILES
from eqprop.properties import LIBRARY, by_name
from eqprop.results import Outcome, Verdict, cell_lines
from eqprop.rounding import MARGIN
from eqprop.search import Options, Search, SearchTask, pool, search
from eqprop.search.foggy import Foggy
from tests.search.nets import BIAS_FORGOTTEN, SMALL, build, nets, searched

EXPECTED_OR_NOT = ({"known_failures": {"equivariance": "ticket 7"}}, {})


def record(verdicts):
    return [verdict.to_record() | {"seconds": 0} for verdict in verdicts]


@pytest.fixture
def foreign_profile():
    """A hypothesis profile of the user's that would change any search that inherits it."""
    settings.register_profile("foreign", derandomize=True, max_examples=1, database=None, deadline=1)
    settings.load_profile("foreign")
    yield
    settings.load_profile("default")


def fresh_storage(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "another"))


def test_the_same_seed_gives_the_same_verdicts_whatever_the_environment(tmp_path, monkeypatch, request):
    first = record(searched(BIAS_FORGOTTEN, ("equivariance", "noether")))
    fresh_storage(tmp_path, monkeypatch)
    monkeypatch.setenv("CI", "true")
    request.getfixturevalue("foreign_profile")
    assert record(searched(BIAS_FORGOTTEN, ("equivariance", "noether"))) == first


def test_another_seed_draws_other_probes():
    residuals = {searched(seed=seed)[0].residual for seed in (0, 1, 2)}
    assert len(residuals) == 3


def test_a_stored_failure_is_tried_before_anything_new():
    searched(BIAS_FORGOTTEN)
    again = Search(SearchTask("net", nets(BIAS_FORGOTTEN)), Options(SMALL, properties=(by_name("equivariance"),)))
    again._recall()
    assert again.gathered.violations["equivariance"].structure.pair.architecture["hidden"] == 1


def test_a_stored_failure_that_was_mended_is_none():
    searched(BIAS_FORGOTTEN)
    assert [verdict.outcome for verdict in searched()] == [Outcome.HOLDS]


def test_three_batches_more_are_judged_once_something_is_falsified():
    drawn: list[eqprop.Pair] = []
    broken = build(2, 3, 1, 2, BIAS_FORGOTTEN)
    fixed = st.integers(0, 10**6).map(lambda _: drawn.append(broken) or broken)
    options = Options(PROFILES["gate"], properties=(by_name("equivariance"),), shrink=False)
    (verdict,) = search(SearchTask("net", fixed), options)
    assert (verdict.outcome, verdict.probes) == (Outcome.FALSIFIED, 4 * PROFILES["gate"].probes)
    assert len(drawn) == 5  # the last one is not looked at any more


# -- outcomes ---------------------------------------------------------------------------------------------------------


def test_what_rests_on_a_falsified_property_is_blocked():
    premise, noether = searched(BIAS_FORGOTTEN, ("equivariance", "noether"))
    assert (premise.outcome, noether.outcome) == (Outcome.FALSIFIED, Outcome.BLOCKED)
    assert noether.reason == "rests on equivariance, which was falsified"
    assert noether.counterexample is None


def test_an_expected_failure_is_known_with_its_reason():
    (verdict,) = searched(BIAS_FORGOTTEN, known_failures={"equivariance": "ticket 7"})
    assert (verdict.outcome, verdict.reason) == (Outcome.KNOWN_FAILURE, "ticket 7")


def test_beside_an_expected_failure_the_other_properties_have_all_their_probes():
    names, profile = ("equivariance", "group-laws"), replace(PROFILES["gate"], probes=4)
    (_, known), (_, fresh) = (searched(BIAS_FORGOTTEN, names, profile=profile, **task) for task in EXPECTED_OR_NOT)
    (whole,) = searched(BIAS_FORGOTTEN, ("group-laws",), profile=profile)
    assert known.probes == whole.probes > fresh.probes


def test_an_expected_failure_that_holds_is_an_unexpected_pass():
    (verdict,) = searched(known_failures={"equivariance": "ticket 7"})
    assert verdict.outcome is Outcome.UNEXPECTED_PASS


def test_a_control_is_asked_for_a_falsified_premise_only():
    premise, noether = searched(BIAS_FORGOTTEN, ("equivariance", "noether"), control="forgets the bias")
    assert (premise.outcome, noether.outcome) == (Outcome.KNOWN_FAILURE, Outcome.NOT_APPLICABLE)
    assert searched(control="nothing is wrong")[0].outcome is Outcome.UNEXPECTED_PASS


def test_a_property_that_does_not_apply_says_why():
    (verdict,) = searched(names=("tangent-kernel-covariance",))
    assert verdict.outcome is Outcome.NOT_APPLICABLE
    assert "DK DKᵀ = 1" in verdict.reason


# -- after the ladder ------------------------------------------------------------------------------------------------


def of_absorbing(pair: eqprop.Pair, evaluator: Choice) -> Verdict:
    options = Options(SMALL, properties=(by_name("equivariance"),), evaluator=evaluator)
    verdict, *_ = search(SearchTask("net", st.just(pair)), options)
    return verdict


def test_where_programs_are_walked_rounding_inside_rouses_no_suspicion(absorbing):
    verdict = of_absorbing(absorbing, evaluator="numpy")
    assert (verdict.outcome, verdict.cleared) == (Outcome.HOLDS, 0)


def test_what_the_last_word_clears_is_shown_as_such_and_its_floors_are_those_that_cleared_it(absorbing):
    verdict = of_absorbing(absorbing, evaluator="xla")
    assert verdict.outcome is Outcome.HOLDS
    assert verdict.cleared > verdict.probes / 2
    assert verdict.floors <= MARGIN
    assert verdict.to_record()["cleared"] == verdict.cleared
    ((_, line),) = cell_lines([verdict])
    assert f"at {verdict.cleared} probes the sides differed by rounding inside the program" in line


def test_a_falsified_cell_without_a_counterexample_shows_the_figures_of_its_violation():
    options = Options(SMALL, properties=(by_name("equivariance"),), shrink=False)
    state = Search(SearchTask("net", nets(BIAS_FORGOTTEN)), options)
    state.explore()
    (verdict,) = search(SearchTask("net", nets(BIAS_FORGOTTEN)), options)
    judged = state.gathered.violations["equivariance"].judged
    assert verdict.outcome is Outcome.FALSIFIED
    assert MARGIN < judged.floors[0] <= verdict.floors


def test_a_recalled_violation_is_in_the_figures_of_its_cell():
    searched(BIAS_FORGOTTEN)
    again = Search(SearchTask("net", nets(BIAS_FORGOTTEN)), Options(SMALL, properties=(by_name("equivariance"),)))
    again._recall()
    tally = again.gathered.tallies["equivariance"]
    assert tally.residual / tally.floor > MARGIN
    assert (len(tally.architectures), tally.probes > 0) == (1, True)


@pytest.mark.parametrize("defect", ["", BIAS_FORGOTTEN])
@pytest.mark.parametrize("known", [{}, {"equivariance": "ticket 7"}])
def test_lost_digits_are_looked_for_but_beside_a_failure_that_nobody_expects(defect, known, monkeypatch):
    asked = []
    monkeypatch.setattr(Foggy, "diagnose", lambda self, tallies, precision: asked.append(tallies))
    searched(defect, known_failures=known)
    assert bool(asked) == (not defect or bool(known))


def test_programs_are_gone_with_their_search_and_wait_for_no_garbage_collector(monkeypatch):
    made = []
    built = pool.Program

    def remembered(*arguments, **options):
        program = built(*arguments, **options)
        made.append(weakref.ref(program))
        return program

    monkeypatch.setattr(pool, "Program", remembered)
    monkeypatch.setattr(gc, "collect", lambda *_: 0)
    gc.disable()
    try:
        searched()
        assert made
        assert [program for program in made if program() is not None] == []
    finally:
        gc.enable()


# -- the functions ----------------------------------------------------------------------------------------------------


def test_verify_raises_an_assertion_error_with_the_counterexample_as_its_message():
    with pytest.raises(eqprop.Falsified, match="Falsified: equivariance") as caught:
        eqprop.verify(build(2, 3, 1, 2, BIAS_FORGOTTEN), properties=["equivariance"])
    assert isinstance(caught.value, AssertionError)
    (verdict,) = caught.value.report.verdicts
    assert str(verdict.counterexample) in str(caught.value)


@settings(max_examples=2, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(nets())
def test_a_users_own_given_test_may_run_eqprop_inside(pair):
    report = eqprop.run(pair, properties=["equivariance"])
    assert report.ok
    assert [v.architectures for v in report.verdicts] == [1]


def test_every_asked_property_has_a_verdict_in_the_order_of_the_library():
    verdicts = search(SearchTask("net", nets()), Options(replace(SMALL, architectures=1)))
    assert [v.property.name for v in verdicts] == [p.name for p in LIBRARY]
    assert all(re.fullmatch("holds|not applicable", v.outcome) for v in verdicts)
