"""Tensors whose sum alone is seen: layers in plain NumPy stay as they are, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop.actions import joint_shift
from eqprop.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("float64")

RNG = np.random.default_rng(0)
PARAMS = {
    "tokens": RNG.standard_normal((4, 3)),
    "positions": RNG.standard_normal((3, 5)),
    "bias": RNG.standard_normal(6),
}
SHIFT = np.array([1.0, -2.0, 0.5])


def test_what_is_added_to_one_tensor_is_taken_off_others():
    shifts = {2: {"tokens": 1}, -1: {"positions": 0, "bias[3:6]": 0}}
    moved = joint_shift(3, shifts).on_params(SHIFT, PARAMS)
    np.testing.assert_array_equal(moved["tokens"], PARAMS["tokens"] + 2 * SHIFT[None])
    np.testing.assert_array_equal(moved["positions"], PARAMS["positions"] - SHIFT[:, None])
    np.testing.assert_array_equal(moved["bias"], PARAMS["bias"] - np.concatenate([np.zeros(3), SHIFT]))


def test_entries_that_are_units_one_by_one_are_shifted_in_their_order():
    shifts = {1: {"tokens[0:2]": None}, -2: {"bias": None}}
    moved = joint_shift(6, shifts).on_params(np.arange(6.0), PARAMS)
    np.testing.assert_array_equal(moved["tokens"][:2], PARAMS["tokens"][:2] + np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(moved["tokens"][2:], PARAMS["tokens"][2:])
    np.testing.assert_array_equal(moved["bias"], PARAMS["bias"] - 2 * np.arange(6.0))


def test_more_entries_than_units_are_refused():
    with pytest.raises(InvalidInput, match="has 12 entries there; expected as many as there are units, 3"):
        joint_shift(3, {1: {"tokens": None}}).on_params(SHIFT, PARAMS)


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        pytest.param({}, "no tensor is named by shifts=", id="nothing"),
        pytest.param({"tokens": 1}, "expected numbers → tensors", id="paths instead of numbers"),
        pytest.param({float("nan"): {"tokens": 1}}, "expected numbers → tensors", id="not a number"),
    ],
)
def test_shifts_that_say_nothing_are_refused(shifts, message):
    with pytest.raises(InvalidInput, match=message):
        joint_shift(3, shifts)


def test_an_axis_of_another_length_is_refused():
    with pytest.raises(InvalidInput, match="has length 4 along axis 0"):
        joint_shift(3, {1: {"tokens": 0}}).on_params(SHIFT, PARAMS)
