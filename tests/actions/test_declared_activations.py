"""Shifted exponentials and mirrored units: layers in plain NumPy stay as they are, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop.actions import exponential_shift, half_periods, sigmoid_mirror, skip_mirror
from eqprop.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("float64")

RNG = np.random.default_rng(0)
SHAPES = {"w": (2, 3), "b": 3, "a": (3, 2), "c": 2, "s": (2, 2)}
PARAMS = {name: RNG.standard_normal(shape) for name, shape in SHAPES.items()}
INPUTS = RNG.standard_normal((4, 2))
SIGNS = np.array([1, -1, -1])


def layer(params, activation, skip=False):
    z = INPUTS @ np.asarray(params["w"]) + np.asarray(params["b"])[None]
    linear = INPUTS @ np.asarray(params["s"]) if skip else 0
    return activation(z) @ np.asarray(params["a"]) + np.asarray(params["c"])[None] + linear


def softplus(z):
    return np.log1p(np.exp(z))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# Sums of a dozen numbers of about 1: a few units in the last place.
SAME = {"rtol": 1e-12, "atol": 1e-12}


def test_an_exponential_takes_a_shift_for_a_factor():
    moved = exponential_shift(3, bias="b", reads={"a": 0}).on_params(np.array([1.0, -2.0, 0.5]), PARAMS)
    np.testing.assert_allclose(layer(moved, np.exp), layer(PARAMS, np.exp), **SAME)
    assert not np.allclose(layer(moved, sigmoid), layer(PARAMS, sigmoid))


@pytest.mark.parametrize("frequency", [1.0, 30.0])
def test_half_a_period_more_in_front_of_a_sine_is_a_sign_behind_it(frequency):
    shift = half_periods(3, bias="b", reads={"a": 0}, half_period=np.pi / frequency)
    moved = shift.on_params(np.array([1, -2, 0]), PARAMS)

    def sine(z):
        return np.sin(frequency * z)

    # Errors of the argument, some units in the last place of 30 · 5, are those of a sine.
    np.testing.assert_allclose(layer(moved, sine), layer(PARAMS, sine), rtol=0, atol=1e-12)
    assert not np.allclose(layer(moved, np.tanh), layer(PARAMS, np.tanh))


@pytest.mark.parametrize("given", [0, -1.0, float("inf"), True, "pi"], ids=repr)
def test_a_half_period_that_is_no_positive_number_is_refused(given):
    with pytest.raises(InvalidInput, match=r"half_period is .*; expected a positive number, math\.pi for a sine"):
        half_periods(3, bias="b", reads={"a": 0}, half_period=given)


def test_a_mirrored_sigmoid_leaves_a_constant_to_the_next_bias():
    moved = sigmoid_mirror(3, writes={"w": 1, "b": 0}, reads={"a": (0, "c")}).on_params(SIGNS, PARAMS)
    np.testing.assert_allclose(layer(moved, sigmoid), layer(PARAMS, sigmoid), **SAME)
    np.testing.assert_array_equal(moved["w"], PARAMS["w"] * SIGNS[None])
    assert not np.allclose(layer(moved, np.tanh), layer(PARAMS, np.tanh))


def test_a_mirrored_softplus_leaves_a_linear_map_to_the_skip():
    mirror = skip_mirror(3, writes={"w": (1, "s"), "b": (0, "c")}, reads=("a", 0))
    moved = mirror.on_params(SIGNS, PARAMS)
    np.testing.assert_allclose(layer(moved, softplus, skip=True), layer(PARAMS, softplus, skip=True), **SAME)
    np.testing.assert_array_equal(moved["a"], PARAMS["a"])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(lambda: exponential_shift(3, bias="b", reads={}), "reads= names no tensor", id="no readers"),
        pytest.param(lambda: half_periods(3, bias="b", reads={}), "reads= names no tensor", id="no readers of a sine"),
        pytest.param(
            lambda: sigmoid_mirror(3, writes={}, reads={"a": (0, "c")}), "writes names no tensor", id="sigmoid"
        ),
        pytest.param(lambda: sigmoid_mirror(3, writes={"w": 1}, reads={}), "reads names no tensor", id="blind"),
        pytest.param(lambda: skip_mirror(3, writes={}, reads=("a", 0)), "writes names no tensor", id="skip"),
    ],
)
def test_what_would_move_nothing_is_refused(made, message):
    with pytest.raises(InvalidInput, match=message):
        made()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(exponential_shift(3, bias="c", reads={"a": 0}), r"'c' has the shape \(2,\)", id="bias"),
        pytest.param(sigmoid_mirror(3, writes={"w": 1}, reads={"a": (0, "b")}), r"'b' has the shape", id="after"),
        pytest.param(skip_mirror(3, writes={"w": (1, "c")}, reads=("a", 0)), r"'c' has the shape \(2,\)", id="no skip"),
        pytest.param(skip_mirror(3, writes={"w": (0, "s")}, reads=("a", 0)), "but .* acts on 3 units there", id="axis"),
    ],
)
def test_what_does_not_fit_is_refused(made, message):
    with pytest.raises(InvalidInput, match=message):
        made.on_params(SIGNS, PARAMS)
