"""Strategies are tested objects: what they find, and what they shrink to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st

from eqprop import groups, strategies
from eqprop.claims import Model
from eqprop.errors import InvalidInput
from eqprop.probes.losses import CROSS_ENTROPY
from eqprop.strategies import ACTIVATIONS, Activation, Block

QUICK = settings(database=None)
BLOCK = Block(lambda p, h: h @ p["w"], {"w": (2, 2)}, 2, 2)


def drawn(strategy: st.SearchStrategy[Any], count: int = 200) -> list[Any]:
    """Examples as a search would see them, the same at each run."""
    found: list[Any] = []

    @seed(1)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def simplest(strategy: st.SearchStrategy[Any]) -> Any:
    return find(strategy, lambda value: True, settings=QUICK)


@st.composite
def nets(draw: st.DrawFn, block: Block = BLOCK, **options: Any) -> strategies.Embedded:
    return strategies.embedded(draw, block, **options)


# -- activations ------------------------------------------------------------------------------------------------------

Z = np.array([-2.0, -0.5, 0.25, 1.0, 3.0])
SOME_ULPS = 8 * np.finfo(float).eps * np.abs(Z).max()
"""A few roundings of numbers as large as the largest argument: what two formulas of one function may differ by."""


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a.name)
def test_an_activation_has_the_degree_that_it_claims(activation: Activation):
    with jax.enable_x64(True):
        scaled = activation(2 * Z)
        powers = [p for p in (1, 2, 3) if np.all(np.abs(scaled - 2.0**p * activation(Z)) <= 4 * SOME_ULPS)]
    assert powers == ([] if activation.degree is None else [activation.degree])


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a.name)
def test_an_activation_has_the_mirror_that_it_claims_and_no_other(activation: Activation):
    with jax.enable_x64(True):
        here, there = activation(Z), activation(-Z)
        images = {"odd": -here, "complement": 1 - here, "skip": here - Z}
        found = {kind for kind, image in images.items() if np.all(np.abs(there - image) <= SOME_ULPS)}
    assert found == ({activation.mirror} if activation.mirror else set())


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a.name)
def test_an_activation_is_smooth_at_zero_where_it_claims_to_be(activation: Activation):
    with jax.enable_x64(True):
        first = jax.grad(activation.function)
        jumps = [float(abs(slope(1e-9) - slope(-1e-9))) for slope in (first, jax.grad(first))]
    assert (
        max(jumps) < 1e-6
    ) == activation.smooth  # smooth derivatives move by about 1e-9 here, a kink by 1/10 or more


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (strategies.homogeneous_activations(), {"relu", "leaky-relu", "prelu-0.25", "abs"}),
        (strategies.homogeneous_activations(2), {"relu-squared"}),
        (strategies.odd_activations(), {"tanh", "sin", "erf"}),
        (strategies.skip_activations(), {"gelu", "silu", "softplus", "gelu-tanh"}),
        (strategies.smooth_activations(), {"gelu", "silu", "sigmoid", "softplus", "gelu-tanh"}),
        (strategies.activations(), {a.name for a in ACTIVATIONS}),
    ],
    ids=["homogeneous", "homogeneous-2", "odd", "skip", "smooth", "any"],
)
def test_each_class_of_activations_is_drawn_whole(strategy: st.SearchStrategy[Activation], expected: set[str]):
    assert {a.name for a in drawn(strategy)} == expected


def test_activation_names_are_unique():
    assert len({a.name for a in ACTIVATIONS}) == len(ACTIVATIONS)


# -- surroundings -----------------------------------------------------------------------------------------------------


def test_surroundings_shrink_to_the_bare_block():
    assert simplest(nets()).architecture == {
        "leading": (1,),
        "widths before": (2,),
        "widths after": (2,),
        "outer bias": False,
        "outer activation": "identity",
        "residual": False,
    }


def test_surroundings_are_drawn_with_every_depth_width_batch_and_activation():
    found = [net.architecture for net in drawn(nets(), 300)]
    before = Counter(len(a["widths before"]) for a in found)
    assert set(before) == {1, 2}
    assert min(before.values()) > 30
    assert {len(a["widths after"]) for a in found} == {1, 2}
    assert {w for a in found for w in a["widths before"]} == set(range(1, 7))
    assert {a["leading"] for a in found} == {(1,), (2,), (3,), (4,)}
    assert {a["outer activation"] for a in found} == {"identity", "tanh", "leaky-relu", "gelu", "softplus"}
    for key in ("outer bias", "residual"):
        assert 60 < sum(a[key] for a in found) < 240


def test_surroundings_run_and_keep_the_leading_axes():
    for net in drawn(nets(leading=(2, 3)), 30):
        assert net.inputs.shape[:-1] == (2, 3)
        assert jax.eval_shape(net.apply, net.params, net.inputs).shape == (2, 3, net.architecture["widths after"][-1])


@pytest.mark.slow
def test_equal_architectures_are_equal_functions():
    seen: dict[Any, Any] = {}
    for net in drawn(nets(most_before=1), 300):
        key = tuple(sorted(net.architecture.items()))
        value = np.asarray(net.apply(net.params, net.inputs))
        np.testing.assert_array_equal(seen.setdefault(key, value), value)
    assert len(seen) > 60


def test_surroundings_compute_dense_layers_around_the_block():
    net = find(
        nets(),
        lambda n: len(n.params["before"]) == 1 and len(n.params["after"]) == 1 and n.architecture["residual"]
        and n.architecture["outer bias"] and n.architecture["outer activation"] == "tanh",
        settings=settings(database=None, max_examples=5000),
    )  # fmt: skip
    with jax.enable_x64(True):
        before, block, after = net.params["before"][0], net.params["block"], net.params["after"][0]
        h = jnp.tanh(net.inputs @ before["w"] + before["b"][None])
        expected = jnp.tanh(h + h @ block["w"]) @ after["w"] + after["b"][None]
        np.testing.assert_array_equal(net.apply(net.params, net.inputs), expected)


def test_a_head_has_nothing_behind_it_and_a_stem_nothing_before_it():
    for net in drawn(nets(most_before=0, most_after=0, residual=False), 30):
        assert net.params["before"] == net.params["after"] == []
        assert not net.architecture["residual"]


def test_a_block_of_no_width_is_refused():
    with pytest.raises(InvalidInput, match="at least 1"):
        simplest(nets(Block(lambda p, h: h, {}, 0, 1)))


# -- architectures ----------------------------------------------------------------------------------------------------


@st.composite
def dense_nets(draw: st.DrawFn) -> Any:
    return strategies.dense_net(draw, strategies.homogeneous_activations(), bias=False)


@st.composite
def hidden_layers(draw: st.DrawFn) -> Any:
    return strategies.hidden_layer(draw, strategies.activations())


def test_dense_nets_shrink_to_one_layer_of_one_weight():
    net = simplest(dense_nets())
    assert net.architecture == {"batch": 1, "widths": (1, 1), "activation": "relu", "bias": False}


def test_dense_nets_are_drawn_with_every_depth_and_width():
    found = drawn(dense_nets(), 300)
    depths = Counter(net.depth for net in found)
    assert set(depths) == {1, 2, 3, 4}
    assert min(depths.values()) > 15
    assert {w for net in found for w in net.architecture["widths"]} == set(range(1, 7))


def test_hidden_layers_shrink_to_one_unit():
    layer = simplest(hidden_layers())
    assert layer.architecture["d_in"] == layer.architecture["hidden"] == layer.architecture["d_out"] == 1
    assert not layer.bias
    assert layer.architecture["activation"] == "identity"


def test_hidden_layers_are_drawn_with_every_width_and_with_and_without_biases():
    found = drawn(hidden_layers(), 300)
    assert {layer.hidden for layer in found} == set(range(1, 7))
    assert {(layer.bias, layer.architecture["bias out"]) for layer in found} == {
        (a, b) for a in (False, True) for b in (False, True)
    }


# -- for tests of one's own -------------------------------------------------------------------------------------------

MODEL = Model(
    lambda p, x: x,
    {"w": np.full((3, 2), 7.0), "table": np.arange(4), "b": np.zeros(2, dtype=np.float32)},
    {"x": np.full(5, 7.0), "tokens": np.array([3, 9])},
)
FRESH = Model(MODEL.apply, MODEL.params, MODEL.inputs, trained=False)


def test_parameters_have_the_structure_of_the_example_and_keep_integers():
    for params in drawn(strategies.parameters(MODEL), 40):
        assert jax.tree.structure(params) == jax.tree.structure(MODEL.params)
        assert params["w"].shape == (3, 2)
        np.testing.assert_array_equal(params["table"], np.arange(4))


def test_parameters_shrink_to_plus_and_minus_one():
    assert set(np.unique(np.abs(simplest(strategies.parameters(FRESH))["w"]))) == {1.0}


def test_every_family_of_parameters_is_drawn():
    assert set(drawn(strategies.families(MODEL))) == {"ones", "readable", "gaussian", "badly scaled", "given", "nearby"}
    assert set(drawn(strategies.families(FRESH))) == {"ones", "readable", "gaussian", "badly scaled"}


def test_badly_scaled_parameters_are_among_them():
    sizes = [np.abs(params["w"]) for params in drawn(strategies.parameters(FRESH))]
    assert max(s.max() for s in sizes) > 100
    assert min(s.min() for s in sizes) < 0.01


def test_inputs_shrink_to_the_example_of_a_trained_model():
    np.testing.assert_array_equal(simplest(strategies.inputs(MODEL))["x"], MODEL.inputs["x"])


def test_inputs_of_an_untrained_model_are_fresh_and_tokens_stay_in_range():
    found = drawn(strategies.inputs(FRESH), 60)
    assert not any(np.array_equal(x["x"], MODEL.inputs["x"]) for x in found)
    tokens = {int(t) for x in found for t in x["tokens"]}
    assert tokens == set(range(3, 10))


def test_losses_take_outputs_of_the_given_shapes_and_give_a_number():
    for loss in drawn(strategies.losses({"logits": (2, 3), "value": (2,)}), 40):
        assert jnp.shape(loss({"logits": jnp.ones((2, 3)), "value": jnp.ones(2)})) == ()


def test_cross_entropy_is_drawn_for_classes_only():
    assert any(loss.loss is CROSS_ENTROPY for loss in drawn(strategies.losses((2, 3))))
    assert not any(loss.loss is CROSS_ENTROPY for loss in drawn(strategies.losses((2, 1))))


def test_elements_shrink_to_the_identity_then_to_the_simplest():
    group = groups.Scaling(3)
    np.testing.assert_array_equal(simplest(strategies.elements(group)), np.ones(3))
    moved = find(strategies.elements(group), lambda g: not np.array_equal(g, np.ones(3)), settings=QUICK)
    np.testing.assert_array_equal(moved, [2.0, 1.0, 1.0])


def test_elements_reach_from_near_the_identity_to_far_from_it():
    found = drawn(strategies.elements(groups.GeneralLinear(3)), 300)
    conditions = np.array([np.linalg.cond(g) for g in found])
    assert conditions.max() > 1e3
    assert np.sum((conditions > 1) & (conditions < 3)) > 20


def test_elements_stay_within_the_farthest_reach():
    near = drawn(strategies.elements(groups.Scaling(2), farthest=0.01), 100)
    assert max(np.abs(np.log(g)).max() for g in near) <= np.log(3) + 1e-15  # readable elements are 2, ½ and 3


def test_algebra_elements_shrink_to_the_simplest_direction():
    np.testing.assert_array_equal(simplest(strategies.algebra_elements(groups.Scaling(2))), [1.0, 0.0])


def test_algebra_elements_favour_no_coordinate():
    found = np.array(drawn(strategies.algebra_elements(groups.Scaling(3)), 300))
    sizes = np.sqrt(np.mean(found**2, axis=0))
    assert sizes.max() < 2 * sizes.min()
