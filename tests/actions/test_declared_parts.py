"""Parts of tensors, powers of their own, and biases that the next one absorbs: what moves, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import bias_shift, hidden_units, scaled_units, translations
from eqprop.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("float64")

RNG = np.random.default_rng(0)
PARAMS = {
    "qkv": RNG.standard_normal((2, 6)),
    "b": RNG.standard_normal(3),
    "w": RNG.standard_normal((3, 2)),
    "c": np.ones(2),
}
FACTORS = np.array([2.0, 3.0])


def test_a_slice_behind_a_path_moves_a_part_of_the_tensor():
    moved = hidden_units(groups.Scaling(2), writes={"qkv[:, 2:4]": 1}, reads={"qkv[:, 4:]": 1}).on_params(
        FACTORS, PARAMS
    )
    expected = PARAMS["qkv"] * np.array([1, 1, 2, 3, 1 / 2, 1 / 3])[None]
    np.testing.assert_array_equal(moved["qkv"], expected)


def test_a_slice_may_have_steps():
    moved = hidden_units(groups.Scaling(3), writes={"qkv[:, 1::2]": 1}).on_params(np.array([2.0, 4.0, 8.0]), PARAMS)
    np.testing.assert_array_equal(moved["qkv"], PARAMS["qkv"] * np.array([1, 2, 1, 4, 1, 8])[None])


def test_names_in_a_pattern_say_lengths_that_do_not_follow():
    moved = hidden_units(groups.Scaling(1), writes={"qkv": "d (part:2 units group:3)"}).on_params(
        np.array([2.0]), PARAMS
    )
    np.testing.assert_array_equal(moved["qkv"], 2 * PARAMS["qkv"])


def test_a_shift_may_be_that_of_a_part():
    shift = translations(PARAMS, {"qkv[0:1]": 1, "b[1:]": None})
    moved = shift.on_params(np.array([10.0, 1.0, 2.0]), PARAMS)
    assert shift.group == groups.Translation(3)
    by_path = {"b": [0, 10, 1], "qkv": np.array([[2.0], [0.0]])}
    np.testing.assert_allclose(moved["b"], PARAMS["b"] + by_path["b"], rtol=1e-15)  # one addition each
    np.testing.assert_allclose(moved["qkv"], PARAMS["qkv"] + by_path["qkv"], rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("qkv[:, 2:x]", "no parameter matches", id="no slice"),
        pytest.param("qkv[:, 2:2]", "the slices leave nothing of it", id="empty"),
        pytest.param("b[:, 2:3]", "has fewer axes than there are slices, 2", id="too many"),
        pytest.param("qkv[:, 1-2:3]", "has '1-2:3' in brackets; expected slices, as in", id="arithmetic"),
    ],
)
def test_a_part_that_is_none_is_refused(path, message):
    with pytest.raises(InvalidInput, match=message):
        hidden_units(groups.Scaling(2), writes={path: 1}).on_params(FACTORS, PARAMS)


def test_one_part_twice_is_refused():
    twice = hidden_units(groups.Scaling(2), writes={"qkv[:, :2]": 1, "qkv[:, 0:2]": 1})
    with pytest.raises(InvalidInput, match="axis 1 of 'qkv' is declared twice"):
        twice.on_params(FACTORS, PARAMS)


def test_each_tensor_is_scaled_by_its_own_power():
    moved = scaled_units(2, {1: {"qkv": "d (units part)"}, -0.5: {"w": 1}}).on_params(FACTORS, PARAMS)
    np.testing.assert_allclose(moved["qkv"], PARAMS["qkv"] * np.repeat(FACTORS, 3)[None], rtol=1e-15)
    np.testing.assert_allclose(moved["w"], PARAMS["w"] / np.sqrt(FACTORS)[None], rtol=1e-15)


def test_copies_of_units_have_factors_of_their_own():
    moved = scaled_units(1, {2: {"qkv": "d (copies units part)"}}, copies=2).on_params(FACTORS[:, None], PARAMS)
    np.testing.assert_allclose(moved["qkv"], PARAMS["qkv"] * np.repeat(FACTORS**2, 3)[None], rtol=1e-15)


@pytest.mark.parametrize(
    ("powers", "message"),
    [
        pytest.param({"w": 1}, r"powers is \{'w': 1\}; expected numbers", id="tensors first"),
        pytest.param({np.inf: {"w": 1}}, "expected numbers", id="infinite"),
        pytest.param({}, "no tensor is named by powers=", id="nothing"),
    ],
)
def test_powers_that_are_none_are_refused(powers, message):
    with pytest.raises(InvalidInput, match=message):
        scaled_units(2, powers)


def test_what_is_stored_less_a_number_or_as_a_logarithm_is_scaled_as_what_it_stands_for():
    params = {"g": np.array([0.5, 2.0]), "s": np.array([0.1, -0.3]), "w": np.ones((2, 3))}
    transformation = scaled_units(
        2, {1: {"g": 0}, -1: {"w": 0}}, logarithms={2: {"s": 0}}, origins={"g": -1}, name="stored"
    )
    moved = transformation.on_params(FACTORS, params)
    np.testing.assert_allclose(moved["g"], FACTORS * (params["g"] + 1) - 1, rtol=1e-15)
    np.testing.assert_allclose(moved["s"], params["s"] + 2 * np.log(FACTORS), rtol=1e-15)
    np.testing.assert_allclose(moved["w"], params["w"] / FACTORS[:, None], rtol=1e-15)


def test_parts_and_copies_may_be_stored_otherwise():
    params = {"g": np.zeros((2, 4)), "w": np.ones((2, 2))}
    moved = scaled_units(
        2, {1: {"g[:, 0:2]": (0, 1)}, -1: {"w": (0, 1)}}, origins={"g[:, 0:2]": -1}, copies=2
    ).on_params(np.full((2, 2), 3.0), params)
    np.testing.assert_array_equal(moved["g"], [[2.0, 2.0, 0.0, 0.0]] * 2)


@pytest.mark.parametrize(
    "origins",
    [{"other": -1}, {"g": np.inf}, {"g": "one"}, ["g"]],
    ids=["no tensor of powers", "infinite", "text", "list"],
)
def test_origins_that_are_none_are_refused(origins):
    with pytest.raises(InvalidInput, match=r"origins is .*; expected tensors of powers="):
        scaled_units(2, {1: {"g": 0}}, origins=origins)


def test_a_bias_is_absorbed_by_the_one_behind_its_reader():
    shift = np.array([1.0, 2.0, 3.0])
    moved = bias_shift(3, bias="b", reads={"w": (0, "c")}).on_params(shift, PARAMS)
    hidden = RNG.standard_normal((4, 3))
    before = (hidden + PARAMS["b"][None]) @ PARAMS["w"] + PARAMS["c"][None]
    after = (hidden + np.asarray(moved["b"])[None]) @ PARAMS["w"] + np.asarray(moved["c"])[None]
    np.testing.assert_allclose(after, before, rtol=1e-12)  # sums of six terms


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        pytest.param({}, "reads= names no tensor", id="nothing"),
        pytest.param({"w": 0}, r"reads\['w'\] is 0 \(int\); expected the axis of the units and the path", id="no pair"),
        pytest.param({"w": (1, "c")}, "'w' of shape .* has not the units of 'b', .* along", id="other axis"),
        pytest.param({"w": (0, "b")}, r"'b' has the shape \(3,\); what moves it has \(2,\)", id="other bias"),
        pytest.param({"[wc]": (0, "c")}, "matches 2 tensors; name one", id="several"),
    ],
)
def test_a_reader_that_does_not_fit_is_refused(reads, message):
    with pytest.raises(InvalidInput, match=message):
        bias_shift(3, bias="b", reads=reads).on_params(np.ones(3), PARAMS)
