"""The benchmarks measure what they say: their inner functions on the smallest sizes."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import strategies as st

from eqprop import rounding
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.registry import entries
from eqprop.results import Outcome, PairName, PropertyName, Verdict
from eqprop.search import simplest
from tests.junk import Fed, LostResultError, WrongVerdictError

charges, choices, cost, entry_lines, growth, junk, nets, obvious, planted, power, soak, speed, vacuity = (
    import_module(f"benchmarks.{name}")
    for name in (
        *("charges", "choices", "cost", "entry_lines", "growth", "junk", "nets", "obvious"),
        *("planted", "power", "soak", "speed", "vacuity"),
    )
)

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def pair():
    return nets.perceptron((2, 2, 1), 2)


@pytest.fixture(scope="module")
def program(pair):
    return speed.compiled(pair)


@pytest.mark.parametrize("raised", [WrongVerdictError, LostResultError, KeyError, SystemExit])
def test_every_fault_that_junk_meets_is_counted_as_what_it_is(raised):
    def feed(place, value):
        if place == "b":
            raise raised(value)

    where = Fed("letters", ["a", "b"], st.integers(0, 9), feed)
    kind = {WrongVerdictError: junk.VERDICT, LostResultError: junk.LOST}.get(raised, junk.TRACEBACK)
    assert junk.fed(where, 20) == {"inputs": 20, kind: 10}


@pytest.mark.slow
def test_a_short_soak_judges_every_wanted_probe_and_falsifies_none():
    count = soak.soak("relu-rescaling", 24, 0, 12)
    assert (count.probes, count.falsified, count.details) == (24, 0, [])
    assert len(count.architectures) == 2
    assert (count.judged_at["equivariance"], count.judged_at["charge-drift"]) == (23, 1)
    assert 0 < count.worst < rounding.MARGIN


@pytest.mark.slow
def test_a_soak_of_conjugates_judges_pairs_in_other_coordinates():
    count = soak.soak("relu-rescaling", 12, 0, 12, conjugated=True)
    assert (count.probes, count.falsified) == (12, 0)
    assert all("coordinates" in str(key) for key in count.architectures)


def test_a_soak_of_a_wrong_claim_fails_and_says_where():
    count = soak.soak("rescaling-through-gelu", 12, 0, 12)
    assert count.falsified > 0
    assert not count.passed
    assert any(detail.startswith("equivariance at output") for detail in count.details)


@pytest.mark.slow
def test_a_soak_of_an_entry_to_which_no_costly_property_applies_gives_all_its_probes_to_the_core():
    count = soak.soak("graph-node-permutation", 16, 0, 8)
    assert count.probes == count.judged_at["equivariance"] == 16


def test_all_choices_that_meet_in_any_architecture_meet_in_those_that_cover_them():
    pairs = choices.drawn("relu-rescaling", 60, 0)
    few = choices.covering(pairs)
    assert len(few) < len(pairs)
    assert set.union(*map(choices.meetings, few)) == set.union(*map(choices.meetings, pairs))


@pytest.mark.slow
def test_every_choice_of_joint_rotation_is_judged_and_none_falsified():
    count = choices.of_entry("joint-rotation", draws=200, number=0, asked="premises")
    assert (count.probes, count.falsified) == (choices.PROBES * len(count.architectures), 0)


def test_a_wrong_claim_is_falsified_at_the_architectures_that_cover_its_choices():
    count = choices.of_entry("rescaling-through-gelu", draws=4, number=0, asked="premises")
    assert count.falsified > 0
    assert all(detail.startswith("equivariance at output") for detail in count.details)


def test_a_soak_says_how_far_off_a_program_is_and_not_how_far_what_perturbations_see_of_it():
    """A large bias in front of a batch norm absorbs what is added to it: no move of an input shows that rounding."""
    with jax.numpy_rank_promotion("allow"):
        pair = simplest(entries()["batchnorm-bias-shift"].pairs)
        program = Program(pair, [by_name("equivariance")], SQUARED_ERROR, evaluator="xla")
        rng = np.random.default_rng(0)
        probes = program.draw(rng, 128)
        judged = program.judge(probes, rng)["equivariance"]
        found = soak.settled(program, "equivariance", probes, judged, rng)
    assert np.nanmax(judged.floors[~judged.suspect]) > 5
    assert not found.falsified.any()
    assert found.worst < 0.1 * rounding.MARGIN


def test_a_soak_that_fails_says_at_which_entry():
    with pytest.raises(KeyError, match="no-such-entry") as raised:
        list(soak.counts_of({"no-such-entry": 1}, seed=0, jobs=1))
    assert raised.value.__notes__ == ["The soak of no-such-entry failed."]


def test_a_soak_with_too_many_inconclusive_or_missing_probes_does_not_pass():
    assert soak.Count("e", 100, probes=100, inconclusive=2).passed
    assert not soak.Count("e", 100, probes=100, inconclusive=3).passed
    assert not soak.Count("e", 100, probes=99).passed


def test_probes_are_spread_evenly_over_the_entries():
    found = [entry for entry in entries().values() if not entry.control][:3]
    assert sorted(soak.quotas(found, 100).values()) == [33, 33, 34]


def test_the_stages_of_the_compiled_path_take_time(program):
    found = speed.stages(program, batch=4, repeats=1)
    assert min(found.draw, found.perturb, found.run, found.judge) >= 0
    assert found.rate > 0


@pytest.mark.slow
def test_the_obvious_harness_checks_the_same_properties_and_finds_that_they_hold(pair, program):
    assert set(obvious.Identities(pair).by_name()) == {p.name for p in program.properties}
    with jax.enable_x64(True):
        assert obvious.Harness(pair).check(program.draw(np.random.default_rng(0), 1).at(0))


def test_the_obvious_harness_sees_a_wrong_number_in_any_leaf():
    right, wrong = ({"w": np.array([1.0, last]), "b": np.zeros(1)} for last in (1.0, 1.1))
    assert obvious.close(right, right)
    assert not obvious.close(right, wrong)


@pytest.mark.parametrize("parameters", [300, 10_000])
def test_networks_for_the_cost_have_about_the_asked_number_of_parameters(parameters):
    size = cost.network(parameters).model.param_leaves.size
    assert abs(size - parameters) < 0.1 * parameters


def test_a_cost_is_counted_in_gradients_for_each_probe(pair):
    found = cost.cost(pair, repeats=1, evaluator="numpy")
    assert found.ratio.shape == (1, len(cost.CLOCKS))
    assert set(found.stages) == {"draw", "perturb", "run", "judge"}
    assert (found.total > 0).all()


def found(values, **architecture):
    drawn = {name: repr(value) for name, value in architecture.items()}
    return SimpleNamespace(architecture=drawn, recipe={"probe": {"params": {"w": {"values": values}}}})


def test_a_counterexample_is_readable_with_few_simple_numbers_and_small_sizes():
    numbers = [1.0, -0.5, 3.0, *[0.0] * 20]
    assert power.is_readable(found(numbers, hidden=2, widths=(1, 2), bias=True, activation="relu", epsilon=1e-5))


@pytest.mark.parametrize(
    ("values", "sizes"),
    [([1.0, 0.7], {}), ([1.0] * 3, {"widths": (1, 3)}), ([1.0] * 3, {"hidden": 3}), ([1.0] * 17, {"hidden": 2})],
    ids=["a number that is not simple", "a wide layer", "many units", "too many numbers"],
)
def test_a_counterexample_is_not_readable_with(values, sizes):
    assert not power.is_readable(found(values, **sizes))


@pytest.mark.slow
def test_a_small_wrong_derivative_in_float32_is_found_by_every_property_that_a_gross_one_touches():
    row = planted.measured(planted.Cell("odd-mirror", 1, "float32"))
    assert {"jacobian-covariance", "hessian-covariance"} <= row.touched
    assert row.missed == []


def test_charges_of_linear_layers_are_followed_while_the_loss_halves():
    pair = charges.drawn(entries()["linear-gl"], 1)[0]
    with jax.numpy_rank_promotion("allow"), jax.enable_x64(True):
        flow = charges.flow_of(pair, 0)
    assert flow.halved
    assert flow.charges > 0
    assert flow.drift < charges.ALLOWED


def test_a_pair_that_moves_its_outputs_has_no_conserved_charge():
    assert charges.conserving(charges.drawn(entries()["linear-gl"], 1)[0])
    assert not charges.conserving(charges.drawn(entries()["homogeneous-network"], 1)[0])


def verdict(prop: str, order: int, *, inconclusive: int = 0, vacuous: int = 0, architectures: int = 12) -> Verdict:
    numbers = {"probes": 100, "inconclusive": inconclusive, "vacuous": vacuous, "architectures": architectures}
    return Verdict(PairName("a"), PropertyName(prop, order), Outcome.HOLDS, **numbers)


def test_what_a_claim_compares_least_is_the_core_property_with_the_most_unsettled_or_empty_probes():
    row = vacuity.rows_of(
        [verdict("equivariance", 0, inconclusive=2), verdict("noether", 1, inconclusive=1, vacuous=3)]
    )
    assert row[0].least == ("noether", pytest.approx(0.96))
    assert row[0].passed


@pytest.mark.parametrize(
    "short",
    [
        verdict("noether", 1, vacuous=6),
        verdict("gradient-covariance", 1, vacuous=100),
        verdict("hessian-covariance", 2, inconclusive=6),
        verdict("equivariance", 0, architectures=11),
    ],
    ids=["generators that move nothing", "gradients that vanish", "probes that settle nothing", "few architectures"],
)
def test_a_claim_falls_short_with(short):
    assert not vacuity.rows_of([short])[0].passed


def test_sides_of_second_order_may_vanish():
    assert vacuity.rows_of([verdict("hessian-generator", 2, vacuous=100)])[0].passed


def test_an_entry_is_its_function_its_decorator_and_what_only_it_uses():
    text = """
@register("one")
def one():
    return helper() + shared()


def helper():

    return 1


@register("two")
def two():
    return shared()


def shared():
    return 2
"""
    assert entry_lines.lines_of_entries(text) == {"one": 5, "two": 3}


def test_growth_is_the_exponent_between_the_largest_numbers_of_rows():
    assert growth.Growth("g", 1, (25, 100, 400), (1.0, 1.0, 16.0)).exponent == 2
    assert growth.Growth("g", 1, (25, 100, 400), (1.0, 2.0, 8.0)).exponent == 1


def test_growth_is_measured_on_the_largest_pair_that_is_drawn(pair):
    found = growth.grown("net", pair, [by_name("equivariance")], "numpy")
    assert (found.rows, len(found.seconds)) == ((25, 100, 400), 3)
    assert min(found.seconds) > 0
    wide = growth.largest(entries()["conv-rescaling"].pairs).model.param_leaves.size
    assert wide > simplest(entries()["conv-rescaling"].pairs).model.param_leaves.size


def test_the_layers_whose_growth_is_measured_are_those_of_the_tests():
    name, layer = next(growth.of_layers("linen", "Dense, rescaled"))
    assert name == "linen: Dense, rescaled"
    assert layer.model.param_leaves.size == 17
