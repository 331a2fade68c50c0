"""What is found of small networks is what theory says: dimension, rank, charges, discrete groups."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.finding import Symmetries, find
from eqprop.finding.found import Found
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


def found(model: eqprop.Model) -> Symmetries:
    return find(model, prove=False)


def groups_of(symmetries: Symmetries) -> list[str]:
    return sorted(one.found.group for one in symmetries.found)


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


@pytest.mark.slow
def test_what_is_found_is_proven_by_all_properties_and_written_as_tests(tmp_path, monkeypatch):
    symmetries = find(layered((2, 3, 2), jax.nn.relu))
    assert [(one.verdict, one.why) for one in symmetries.found] == [("proven", "")] * 2
    assert symmetries.exit_code == 0
    (tmp_path / "nets.py").write_text("from tests.finding.networks import layered\nimport jax\n")
    code = symmetries.code("tests.finding.test_find:a_model", called=True)
    space: dict[str, Any] = {}
    exec(compile(code, "test_symmetries.py", "exec"), space)
    assert [pair.transformation.name for pair in space["pairs"]] == ["scaling", "permutation"]


def test_a_file_of_tests_is_written_where_nothing_is_found():
    space: dict[str, Any] = {}
    code = found(asymmetric(0)).code("nets:model")
    exec(compile(code, "test_symmetries.py", "exec"), space)
    assert space["pairs"] == []
    assert "has found no symmetry of none" in code


def a_model() -> eqprop.Model:
    return layered((2, 3, 2), jax.nn.relu)


def test_a_broken_derivative_is_found_without_a_claim():
    @jax.custom_vjp
    def relu(z):
        return jnp.maximum(z, 0)

    relu.defvjp(lambda z: (relu(z), z), lambda z, g: (jnp.where(z > 0, g * (1 + 0.1 * z / (1 + z**2)), 0),))
    symmetries = find(layered((2, 3, 2), relu))
    permuting = [one for one in symmetries.found if one.found.kind == "permutation"]
    assert [one.verdict for one in permuting] == ["defect"]
    assert "derivative" in permuting[0].why
    assert permuting[0].why.startswith("falsified at order 1")
    assert symmetries.exit_code == 1
    assert "a symmetry of f that its derivatives break" in symmetries.text()


@pytest.mark.slow
def test_a_gradient_that_is_off_by_a_millionth_is_found_without_a_claim_at_its_order():
    @jax.custom_vjp
    def tanh(z):
        return jnp.tanh(z)

    tanh.defvjp(lambda z: (tanh(z), z), lambda z, g: ((1 + 1e-6) * g * (1 - jnp.tanh(z) ** 2),))
    symmetries = find(layered((2, 3, 2), tanh, bias=True))
    assert {one.found.kind for one in symmetries.found} == {"permutation", "sign"}
    assert all(one.verdict == "defect" for one in symmetries.found)
    assert all(one.why.startswith("falsified at order 1: derivative") for one in symmetries.found)


@pytest.mark.slow
def test_a_broken_second_derivative_is_found_without_a_claim_at_its_order():
    @jax.custom_vjp
    def slope(z):
        return 1 - jnp.tanh(z) ** 2

    @jax.custom_vjp
    def tanh(z):
        return jnp.tanh(z)

    # Right values and gradients; the derivative of the slope is a tenth too small.
    slope.defvjp(lambda z: (slope(z), z), lambda z, g: (-1.8 * g * jnp.tanh(z) * slope(z),))
    tanh.defvjp(lambda z: (tanh(z), z), lambda z, g: (g * slope(z),))
    symmetries = find(layered((2, 3, 2), tanh))
    assert {one.found.kind for one in symmetries.found} == {"permutation", "sign"}
    assert all(one.verdict == "defect" for one in symmetries.found)
    assert all(one.why.startswith("falsified at order 2") for one in symmetries.found)


def test_the_same_seed_finds_the_same():
    one, other = (found(attention("reshape", bias=True)) for _ in range(2))
    assert one.code() == other.code()


def test_dead_units_are_no_symmetry_of_the_points_that_were_looked_at():
    # Units that only fire for large weights are dead at some points, not at all of them.
    model = layered((2, 3, 2), lambda z: jax.nn.softplus(z - 3))
    assert [one.found.kind for one in found(model).found] == ["permutation"]


def test_a_layer_of_one_unit_is_scaled():
    symmetries = found(layered((3, 1, 2), jax.nn.relu, bias=True))
    assert groups_of(symmetries) == ["R₊^1, powers 1, -1"]


def test_tokens_that_the_example_lacks_are_not_looked_for():
    table = np.random.default_rng(0).standard_normal((6, 3))
    model = eqprop.Model(lambda p, t: jnp.tanh(p["e"][t]) @ p["u"], {"e": table, "u": table[:3]}, np.array([0, 1, 2]))
    assert found(model).dimension == 0


def test_gradients_that_are_not_finite_ask_for_a_domain():
    model = eqprop.Model(lambda p, x: jnp.sqrt(p) * x, np.ones(3), np.ones(3), name="root")
    with pytest.raises(InvalidInput, match=r"gradients at normal random parameters are not finite\. Say with domain="):
        found(model)
    positive = eqprop.Model(model.apply, model.params, model.inputs, name="root", domain=np.abs)
    assert found(positive).found == ()


def test_what_is_no_model_is_refused():
    with pytest.raises(InvalidInput, match=r"eqprop.find: got 3 \(int\); expected an eqprop.Model"):
        find(3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"declared": 3}, r"eqprop.find: declared is 3 \(int\); expected a list of pairs of this very model"),
        ({"declared": "ab"}, r"eqprop.find: declared is 'ab' \(str\); expected a list of pairs"),
        ({"declared": [None]}, "eqprop.find: declared has None in it; expected pairs of this very model"),
        ({"profile": "fast"}, "no profile is called 'fast'; the profiles are"),
        ({"prove": "no"}, r"prove is 'no' \(str\); expected True, False or 'premise'"),
        ({"seed": -1}, "the seed is -1; expected a whole number"),
    ],
)
def test_what_is_asked_wrongly_is_said_before_anything_is_traced(wrong, message):
    def untraced(p, x):
        pytest.fail("the model was called")

    model = eqprop.Model(untraced, np.ones(2), np.ones(2), name="untraced", trained=False)
    with pytest.raises(InvalidInput, match=message):
        find(model, **wrong)


def test_what_is_there_and_not_declared_is_said():
    model = layered((2, 3, 2), jax.nn.relu)
    scaling = eqprop.hidden_units(groups.Scaling(3), writes={"0/w": 1}, reads={"1/w": 0})
    permutation = eqprop.hidden_units(groups.Permutation(3), writes={"0/w": 1}, reads={"1/w": 0})
    one, both = [eqprop.Pair(model, scaling)], [eqprop.Pair(model, scaling), eqprop.Pair(model, permutation)]
    assert find(model, declared=one, prove=False).undeclared == ("permutation",)
    complete = find(model, declared=both, prove=False)
    assert complete.undeclared == ()
    assert "not declared: nothing, all that was found is declared" in complete.text()
    with pytest.raises(InvalidInput, match="expected pairs of this very model"):
        find(layered((2, 3, 2)), declared=one, prove=False)


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


def test_what_a_norm_leaves_up_to_its_epsilon_is_said_with_its_size():
    draw = numbers()

    def apply(p, x):
        z = x @ p["w"]
        return jnp.tanh(z / jnp.sqrt((z**2).mean(-1, keepdims=True) + 1e-5) @ p["u"] + 0.3)

    symmetries = found(eqprop.Model(apply, {"w": draw(3, 4), "u": draw(4, 2)}, draw(5, 3)))
    (near,) = symmetries.near
    assert (near.found.group, near.found.tensors) == ("R₊ on whole tensors, powers 1", ("w",))
    assert 1e-8 < near.size < 1e-3
    assert f"nearly, up to {near.size:.0e}: R₊ on whole tensors, powers 1 on w" in symmetries.text()
    assert symmetries.to_record()["near"][0]["missed_by"] == near.size
    assert not any(one.found.kind == "whole" for one in symmetries.found)
    assert found(layered((3, 4, 2), jax.nn.relu)).near == ()


def test_embeddings_whose_sum_alone_is_seen_are_shifted_against_each_other():
    draw = numbers()
    params = {"tokens": draw(4, 3), "positions": draw(5, 3), "w": draw(3, 2)}
    model = eqprop.Model(
        lambda p, t: jnp.tanh(p["tokens"][t] + p["positions"]) @ p["w"], params, np.array([0, 1, 2, 3, 0])
    )
    (joint,) = (one.found for one in found(model).found if one.found.kind == "joint")
    assert joint.group == "R^3, joint, times 1, -1"
    assert joint.tensors == ("positions", "tokens")


def of_kind(symmetries: Symmetries, kind: str) -> list[Found]:
    return [one.found for one in symmetries.found if one.found.kind == kind]


def test_what_reads_a_unit_and_its_copy_is_shifted_against_each_other():
    draw = numbers()

    def apply(p, x):
        hidden = jnp.tanh(x @ p["w"])
        return jnp.concatenate([hidden, -2 * hidden], -1) @ p["a"]

    symmetries = found(eqprop.Model(apply, {"w": draw(2, 3), "a": draw(6, 2)}, draw(4, 2)))
    (joint,) = of_kind(symmetries, "joint")
    assert joint.call.code() == "eqprop.joint_shift(6, {1: {'a[0:3]': None}, 0.5: {'a[3:6]': None}}, name='joint')"
    assert (symmetries.dimension, symmetries.rank, symmetries.charges) == (6, 6, 6)


def test_units_that_the_domain_makes_copies_of_each_other_are_shifted_on_what_reads_them():
    draw = numbers()

    def copied(p):
        return {"a": p["a"], "w": np.concatenate([p["w"][..., :2], p["w"][..., :1]], -1)}

    params = {"w": draw(2, 3), "a": draw(3, 2)}
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"], copied(params), draw(4, 2), domain=copied)
    (joint,) = of_kind(found(model), "joint")
    assert joint.call.positional == (2, {1: {"a[0:1]": None}, -1: {"a[2:3]": None}})
    assert of_kind(found(eqprop.Model(model.apply, params, model.inputs)), "joint") == []


def test_kernels_whose_sum_alone_is_seen_are_shifted_entry_by_entry():
    draw = numbers()
    params = {"v": draw(2, 3), "w": draw(2, 3), "a": draw(3, 2)}
    symmetries = found(eqprop.Model(lambda p, x: jnp.tanh(x @ p["v"] - x @ p["w"]) @ p["a"], params, draw(4, 2)))
    (joint,) = of_kind(symmetries, "joint")
    assert joint.call.positional == (6, {1: {"v": None, "w": None}})
    assert symmetries.dimension == 6


def test_running_statistics_move_with_the_units_whose_they_are():
    draw = numbers()
    params = {"w": draw(2, 3), "mean": draw(3), "var": np.array([0.5, 1.0, 2.0]), "g": draw(3), "a": draw(3, 2)}

    def apply(p, x):
        return jax.nn.relu((x @ p["w"] - p["mean"]) / jnp.sqrt(p["var"]) * p["g"]) @ p["a"]

    symmetries = found(eqprop.Model(apply, params, draw(4, 2), state=("mean", "var")))
    (permutation,) = (one.found for one in symmetries.found if one.found.kind == "permutation")
    assert permutation.tensors == ("a", "g", "mean", "var", "w")


def test_what_moves_state_continuously_conserves_nothing_and_is_no_claim():
    draw = numbers()
    params = {"w": draw(2, 3), "mean": draw(3), "g": draw(3), "a": draw(3, 2)}

    def apply(p, x):
        return jax.nn.relu((x @ p["w"] - p["mean"]) * p["g"]) @ p["a"]

    of_state, whole = (found(eqprop.Model(apply, params, draw(4, 2), state=state)) for state in (("mean",), ()))
    assert all(one.found.pair and "mean" not in one.found.tensors for one in of_state.found if one.found.continuous)
    assert (of_state.dimension, whole.dimension) == (3, 6)
    assert of_state.carrying == ("R₊^3, powers 1, -1 on g, mean, w",)
    assert "moves state as well" in of_state.text()
    assert "mean" not in "".join(line for line in of_state.text().splitlines() if "conserved" in line)
    assert whole.carrying == ()


def test_what_leaves_the_domain_at_some_points_must_hold_at_the_others():
    params = {"block": {"shift": np.array([0.3]), "width": np.array([0.6]), "w": np.array([[0.2, 0.7]])}}

    def apply(p, x):
        z = x @ p["block"]["w"]
        return z / jnp.sqrt((z**2).mean() + p["block"]["width"]) + 0 * p["block"]["shift"]

    def positive(p):
        return {"block": {**p["block"], "width": np.abs(p["block"]["width"])}}

    symmetries = found(eqprop.Model(apply, params, np.ones((3, 1)), domain=positive))
    assert of_kind(symmetries, "exchange") == []


def test_what_is_hidden_from_derivatives_is_not_unseen():
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) + jax.lax.stop_gradient(p["b"]),
        {"w": np.eye(2), "b": np.ones(2)},
        np.ones((3, 2)),
    )
    symmetries = found(model)
    assert symmetries.found == ()
    assert symmetries.hidden
    assert "no gradient sees it, and f changes" in symmetries.text()
    assert symmetries.exit_code == 1


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
