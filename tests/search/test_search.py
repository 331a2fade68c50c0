"""The search: deterministic for a seed, remembers failures, shrinks to small structures, settles every cell."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.evaluation import Choice
from eqprop.probes import READABLE
from eqprop.profiles import PROFILES
from eqprop.properties import LIBRARY, Property, by_name
from eqprop.properties.parts import of_numbers, only_where, part
from eqprop.results import Outcome, Verdict, cell_lines
from eqprop.rounding import MARGIN
from eqprop.search import Options, Search, SearchTask, pool, rebuilt, search
from eqprop.search.foggy import Foggy
from eqprop.search.outcomes import outcome_of

SMALL = replace(PROFILES["gate"], name="small", architectures=2, examples=6, probes=16)
BIAS_FORGOTTEN, GRADIENT_SCALED = "bias forgotten", "gradient scaled"


@jax.custom_vjp
def scaled(x):
    return jax.nn.relu(x)


def _scaled_backward(x, w):
    return (w * (x > 0) * (1 + 1e-6 * jnp.reshape(jnp.arange(1.0, 1.0 + x.size), x.shape)),)


scaled.defvjp(lambda x: (jax.nn.relu(x), x), _scaled_backward)


EXPECTED_OR_NOT = ({"known_failures": {"equivariance": "ticket 7"}}, {})


def build(d_in, hidden, d_out, batch, defect):
    rng = np.random.default_rng(0)
    shapes = {"b": (1, hidden), "v": (hidden, d_out), "w": (d_in, hidden)}
    relu = scaled if defect == GRADIENT_SCALED else jax.nn.relu

    def apply(p, x):
        return relu(x @ p["w"] + jnp.broadcast_to(p["b"], (batch, hidden))) @ p["v"]

    writes = {"w": 1} if defect == BIAS_FORGOTTEN else {"w": 1, "b": 1}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    model = eqprop.Model(apply, params, rng.standard_normal((batch, d_in)), trained=False)
    drawn = {"d_in": d_in, "hidden": hidden, "d_out": d_out, "batch": batch}
    rescaling = eqprop.hidden_units(groups.Scaling(hidden), writes=writes, reads={"v": 0})
    return eqprop.Pair(model, rescaling, name="net", architecture=drawn)


def nets(defect=""):
    width = st.integers(1, 5)
    return st.builds(build, width, width, width, st.integers(1, 4), st.just(defect))


def searched(defect="", names=("equivariance",), *, seed=0, profile=SMALL, **task):
    options = Options(profile, seed=seed, properties=tuple(by_name(name) for name in names))
    return search(SearchTask("net", nets(defect), **task), options)


def record(verdicts):
    return [verdict.to_record() | {"seconds": 0} for verdict in verdicts]


@pytest.fixture(autouse=True)
def _storage(tmp_path, monkeypatch):
    """Each test starts with an empty example database."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))


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


def explored(defect, names=("equivariance",), profile=SMALL, **task):
    found = Search(SearchTask("net", nets(defect), **task), Options(profile, properties=tuple(map(by_name, names))))
    found.explore()
    return found


@pytest.mark.parametrize(
    ("defect", "name"), [(BIAS_FORGOTTEN, "equivariance"), (GRADIENT_SCALED, "jacobian-generator")]
)
def test_a_planted_defect_shrinks_to_the_smallest_net_with_simple_numbers(defect, name):
    found = explored(defect, (name,)).counterexample(by_name(name))
    assert found.architecture == {"d_in": "1", "hidden": "1", "d_out": "1", "batch": "1"}
    values = [v for fields in found.recipe["probe"].values() for leaf in fields.values() for v in leaf["values"]]
    assert set(values) <= {0.0, *READABLE}


def test_the_shrinker_does_not_walk_into_a_kink():
    found = explored(GRADIENT_SCALED, ("jacobian-generator",)).counterexample(by_name("jacobian-generator"))
    probe = {
        f: {p: np.reshape(a["values"], a["shape"]) for p, a in leaves.items()}
        for f, leaves in found.recipe["probe"].items()
    }
    before_relu = probe["inputs"]["."] @ probe["params"]["w"] + probe["params"]["b"]
    assert (before_relu != 0).all()


