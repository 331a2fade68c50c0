"""Tensors whose sum alone is seen are shifted against each other."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

import eqprop
from tests.finding.looking import found, of_kind
from tests.finding.networks import numbers


def test_embeddings_whose_sum_alone_is_seen_are_shifted_against_each_other():
    draw = numbers()
    params = {"tokens": draw(4, 3), "positions": draw(5, 3), "w": draw(3, 2)}
    model = eqprop.Model(
        lambda p, t: jnp.tanh(p["tokens"][t] + p["positions"]) @ p["w"], params, np.array([0, 1, 2, 3, 0])
    )
    (joint,) = (one.found for one in found(model).found if one.found.kind == "joint")
    assert joint.group == "R^3, joint, times 1, -1"
    assert joint.tensors == ("positions", "tokens")


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
