"""What is found of small networks is what theory says: dimension, rank, charges, discrete groups."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from tests.finding.looking import found, groups_of
from tests.finding.networks import (
    asymmetric,
    attention,
    convolved,
    gated,
    layered,
    low_rank,
    normed,
    numbers,
    recurrent,
    residual,
    symmetric,
)


@pytest.mark.parametrize(
    ("model", "dimension", "rank", "charges"),
    [
        pytest.param(layered((3, 4, 2), jax.nn.relu, bias=True), 4, 4, 4, id="relu"),
        pytest.param(layered((3, 4, 2), jnp.tanh, bias=True), 0, 0, 0, id="tanh"),
        pytest.param(layered((3, 4, 2), jax.nn.gelu), 0, 0, 0, id="gelu"),
        pytest.param(layered((3, 4, 2), lambda z: jax.nn.relu(z) ** 2), 4, 4, 4, id="squared relu"),
        pytest.param(layered((3, 4, 5, 2)), 16 + 25, 36, 10 + 15, id="linear"),
        pytest.param(layered((2, 5, 2)), 25, 16, 14, id="linear with a wide layer"),
        pytest.param(layered((3, 4, 5, 2), bias=True), 41 + 9, 45, 25, id="linear with biases"),
        pytest.param(residual("scan"), 16 + 15, 31, 10 + 15, id="residual under scan"),
        pytest.param(residual("loop"), 16 + 15, 31, 10 + 15, id="residual in a loop"),
        pytest.param(attention("einsum"), 4 * 16, 64, 4 * 10, id="attention by einsum"),
        pytest.param(attention("reshape"), 4 * 16, 64, 4 * 10, id="attention by reshapes"),
        pytest.param(attention("fused"), 4 * 16, 64, 4 * 10, id="attention fused"),
        pytest.param(attention("loop"), 4 * 16, 64, 4 * 10, id="attention in a loop"),
        pytest.param(attention("reshape", bias=True), 64 + 8 + 8, 80, 48, id="attention with biases"),
        pytest.param(attention("fused", rotary="halves"), 32 + 8, 40, 24, id="rotary halves"),
        pytest.param(attention("einsum", rotary="interleaved"), 32 + 8, 40, 24, id="rotary interleaved"),
        pytest.param(attention("fused", rotary="halves", base=1.0), 32 + 16, 48, 28, id="rotary of one frequency"),
    ],
)
def test_the_algebra_has_the_dimension_that_theory_says(model, dimension, rank, charges):
    symmetries = found(model)
    assert (symmetries.dimension, symmetries.rank, symmetries.charges) == (dimension, rank, charges)
    assert symmetries.unwritten == ()


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        pytest.param(jax.nn.relu, ["R₊^4, powers 1, -1", "S_4"], id="relu"),
        pytest.param(jnp.tanh, ["S_4", "signs of 4"], id="tanh"),
        pytest.param(jax.nn.gelu, ["S_4"], id="gelu"),
        pytest.param(lambda z: jax.nn.relu(z) ** 2, ["R₊^4, powers 1, -2", "S_4"], id="squared relu"),
    ],
)
def test_units_are_exchanged_and_scaled_and_negated_as_their_activation_allows(activation, expected):
    assert groups_of(found(layered((3, 4, 2), activation, bias=True))) == expected


def test_permutations_behind_scalings_are_named_as_a_semidirect_product():
    (row,) = found(layered((3, 4, 2), jax.nn.relu)).interfaces
    assert row.group == "R₊^4, powers 1, -1 ⋊ S_4"
    assert (row.tensors, row.size, row.dimension) == (("0/w", "1/w"), 4, 4)


@pytest.mark.parametrize("how", ["scan", "loop"])
def test_units_of_each_layer_are_permuted_by_themselves(how):
    permuting = [one.found for one in found(residual(how)).found if one.found.kind == "permutation"]
    assert [one.group for one in permuting] == (["S_5 in each of 3"] if how == "scan" else ["S_5"] * 3)


@pytest.mark.parametrize("seed", range(12))
def test_a_network_without_symmetries_has_none(seed):
    symmetries = found(asymmetric(seed))
    assert symmetries.found == ()
    assert symmetries.untouched == ("b", "u", "w")


@pytest.mark.slow
def test_hundreds_of_networks_without_symmetries_have_none():
    assert [seed for seed in range(12, 400) if found(asymmetric(seed)).found] == []


def test_a_layer_of_one_unit_is_scaled():
    symmetries = found(layered((3, 1, 2), jax.nn.relu, bias=True))
    assert groups_of(symmetries) == ["R₊^1, powers 1, -1"]


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        pytest.param(jax.nn.sigmoid, ["S_4", "mirrors of 4"], id="sigmoid"),
        pytest.param(jnp.exp, ["R^4, exponential", "S_4"], id="exponential"),
        pytest.param(jnp.sin, ["S_4", "Z^4, half periods", "signs of 4"], id="sine"),
        pytest.param(lambda z: jnp.cos(30.0 * z), ["S_4", "Z^4, half periods", "signs of 4"], id="cosine"),
    ],
)
def test_single_activations_leave_actions_that_are_not_linear(activation, expected):
    assert groups_of(found(layered((3, 4, 2), activation, bias=True))) == expected


def test_the_half_period_is_read_off_the_frequency_in_the_program():
    (one,) = (
        one.found
        for one in found(layered((2, 3, 2), lambda z: jnp.sin(z * 30.0), bias=True)).found
        if one.found.kind == "periodic"
    )
    assert one.call.named["half_period"] == pytest.approx(np.pi / 30)


def test_towers_in_a_list_trade_places_and_layers_do_not():
    draw = numbers()
    towers = [{"w": draw(2, 3), "u": draw(3, 2)} for _ in range(3)]
    model = eqprop.Model(lambda p, x: sum(jax.nn.gelu(x @ t["w"]) @ t["u"] for t in p), towers, draw(4, 2))
    assert "S_3 of parts" in groups_of(found(model))
    assert not any("parts" in group for group in groups_of(found(layered((3, 3, 3, 3), jax.nn.relu))))


def test_planes_that_positions_turn_are_found_in_front_of_units_that_they_do_not():
    draw = numbers()
    angles = np.arange(4)[:, None] * 1.3 ** -np.arange(2)
    params = {"q": draw(4, 6), "k": draw(4, 6)}

    def turned(x):
        a, b = x[:, 0:4:2], x[:, 1:4:2]
        pairs = jnp.stack([a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles)], -1)
        return jnp.concatenate([pairs.reshape(4, 4), x[:, 4:]], -1)

    model = eqprop.Model(lambda p, x: jax.nn.softmax(turned(x @ p["q"]) @ turned(x @ p["k"]).T), params, draw(4, 4))
    assert groups_of(found(model)) == ["C*^2", "GL(2)"]


def test_units_beside_a_linear_skip_are_mirrored():
    draw = numbers()
    weights = {"w": draw(2, 3), "a": draw(3, 2), "s": draw(2, 2)}
    model = eqprop.Model(lambda p, x: jax.nn.gelu(x @ p["w"]) @ p["a"] + x @ p["s"], weights, np.ones((4, 2)))
    assert groups_of(found(model)) == ["S_3", "mirrors of 3"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(gated(jax.nn.silu), ["R₊^3, powers 1, -1", "S_3", "signs of 3"], id="swiglu"),
        pytest.param(gated(jax.nn.relu), ["R₊^3, powers 1, -1", "R₊^3, powers 1, -1", "S_3", "signs of 3"], id="reglu"),
        pytest.param(
            gated(lambda z: z),
            ["R₊^3, powers 1, -1", "R₊^3, powers 1, -1", "S_3", "signs of 3", "signs of 3", "swaps of factors in 3"],
            id="bilinear",
        ),
        pytest.param(low_rank(), ["GL(2)"], id="low rank"),
        pytest.param(symmetric(), ["O(3)"], id="symmetric factorisation"),
        pytest.param(recurrent(jnp.tanh), ["S_3", "signs of 3"], id="recurrent tanh"),
        pytest.param(recurrent(lambda z: z), ["GL(3)"], id="recurrent linear"),
        pytest.param(normed(), ["R₊^3, powers 1, -1", "signs of 3"], id="norm gain"),
        pytest.param(convolved(), ["R₊^3, powers 1, -1", "S_3"], id="convolution"),
    ],
)
def test_blocks_of_networks_have_the_groups_that_theory_says(model, expected):
    assert groups_of(found(model)) == expected
