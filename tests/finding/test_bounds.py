"""What holds nearly, at some points, of state or where no gradient sees it: no more is said than is so."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.errors import InvalidInput
from tests.finding.looking import found, of_kind
from tests.finding.networks import layered, numbers


def test_dead_units_are_no_symmetry_of_the_points_that_were_looked_at():
    # Units that only fire for large weights are dead at some points, not at all of them.
    model = layered((2, 3, 2), lambda z: jax.nn.softplus(z - 3))
    assert [one.found.kind for one in found(model).found] == ["permutation"]


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


def test_what_leaves_the_domain_at_some_points_must_hold_at_the_others():
    params = {"block": {"shift": np.array([0.3]), "width": np.array([0.6]), "w": np.array([[0.2, 0.7]])}}

    def apply(p, x):
        z = x @ p["block"]["w"]
        return z / jnp.sqrt((z**2).mean() + p["block"]["width"]) + 0 * p["block"]["shift"]

    def positive(p):
        return {"block": {**p["block"], "width": np.abs(p["block"]["width"])}}

    symmetries = found(eqprop.Model(apply, params, np.ones((3, 1)), domain=positive))
    assert of_kind(symmetries, "exchange") == []


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
