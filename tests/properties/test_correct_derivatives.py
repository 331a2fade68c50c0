"""The premises of calculus: what must not be taken for a violation, and leaves something to say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import numbers_context
from eqprop.evaluation import Choice, Program, applicable, rounding_inside
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.properties.parts import irregular
from eqprop.rounding import MARGIN
from tests.properties.calculus import INPUTS, INTEGRAL, PARAMS, PREMISES, PROBES, conclusive, judged, net, permuted


@jax.custom_vjp
def fused(x: Any) -> Any:
    return jnp.tanh(x)


fused.defvjp(lambda x: (jnp.tanh(x), jnp.tanh(x)), lambda y, g: (g * (1 - y**2),))

CORRECT: dict[str, eqprop.Pair] = {
    "smooth": permuted(net),
    "reverse-only": permuted(lambda p, x: fused(x @ p["w"] + p["b"][None]) @ p["a"]),
    "with a pole at 0": permuted(lambda p, x: net(p, x / jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True)))),
    "whole numbers as inputs": permuted(lambda p, x: net(p, p["w"].T[x, :2]), np.array([0, 2, 1])),
    "float32 inside": permuted(lambda p, x: net(p, x.astype(jnp.float32)).astype(jnp.float32).astype(x.dtype)),
    "a cube by pow": permuted(lambda p, x: ((x @ p["w"] + p["b"][None]) ** 3.0) @ p["a"]),
    "digamma": permuted(lambda p, x: jax.scipy.special.digamma(jax.nn.softplus(x @ p["w"]) + 0.5) @ p["a"]),
    "outputs that depend on nothing": permuted(lambda p, x: 0 * net(p, x) + 1),
}


@pytest.mark.parametrize("case", CORRECT)
def test_a_correct_model_is_never_inconclusive(case: str):
    found, violated = judged(CORRECT[case])
    assert violated == set()
    assert max(judgement.inconclusive.mean() for judgement in found.values()) < 0.05
    assert case == "outputs that depend on nothing" or all(conclusive(judgement).any() for judgement in found.values())


@pytest.mark.parametrize("case", CORRECT)
def test_the_hessian_of_a_correct_model_adds_up(case: str):
    found, violated = judged(CORRECT[case], (INTEGRAL,))
    assert violated == set()
    assert found["hessian-integral"].inconclusive.mean() < 0.05
    assert case == "outputs that depend on nothing" or conclusive(found["hessian-integral"]).mean() > 0.5


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_a_whole_number_that_a_derivative_works_out_is_one_where_operations_round_at_random(evaluator: Choice):
    """z³ has the derivative 3 z^(3 − 1), and no number to a power that is only nearly 2 where z < 0."""
    cube = permuted(lambda p, x: ((x @ p["w"] + p["b"][None]) ** 3.0) @ p["a"])
    properties = tuple(map(by_name, ("jacobian-covariance", "hessian-symmetry")))
    program = Program(cube, properties, SQUARED_ERROR, "float64", evaluator=evaluator, probes=PROBES)
    rng = np.random.default_rng(3)
    probes = program.draw(rng, PROBES)
    for prop in properties:
        assert rounding_inside(program, prop.name, probes, rng).finite.all()


def biased(params: Any, x: Any) -> Any:
    hidden = x @ params["w"] + params["b"][None]
    centred = hidden - jnp.mean(hidden, 0)[None]
    return jnp.tanh(centred / jnp.sqrt(jnp.mean(centred**2, 0)[None] + 1e-5)) @ params["a"]


@pytest.mark.parametrize("name", ["noether", "orbit-curvature", "entropic-force"])
def test_a_bias_whose_gradient_vanishes_leaves_something_to_say(name: str):
    """In front of a batch norm its gradient is rounding errors, beside which nothing could be told."""
    shifted = eqprop.translations(PARAMS, {"b": None})
    pair = eqprop.Pair(eqprop.Model(biased, PARAMS, np.ones((6, 2)), trained=False), shifted)
    found, violated = judged(pair, (by_name(name),))
    assert violated == set()
    assert found[name].inconclusive.mean() < 0.05
    leaky = eqprop.Model(lambda p, x: biased(p, x) + 1e-7 * p["b"][0], PARAMS, np.ones((6, 2)), trained=False)
    assert judged(eqprop.Pair(leaky, shifted), (by_name(name),))[1] == {name}


def wide(params: Any, x: Any) -> Any:
    return jax.nn.relu(x @ params["w"] + params["b"][None]) @ params["a"]


@pytest.mark.parametrize("units", [8, 200])
def test_where_the_gradient_jumps_nothing_is_said_of_its_increment(units: int):
    """ReLU units in front of a curved loss: at a kink on the segment ∇L jumps, which no integral of H shows."""
    params = {"w": np.ones((2, units)), "b": np.ones(units), "a": np.ones((units, 2))}
    group = eqprop.hidden_units(groups.Permutation(units), writes={"w": 1, "b": 0}, reads={"a": 0}, name="units")
    pair = eqprop.Pair(eqprop.Model(wide, params, np.ones((16, 2)), trained=False), group)
    found, violated = judged(pair, (INTEGRAL,))
    assert violated == set()
    assert found["hessian-integral"].inconclusive.mean() < 0.05
    assert conclusive(found["hessian-integral"]).any()


def test_segments_of_a_wide_relu_network_tell_or_are_left_out():
    """A thousand units at 32 samples: hardly a segment of the longest kind meets no kink."""
    params = {"w": np.ones((3, 1000)), "b": np.ones(1000), "a": np.ones((1000, 2))}
    units = eqprop.hidden_units(groups.Permutation(1000), writes={"w": 1, "b": 0}, reads={"a": 0}, name="units")
    pair = eqprop.Pair(eqprop.Model(wide, params, np.ones((32, 3)), trained=False), units)
    found, violated = judged(pair, PREMISES[:2])
    assert violated == set()
    for judgement in found.values():
        assert judgement.inconclusive.sum() == 0
        assert 0 < judgement.vacuous.sum() < PROBES


def test_where_nothing_is_floating_point_there_is_nothing_to_say():
    of_tokens = applicable(CORRECT["whole numbers as inputs"], PREMISES)
    assert [prop.name for prop in of_tokens] == ["derivative", "hessian-symmetry"]


# -- small numbers, large ones and few digits -------------------------------------------------------------------------


def test_small_numbers_that_count_are_not_taken_for_moved_zeros():
    """Beside 1e16 in the weights a number of 4e-16 in the inputs is no zero, though it is less than two units of 1."""
    params = {**PARAMS, "w": np.array([[1.0, 1.0, 1.0], [1e15, -2e15, 3e15]])}
    pair = permuted(net, np.array([[1.0, 4e-16]]), trained=True)
    pair = pair.replaced(model=replace(pair.model, params=params))
    found, violated = judged(pair, (by_name("hessian-symmetry"),))
    assert violated == set()
    assert np.nanmax(found["hessian-symmetry"].floors) < MARGIN


@pytest.mark.parametrize("name", ["hessian-integral", "sharpness"])
def test_biases_that_start_at_zero_leave_as_much_to_say_as_others(name: str):
    """In perturbed copies they are as small as rounding errors; the direction that is looked along must not turn."""
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(2, 8)), "b": np.zeros(8), "a": rng.normal(size=(8, 3))}
    model = eqprop.Model(lambda p, x: jax.nn.relu(x @ p["w"] + p["b"][None]) @ p["a"], params, rng.normal(size=(4, 2)))
    moved = eqprop.hidden_units(groups.Permutation(8), writes={"w": 1, "b": 0}, reads={"a": 0})
    found, violated = judged(eqprop.Pair(model, moved), (by_name(name),))
    assert violated == set()
    assert found[name].inconclusive.mean() < 0.1


@pytest.mark.parametrize("unit", [0.0, 2.0**-8])
def test_an_irregular_direction_takes_a_perturbed_tensor_of_zeros_for_zeros(unit: float):
    least = max(unit, np.finfo(np.float64).eps)
    zeros = {"b": np.zeros(4), "w": np.ones(2)}
    near = {**zeros, "b": np.array([1, -1, 1, 1]) * least}
    with numbers_context("float64"):
        np.testing.assert_array_equal(irregular(near, unit)["b"], irregular(zeros, unit)["b"])


def test_what_runs_out_of_range_in_one_way_of_writing_the_derivative_alone_is_not_missed():
    """At t = 306 the gradient of a norm of e^t x is finite, and one of the powers in reverse over reverse is not."""

    def normed(p: Any, x: Any) -> Any:
        hidden = x @ p["w"] * jnp.exp(p["t"])
        return hidden * jax.lax.rsqrt(jnp.mean(hidden**2, -1, keepdims=True))

    model = eqprop.Model(normed, {"w": np.ones((3, 4)), "t": np.zeros(())}, np.ones((5, 3)))
    shift = eqprop.Transformation(groups.Translation(1), lambda c, p: {"w": p["w"], "t": p["t"] + c[0]})
    report = eqprop.run(eqprop.Pair(model, shift), properties="hessian-symmetry", profile="quick", save=None)
    assert [verdict.outcome for verdict in report.verdicts] == [eqprop.Outcome.HOLDS]


def test_where_the_increment_overflows_nothing_is_said_of_it():
    pair = permuted(lambda p, x: 1e4 * net(p, x))
    params, inputs = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float16), (PARAMS, INPUTS))
    pair = pair.replaced(model=replace(pair.model, params=params, inputs=inputs))
    found, _ = judged(pair, (by_name("derivative"),), precision="model")
    assert found["derivative"].vacuous.all()


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_neither_loses_what_overflows_nor_what_is_small(dtype: Any):
    def normed(p: Any, x: Any) -> Any:
        hidden = x @ p["w"] + p["b"][None]
        hidden = (hidden - hidden.mean(-1, keepdims=True)) * jax.lax.rsqrt(hidden.var(-1, keepdims=True) + 1e-5)
        return jnp.tanh(hidden) @ p["a"]

    pair = permuted(normed)
    params, inputs = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (PARAMS, INPUTS))
    pair = pair.replaced(model=replace(pair.model, params=params, inputs=inputs))
    _, violated = judged(pair, (by_name("hessian-symmetry"),), precision="model")
    assert violated == set()


@pytest.mark.parametrize(("evaluator", "settled"), [("xla", 0.8), ("numpy", 0.7)])
def test_the_precision_of_the_model_is_enough(evaluator: Choice, settled: float):
    """Rounding inside of a walk leaves out a few more segments, at the edge of what their precision tells.

    Of 48 the least are 42 or 41, and 37 or 36 by the walk: NumPy's sums differ from version to version.
    """
    found, violated = judged(permuted(net), precision="model", evaluator=evaluator)
    assert violated == set()
    assert all(conclusive(judgement).mean() > settled for judgement in found.values())
