"""Channels, and axes that are shared: layers in plain NumPy stay as they are, and every refusal of a pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import channels, hidden_units
from eqprop.errors import InvalidInput
from tests.actions.layers import ROUNDING, Case, Layer, Params, error_of, moved, relu

# -- channels ---------------------------------------------------------------------------------------------------------


CHANNELS, LENGTH, SIZE = 3, 6, 2
POOLED = (LENGTH - SIZE + 1) // 2


def convolution(activation: Callable[[np.ndarray], np.ndarray], order: str) -> Layer:
    """conv → σ → max pool of pairs → depthwise → dense on the flattened signal, channels last or first."""

    def layer(p: Params, x: np.ndarray) -> np.ndarray:
        windows = np.stack([x[:, i : i + SIZE] for i in range(LENGTH - SIZE + 1)], axis=1)
        z = activation(np.einsum("btki,kio->bto", windows, p["kernel"]) + p["bias"])
        z = z[:, : 2 * POOLED].reshape(len(x), POOLED, 2, CHANNELS).max(axis=2)
        z = z * p["depthwise"][0] + np.roll(z, 1, axis=1) * p["depthwise"][1]
        z = z if order == "last" else np.swapaxes(z, 1, 2)
        return z.reshape(len(x), -1) @ p["head"]

    return layer


CONV_SHAPES = {
    "kernel": (SIZE, 2, CHANNELS),
    "bias": (CHANNELS,),
    "depthwise": (2, CHANNELS),
    "head": (POOLED * CHANNELS, 2),
}
FLATTENED = {"last": "(pixels units) d_out", "first": "(units pixels) d_out"}


def conv_case(
    group: groups.Group | None = None,
    *,
    activation: Any = relu,
    order: str = "last",
    pattern: str = "",
    depthwise: bool = False,
) -> Case:
    writes: dict[str, Any] = {"kernel": 2, "bias": 0} | ({"depthwise": 1} if depthwise else {})
    claim = channels(CHANNELS, writes=writes, reads={"head": pattern or FLATTENED[order]}, group=group)
    return Case(convolution(activation, order), CONV_SHAPES, (4, LENGTH, 2), claim)


PERMUTED = groups.Permutation(CHANNELS)


@pytest.mark.parametrize("order", FLATTENED)
@pytest.mark.parametrize("seed", range(3))
def test_channels_are_rescaled_through_pooling_depthwise_layers_and_flattening(order: str, seed: int):
    assert error_of(conv_case(order=order), seed) < ROUNDING


@pytest.mark.parametrize("order", FLATTENED)
def test_channels_are_permuted_if_depthwise_kernels_follow(order: str):
    assert error_of(conv_case(PERMUTED, activation=np.tanh, order=order, depthwise=True), reach=1.0) < ROUNDING


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(conv_case(PERMUTED), id="permutation-without-the-depthwise-kernel"),
        pytest.param(conv_case(groups.Sign(CHANNELS), activation=np.tanh), id="signs-through-max-pooling"),
        pytest.param(conv_case(pattern=FLATTENED["first"]), id="channels-taken-to-be-first"),
        pytest.param(conv_case(activation=np.tanh), id="scales-through-tanh"),
    ],
)
def test_what_channels_do_not_have_shows(case: Case):
    assert error_of(case, reach=1.0) > 1e-3


def test_channels_take_the_power_of_what_lies_between():
    def layer(p: Params, x: np.ndarray) -> np.ndarray:
        return relu(x @ p["w"]) ** 2 @ p["a"]

    claim = channels(CHANNELS, writes={"w": 1}, reads={"a": 0}, power=2)
    assert error_of(Case(layer, {"w": (2, CHANNELS), "a": (CHANNELS, 1)}, (4, 2), claim)) < ROUNDING


# -- patterns ---------------------------------------------------------------------------------------------------------


def test_a_pattern_moves_what_the_split_tensor_would():
    tensor = np.arange(24.0).reshape(6, 4)
    image = moved(
        hidden_units(groups.Scaling(3), writes={"w": "(a units) d"}), np.array([1.0, 2.0, 4.0]), {"w": tensor}
    )
    expected = tensor.reshape(2, 3, 4) * np.array([1.0, 2.0, 4.0])[:, None]
    np.testing.assert_array_equal(image["w"], expected.reshape(6, 4))


def test_copies_and_units_may_share_an_axis():
    group = groups.Power(groups.Scaling(2), 3)
    element = np.arange(1.0, 7.0).reshape(3, 2)
    image = moved(hidden_units(group, writes={"w": "d (copies units)"}), element, {"w": np.ones((2, 6))})
    np.testing.assert_array_equal(image["w"], np.tile(element.ravel(), (2, 1)))


def test_an_axis_of_one_may_be_written_as_1():
    image = moved(
        hidden_units(groups.Scaling(2), writes={"w": "1 (units d)"}), np.array([2.0, 3.0]), {"w": np.ones((1, 4))}
    )
    np.testing.assert_array_equal(image["w"], [[2.0, 2.0, 3.0, 3.0]])


def test_one_tensor_may_be_written_along_a_shared_axis_and_read_along_another():
    claim = hidden_units(groups.Scaling(2), writes={"w": "(gates units) d"}, reads={"w": 1})
    image = moved(claim, np.array([2.0, 4.0]), {"w": np.ones((4, 2))})
    np.testing.assert_array_equal(image["w"], [[1.0, 0.5], [2.0, 1.0], [1.0, 0.5], [2.0, 1.0]])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("d subunits", r"names 'units' 0 times; Scaling\(n=3\) needs it once"),
        ("units units", "names 'units' 2 times"),
        ("... units", "leaves axes out; name every axis"),
        ("(units d", "does not fit the pattern .*parenthes"),
        ("units", r"'w' of shape \(6, 2\) does not fit the pattern 'units'"),
        ("(units a b) d", "Could not infer sizes"),
        ("a units", "does not fit the pattern"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(pattern: str, message: str):
    claim = channels(3, writes={"w": pattern})
    with pytest.raises(InvalidInput, match=message):
        claim.on_params(np.ones(3), {"w": np.ones((6, 2))})


@pytest.mark.parametrize(
    ("writes", "reads"),
    [
        ({"w": "(a units) d"}, {"w": "(pixels units) d_out"}),
        ({"w": "(a units) d", "?": "(b units) c"}, None),
    ],
)
def test_the_same_units_of_a_shared_axis_are_not_moved_twice(writes: Any, reads: Any):
    claim = hidden_units(groups.Scaling(3), writes=writes, reads=reads)
    with pytest.raises(InvalidInput, match="axis 0 of 'w' is declared twice; name it once"):
        claim.on_params(np.ones(3), {"w": np.ones((6, 2))})


def test_an_axis_that_a_pattern_leaves_whole_is_the_same_as_its_number():
    claim = hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"w": "d units"})
    with pytest.raises(InvalidInput, match="axis 1 of 'w' is declared twice"):
        claim.on_params(np.ones(3), {"w": np.ones((2, 3))})