def test_shrinking_compiles_no_more_architectures_than_the_profile_allows(monkeypatch):
    state = explored(BIAS_FORGOTTEN, profile=replace(SMALL, shrinks=2))
    compiled = []
    program = pool.Program

    def counted(pair, *rest, **more):
        compiled.append(pair.key)
        return program(pair, *rest, **more)

    monkeypatch.setattr(pool, "Program", counted)
    state.counterexample(by_name("equivariance"))
    assert len(set(compiled)) <= 2


def test_the_blob_rebuilds_the_structure():
    found = explored(BIAS_FORGOTTEN).counterexample(by_name("equivariance"))
    structure = rebuilt(nets(BIAS_FORGOTTEN), found.recipe["structure"], SMALL)
    assert {k: repr(v) for k, v in structure.pair.architecture.items()} == found.architecture


def test_a_counterexample_that_was_not_shrunk_has_a_blob_too():
    state = explored(BIAS_FORGOTTEN, profile=replace(SMALL, shrinks=0))
    found = state.counterexample(by_name("equivariance"))
    structure = rebuilt(nets(BIAS_FORGOTTEN), found.recipe["structure"], SMALL)
    assert structure == state.gathered.violations["equivariance"].structure or (
        structure.pair.architecture == state.gathered.violations["equivariance"].structure.pair.architecture
    )


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


# -- out of time ------------------------------------------------------------------------------------------------------


def test_what_a_search_does_not_finish_in_time_is_inconclusive_and_says_what_was_looked_at():
    names = ("equivariance", "noether", "charge-drift")
    options = Options(SMALL, properties=tuple(by_name(name) for name in names), max_time=1e-9)
    for verdict in search(SearchTask("net", nets()), options):
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.reason == "out of time: the search was to end after 1e-09 s; this was not judged at all"


def test_a_control_that_is_out_of_time_is_no_unexpected_pass():
    options = Options(SMALL, properties=(by_name("equivariance"),), max_time=1e-9)
    (verdict,) = search(SearchTask("net", nets(BIAS_FORGOTTEN), control="the bias stays"), options)
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_what_was_judged_in_time_is_told():
    state = Search(SearchTask("net", nets()), Options(SMALL, properties=(by_name("equivariance"),), max_time=1e6))
    state.explore()
    state.limit.passed = "out of time"
    outcome, reason = outcome_of(state.evidence(), by_name("equivariance"))
    tally = state.gathered.tallies["equivariance"]
    assert outcome is Outcome.INCONCLUSIVE
    assert (
        reason == f"out of time; this was judged at {tally.probes} probes of {len(tally.architectures)} architectures"
    )


# -- how much of each architecture is judged --------------------------------------------------------------------------


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


@pytest.mark.parametrize("defect", ["", BIAS_FORGOTTEN])
@pytest.mark.parametrize("known", [{}, {"equivariance": "ticket 7"}])
def test_lost_digits_are_looked_for_but_beside_a_failure_that_nobody_expects(defect, known, monkeypatch):
    asked = []
    monkeypatch.setattr(Foggy, "diagnose", lambda self, tallies, precision: asked.append(tallies))
    searched(defect, known_failures=known)
    assert bool(asked) == (not defect or bool(known))


