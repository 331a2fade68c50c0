"""What probes are made of is measured: families, scales, ranges, reaches; all of it is a function of the seed."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.probes import (
    FAMILIES,
    GIVEN,
    NEARBY,
    READABLE,
    SQUARED_ERROR,
    inputs_of,
    params_of,
    probes_of,
    tangents_of,
)
from eqprop.probes.losses import CROSS_ENTROPY
from eqprop.probes.sampling import LARGEST_STEP, SIMPLE, SMALLEST_STEP, family_names, rates_of, reaches

FIELDS = frozenset(eqprop.Probe.__dataclass_fields__)
EXAMPLE = {"b": np.array([0.5, -2.0]), "n": np.array(3, np.int32), "w": np.array([[1.5, 2.5], [-3.5, 4.5]])}
INPUTS = {
    "tokens": np.array([[2, 7, 5]], np.int32),
    "x": np.array([[0.25, -0.75]]),
    "mask": np.array([True, False]),
    "none": np.zeros((2, 0), np.int32),
}
SHAPES = jax.ShapeDtypeStruct((3, 2), np.float64)


def model(**changes: Any) -> eqprop.Model:
    return eqprop.Model(lambda p, x: x["x"] @ p["w"], EXAMPLE, INPUTS, **changes)


def pair(**changes: Any) -> eqprop.Pair:
    return eqprop.Pair(model(**changes), eqprop.hidden_units(groups.Scaling(2), writes={"w": 1, "b": 0}))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


DRAWN = FIELDS - {"involution"}
"""The fields that a Scaling has."""


def drawn(count: int, seed: int = 0, **changes: Any) -> eqprop.Probe:
    return probes_of(pair(**changes), SQUARED_ERROR, SHAPES, DRAWN, rng(seed), count)


# -- families ---------------------------------------------------------------------------------------------------------


def test_a_trained_model_is_probed_at_its_example_near_it_and_elsewhere_in_turn():
    names = family_names(model())
    assert names == (GIVEN, "gaussian", NEARBY, "readable", GIVEN, NEARBY, "badly scaled")
    w = drawn(3 * len(names)).params[1]
    at_example = (w == EXAMPLE["w"]).all(axis=(1, 2))
    np.testing.assert_array_equal(at_example, np.tile([name == GIVEN for name in names], 3))


def test_a_model_that_is_not_trained_never_sees_its_example():
    assert family_names(model(trained=False)) == tuple(FAMILIES)
    w = drawn(4 * len(FAMILIES), trained=False).params[1]
    assert not (w == EXAMPLE["w"]).all(axis=(1, 2)).any()
    readable = np.isin(w, READABLE).all(axis=(1, 2))
    np.testing.assert_array_equal(readable, np.tile([name in ("readable", "ones") for name in FAMILIES], 4))


def test_fewer_probes_than_families_take_the_first_ones():
    assert drawn(1).params[1].shape == (1, 2, 2)
    np.testing.assert_array_equal(drawn(1).params[1][0], EXAMPLE["w"])


def test_nearby_moves_each_number_by_about_a_tenth_of_itself():
    w = params_of(model(), NEARBY, rng(), 4000)[1] / EXAMPLE["w"] - 1
    # Standard error of a standard deviation over 4,000 draws: 1.1 %.
    np.testing.assert_allclose(w.std(axis=0), 0.1, rtol=0.06)
    np.testing.assert_allclose(w.mean(axis=0), 0.0, atol=0.01)


def test_badly_scaled_parameters_span_more_than_ten_powers_of_e():
    small, large = np.quantile(np.abs(params_of(model(), "badly scaled", rng(), 4000)[1]), [0.02, 0.98])
    assert np.log(large) > 5
    assert np.log(small) < -5


def test_badly_scaled_tensors_differ_as_wholes_too():
    per_tensor = np.log(np.abs(FAMILIES["badly scaled"](rng(), (2000, 30, 30)))).mean(axis=(1, 2))
    # The mean of log e^u for u uniform in ±4, the entries' own scatter averaged away over 900 of them.
    assert 2.1 < per_tensor.std() < 2.5


def test_gaussian_tensors_keep_their_activations_near_one():
    w = FAMILIES["gaussian"](rng(), (500, 16, 16))
    np.testing.assert_allclose(w.std(), 0.25, rtol=0.02)  # 1/√16; 128,000 draws
    np.testing.assert_allclose(FAMILIES["gaussian"](rng(), (5000, 3)).std(), 1.0, rtol=0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_draws_a_zero_and_every_family_fills_every_shape(family: str):
    for shape in ((7,), (7, 0), (7, 3), (7, 2, 0), (7, 2, 3, 4)):
        found = FAMILIES[family](rng(), shape)
        assert found.shape == shape
        assert np.isfinite(found).all()
        assert (found != 0).all()


def test_fresh_parameters_are_mapped_into_the_models_domain_and_the_example_is_left_alone():
    inside = model(domain=lambda p: {**p, "b": np.abs(p["b"])})
    for family in FAMILIES:
        assert (params_of(inside, family, rng(), 50)[0] > 0).all()
    np.testing.assert_array_equal(params_of(inside, GIVEN, rng(), 1)[0][0], EXAMPLE["b"])


def test_only_floating_point_parameters_are_drawn():
    assert [leaf.shape for leaf in params_of(model(), "gaussian", rng(), 5)] == [(5, 2), (5, 2, 2)]


@pytest.mark.parametrize("trained", [True, False])
def test_generic_families_leave_simple_numbers_out(trained: bool):
    every, generic = (family_names(model(trained=trained), generic=generic) for generic in (False, True))
    assert set(every) - set(generic) <= set(SIMPLE)
    assert set(every) & set(SIMPLE)
    assert not set(generic) & set(SIMPLE)
    assert set(generic) == {*FAMILIES} - {*SIMPLE} | ({GIVEN, NEARBY} if trained else set())
    probes = probes_of(
        pair(trained=trained), SQUARED_ERROR, SHAPES, frozenset({"params"}), rng(), 40, generic=True
    ).params[1]
    assert not np.isin(probes, READABLE).all(axis=(1, 2)).any()


# -- inputs -----------------------------------------------------------------------------------------------------------


def test_integer_inputs_span_the_range_of_the_example_and_never_leave_it():
    tokens = inputs_of(model(trained=False), rng(), 400)["tokens"]
    assert tokens.dtype == np.int32
    assert set(np.unique(tokens)) == {2, 3, 4, 5, 6, 7}


def test_booleans_and_empty_inputs_stay_as_they_are():
    found = inputs_of(model(trained=False), rng(), 9)
    np.testing.assert_array_equal(found["mask"], np.tile(INPUTS["mask"], (9, 1)))
    assert found["mask"].dtype == bool
    assert found["none"].shape == (9, 2, 0)


def test_a_trained_model_sees_its_example_inputs_every_other_time():
    found = inputs_of(model(), rng(), 20)
    given = (found["x"] == INPUTS["x"]).all(axis=(1, 2))
    np.testing.assert_array_equal(given, np.arange(20) % 2 == 0)
    np.testing.assert_array_equal((found["tokens"] == INPUTS["tokens"]).all(axis=(1, 2))[::2], True)


def test_example_and_fresh_parameters_both_meet_example_and_fresh_inputs():
    probes = drawn(28)
    example = (probes.params[1] == EXAMPLE["w"]).all(axis=(1, 2))
    given = (probes.inputs["x"] == INPUTS["x"]).all(axis=(1, 2))
    assert {(bool(a), bool(b)) for a, b in zip(example, given, strict=True)} == {
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    }


# -- directions and elements ------------------------------------------------------------------------------------------


def test_tangents_have_the_scale_of_their_parameters_tensor_by_tensor():
    params = (np.full((3000, 4), 1e-6), np.full((3000, 2, 2), 1e5) * np.array([1, 1e3, 1e-3] * 1000)[:, None, None])
    for leaf, tangent in zip(params, tangents_of(params, rng()), strict=True):
        assert tangent.shape == leaf.shape
        np.testing.assert_allclose((tangent / leaf).std(), 1.0, rtol=0.03)  # 12,000 normal numbers


def test_tangents_of_vanishing_and_of_empty_tensors_are_usable():
    tangent, empty = tangents_of((np.zeros((2000, 2)), np.zeros((2000, 0))), rng())
    np.testing.assert_allclose(tangent.std(), 1.0, rtol=0.06)
    assert empty.shape == (2000, 0)


def test_the_two_tangents_the_two_elements_and_the_two_algebra_elements_differ():
    probes = drawn(6)
    for one, other in (("tangent", "tangent2"), ("element", "element2"), ("algebra", "algebra2")):
        leaves = zip(jax.tree.leaves(getattr(probes, one)), jax.tree.leaves(getattr(probes, other)), strict=True)
        assert all((a != b).any() for a, b in leaves), one


def test_half_of_the_elements_are_near_the_identity_and_the_others_reach_far():
    found = reaches(rng(), 1000)
    assert (found <= 0.3).sum() == 500
    assert 0.02 <= found.min() < 0.03
    assert 0.98 < found.max() <= 1.0


def test_drawn_scalings_come_near_to_one_and_near_to_their_extremes():
    logs = np.log(drawn(1000).element)
    farthest = np.abs(logs).max(axis=1)
    assert farthest.max() > 10
    assert (farthest < 0.3 * 12).mean() > 0.5
    assert farthest.min() < 0.2


@pytest.mark.parametrize("trained", [True, False])
def test_every_family_meets_elements_near_and_far(trained: bool):
    probes, names = drawn(280, trained=trained), family_names(model(trained=trained))
    farthest = np.abs(np.log(probes.element)).max(axis=1)
    for i in range(len(names)):
        assert farthest[i :: len(names)].min() < 1
        assert farthest[i :: len(names)].max() > 6


# -- rates ------------------------------------------------------------------------------------------------------------


def test_step_sizes_are_spread_over_their_range_on_a_logarithmic_scale():
    steps = np.log10(rates_of(rng(), 4000)[:, 0])
    low, high = np.log10(SMALLEST_STEP), np.log10(LARGEST_STEP)
    assert low <= steps.min() < low + 0.1
    assert high - 0.1 < steps.max() <= high
    # Each of the seven powers of ten gets a seventh, 571 of 4,000, with a standard deviation of 22.
    counts = np.histogram(steps, np.linspace(low, high, 8))[0]
    assert (np.abs(counts - 4000 / 7) < 120).all()


@pytest.mark.parametrize("column", [1, 2], ids=["weight decay", "momentum"])
def test_weight_decay_and_momentum_are_uniform_between_zero_and_one(column: int):
    found = rates_of(rng(), 4000)[:, column]
    assert 0 <= found.min() < 0.01
    assert 0.99 < found.max() < 1
    assert (np.abs(np.histogram(found, np.linspace(0, 1, 5))[0] - 1000) < 150).all()  # 27 is a standard deviation


def test_the_three_rates_are_drawn_independently_of_each_other():
    rates = rates_of(rng(), 4000)
    rates[:, 0] = np.log(rates[:, 0])
    off_diagonal = np.corrcoef(rates.T)[np.triu_indices(3, 1)]
    assert (np.abs(off_diagonal) < 0.08).all()  # a standard deviation is 1/√4000 = 0.016


# -- the whole probe --------------------------------------------------------------------------------------------------


def test_a_batch_is_a_function_of_its_seed_alone():
    for a, b in zip(jax.tree.leaves(drawn(15, seed=4)), jax.tree.leaves(drawn(15, seed=4)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (drawn(15, seed=4).tangent[0] != drawn(15, seed=5).tangent[0]).any()


def test_only_the_needed_fields_are_drawn_and_each_has_a_row_per_probe():
    needed = frozenset({"params", "inputs", "cotangent"})
    probes = probes_of(pair(), SQUARED_ERROR, SHAPES, needed, rng(), 6)
    assert {name for name, value in vars(probes).items() if value is not None} == needed
    assert {len(leaf) for leaf in jax.tree.leaves(probes)} == {6}
    assert probes.cotangent.shape == (6, 3, 2)


def test_targets_are_those_of_the_loss():
    targets = probes_of(pair(), CROSS_ENTROPY, SHAPES, frozenset({"targets"}), rng(), 8).targets
    assert targets.shape == (8, 3, 2)
    assert targets.dtype == np.int32
    assert (targets.sum(axis=-1) == 1).all()