@pytest.mark.parametrize("costly", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_property_that_compared_nothing_yet_is_judged_again_on_later_architectures(costly):
    narrow_first = st.integers(0, 40).map(lambda seed: build(1 + seed, 2 if 10 < seed < 16 else 1, 1, 2, ""))
    silent = replace(of_order(2, of_wide_nets), costly=costly)
    profile = replace(PROFILES["gate"], examples=200, architectures=40, first_order=1, second_order=1, probes=4)
    verdict = search(SearchTask("net", narrow_first), Options(profile, properties=(of_order(0), silent)))[1]
    assert verdict.outcome is Outcome.HOLDS
    assert 1 < verdict.architectures < 40


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


# -- costly properties ------------------------------------------------------------------------------------------------


def planted(sides, name="planted", **changes):
    """A property of the parameters alone; costly."""
    return replace(Property(name, 0, "", "", sides, frozenset({"params"}), costly=True), **changes)


def holds(point):
    total = jnp.sum(point.theta[2] ** 2)
    return (of_numbers(total, total, total),)


def judged(*properties, pairs=None, **budget):
    """The verdicts, with the architectures and the probes of each batch that was judged."""
    profile = replace(SMALL, examples=40, architectures=40, probes=5, **budget)
    return search(SearchTask("net", nets() if pairs is None else pairs), Options(profile, properties=properties))


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


# -- hypotheses on the point ------------------------------------------------------------------------------------------

NOWHERE = "no point that was drawn is one of those"


def where(met, off=0.0):
    """A property that is stated where a condition on the first tensor is met, and is no number elsewhere."""

    def sides(point):
        total = jnp.sum(point.theta[2] ** 2)
        here = met(point.theta[2])
        return only_where(here, (of_numbers(total, jnp.where(here, total * (1 + off), jnp.nan), total),))

    return sides


def never(leaf):
    return jnp.sum(leaf**2) < 0


def sometimes(leaf):
    return leaf[0, 0] > 0


def test_a_property_whose_condition_failed_at_every_probe_does_not_apply_and_says_why():
    (verdict,) = judged(planted(where(never), reason_if_vacuous=NOWHERE), costly_batches=2, costly_probes=4)
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_APPLICABLE, NOWHERE)
    assert verdict.vacuous == verdict.probes > 8  # it is tried again on later batches


def test_without_such_a_text_there_is_nothing_to_compare():
    (verdict,) = judged(planted(where(never)), costly_batches=2, costly_probes=4)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "nothing to compare" in verdict.reason


def test_a_condition_that_is_met_at_some_probes_is_judged_there():
    (verdict,) = judged(planted(where(sometimes), reason_if_vacuous=NOWHERE), costly_batches=2, costly_probes=16)
    assert verdict.outcome is Outcome.HOLDS
    assert 0 < verdict.vacuous < verdict.probes
    assert verdict.inconclusive == 0
    (verdict,) = judged(planted(where(sometimes, 1e-6), reason_if_vacuous=NOWHERE), costly_batches=2, costly_probes=16)
    assert verdict.outcome is Outcome.FALSIFIED


def permuted():
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["v"], {"v": np.ones((3, 1)), "w": np.ones((2, 3))}, np.ones((4, 2))
    )
    return eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(3), writes={"w": 1}, reads={"v": 0}))


@pytest.mark.parametrize(
    ("element", "outcome"),
    [(np.arange(3), Outcome.NOT_APPLICABLE), (np.array([1, 0, 2]), Outcome.HOLDS)],
    ids=["identity", "transposition"],
)
@pytest.mark.parametrize("name", ["averaged-gradient", "averaged-hessian"])
def test_a_check_at_a_point_where_the_condition_fails_says_so(name, element, outcome):
    rng = np.random.default_rng(0)
    shapes = {"params": {"v": (3, 1), "w": (2, 3)}, "inputs": (4, 2), "targets": (4, 1)}
    numbers = jax.tree.map(rng.standard_normal, shapes, is_leaf=lambda shape: isinstance(shape, tuple))
    verdict = eqprop.check(permuted(), name, **numbers, element=element)
    assert verdict.outcome is outcome
    assert verdict.reason == (by_name(name).reason_if_vacuous if outcome is Outcome.NOT_APPLICABLE else "")


# -- series -----------------------------------------------------------------------------------------------------------


def along(point):
    total = jnp.sum(point.theta[2] ** 2)
    decay = total * 0.5 ** jnp.arange(4.0)
    return (part(["Q"], decay, decay * (1 + 1e-16), total, label="along"),)


def test_a_property_about_a_trajectory_leaves_one_in_its_verdict_and_others_leave_none():
    first, other = judged(planted(along, series=True), planted(holds, "other"), costly_batches=1, costly_probes=2)
    assert other.series is None
    assert first.series.name == "along: Q"
    assert len(first.series.found) == len(first.series.predicted) == 4
    np.testing.assert_allclose(np.array(first.series.found[1:]) / first.series.found[:-1], 0.5, rtol=1e-15)
    assert type(first).from_record(first.to_record()).series == first.series


def test_a_trajectory_that_says_nothing_is_not_kept():
    def reason_if_vacuous(point):
        return only_where(never(point.theta[2]), along(point))

    (verdict,) = judged(
        planted(reason_if_vacuous, series=True, reason_if_vacuous=NOWHERE), costly_batches=1, costly_probes=2
    )
    assert verdict.series is None
