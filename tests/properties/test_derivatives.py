"""The premises of calculus: what breaks them alike at θ and at K_gθ, and what must not be taken for a violation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.engine import numbers_context
from eqprop.evaluation import Choice, Program, applicable
from eqprop.mutants import scales_second_derivative, with_backward, with_derivative
from eqprop.probes import SQUARED_ERROR
from eqprop.probes.losses import LARGE_OUTPUT
from eqprop.properties import CORE, Property, by_name
from eqprop.properties.numerics import increment
from eqprop.properties.parts import irregular
from eqprop.rounding import MARGIN, Judgement

PREMISES = tuple(by_name(name) for name in ("derivative", "input-derivative", "hessian-symmetry"))
PROBES = 48
PARAMS = {"w": np.ones((2, 3)), "b": np.ones(3), "a": np.ones((3, 2))}
INPUTS = np.ones((4, 2))

Apply = Callable[[Any, Any], Any]


def net(params: Any, x: Any) -> Any:
    return jnp.tanh(x @ params["w"] + params["b"][None]) @ params["a"]


def permuted(apply: Apply, inputs: Any = INPUTS, **fields: Any) -> eqprop.Pair:
    """A symmetry with T = id and X = id, which the defects here are covariant under."""
    units = eqprop.hidden_units(groups.Permutation(3), writes={"w": 1, "b": 0}, reads={"a": 0}, name="units")
    return eqprop.Pair(eqprop.Model(apply, PARAMS, inputs, **{"trained": False, **fields}), units)


def judged(
    pair: eqprop.Pair,
    properties: tuple[Property, ...] = PREMISES,
    *,
    precision: Any = "float64",
    evaluator: Choice = "auto",
) -> tuple[dict[str, Judgement], set[str]]:
    """What each property says, and which are violated even where every operation rounds at random."""
    program = Program(pair, applicable(pair, properties), SQUARED_ERROR, precision, evaluator=evaluator, probes=PROBES)
    rng = np.random.default_rng(3)
    probes = program.draw(rng, PROBES)
    found = program.judge(probes, rng)
    suspected = {name: np.flatnonzero(judgement.suspect)[:4] for name, judgement in found.items()}
    violated = {
        name
        for name, which in suspected.items()
        if which.size and program.under_noise(name, probes.at(which), rng).suspect.any()
    }
    return found, violated


def conclusive(judgement: Judgement) -> np.ndarray:
    return ~judgement.inconclusive & ~judgement.vacuous


# -- the quadrature ---------------------------------------------------------------------------------------------------


def from_zero_to_one(function: Callable[..., Any], *cases: Any) -> Any:
    """The increments of functions of t, one for each case."""
    one = lambda *case: increment(  # noqa: E731
        lambda t: (function(t, *case), jnp.ones(())), jnp.zeros(()), jnp.ones(())
    )
    found = jax.vmap(lambda *case: vars(one(*case)))(*cases)
    return {name: np.asarray(value) for name, value in found.items()}


def test_the_integral_is_exact_for_a_polynomial_of_degree_seven_and_its_error_vanishes_up_to_two(float64: None):
    found = from_zero_to_one(lambda t, n: t ** (n + 1), jnp.arange(8.0))
    np.testing.assert_allclose(found["integral"], 1, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(found["difference"], 1)
    np.testing.assert_array_equal(found["error"] < 1e-14, np.arange(8) <= 2)


@pytest.mark.parametrize("kinks", [1, 2, 8, 64])
def test_no_kinks_hide_an_error_of_thirty_estimates(kinks: int, float64: None):
    rng = np.random.default_rng(kinks)
    where, jumps = rng.uniform(size=(4000, kinks)), rng.standard_normal((4000, kinks))
    found = from_zero_to_one(lambda t, where, jumps: jnp.sum(jumps * jax.nn.relu(t - where)), where, jumps)
    error = np.abs(found["integral"] - found["difference"])
    assert (error <= 30 * found["error"]).all()
    assert np.median(error / found["error"]) > 0.01  # it is an estimate and no mere bound


# -- the sides --------------------------------------------------------------------------------------------------------


def test_the_sides_are_those_of_the_dense_formula(float64: None):
    pair = permuted(net)
    program = Program(pair, PREMISES, SQUARED_ERROR)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 3)
    found = program.evaluate(probes)
    leaves = pair.model.param_leaves
    nodes, weights = np.polynomial.legendre.leggauss(12)
    for i in range(3):
        probe = probes.at(i)
        length = np.finfo(float).eps ** (0.154 + 0.231 * float(probe.shortness))
        flat, unflatten = ravel_pytree(probe.params)
        u, w = (ravel_pytree(field)[0] for field in (probe.tangent, probe.cotangent))
        f = lambda theta, p=probe, of=unflatten: jnp.ravel(net(leaves.join(of(theta)), p.inputs))  # noqa: E731
        jacobian, step = jax.jacfwd(f), flat + length * u - flat
        there = [jacobian(flat + (1 + t) / 2 * step) for t in nodes]
        mean = sum(c / 2 * w @ j @ step for j, c in zip(there, weights, strict=True)) / length
        lhs, rhs, *_ = (side[i] for side in found["derivative"])
        scale = np.abs(w) @ np.abs(jacobian(flat)) @ np.abs(u)
        np.testing.assert_allclose(lhs[0], mean, rtol=0, atol=1e-13 * scale)
        np.testing.assert_allclose(rhs[0], w @ (f(flat + step) - f(flat)) / length, rtol=0, atol=1e-9 * scale)
        np.testing.assert_allclose([lhs[1], rhs[1]], 2 * [w @ jacobian(flat) @ u], rtol=0, atol=1e-13 * scale)
        loss = lambda theta, p=probe, f=f: 0.5 * jnp.sum((f(theta) - jnp.ravel(p.targets)) ** 2)  # noqa: E731
        bent = jax.hessian(loss)(flat) @ u
        for side in found["hessian-symmetry"][:2]:
            np.testing.assert_allclose(side[i][: u.size], bent, rtol=0, atol=1e-12 * np.abs(bent).max())


# -- what must be seen ------------------------------------------------------------------------------------------------

halved = with_derivative(lambda x, t: t / 2)
halved_backwards = with_backward(lambda x, t: t / 2)


def entering(**operations: Callable[[Any], Any]) -> Apply:
    return lambda params, x: net({name: operations.get(name, lambda a: a)(leaf) for name, leaf in params.items()}, x)


def turning(params: Any, x: Any) -> Any:
    """Value and gradient are exact, and H is not symmetric: w's gradient has a wrong derivative in a."""
    return net({**params, "w": bent(params["w"], jnp.sum(params["a"] ** 2))}, x)


@jax.custom_jvp
def bent(w: Any, by: Any) -> Any:
    del by
    return w


@bent.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (w, by), (t, _) = primals, tangents
    return bent(w, by), t * (1 + by - jax.lax.stop_gradient(by))


def masked(params: Any, x: Any) -> Any:
    """A ReLU whose mask is right for the parameters and wrong in what is handed to the layer below."""

    @jax.custom_vjp
    def fused(x: Any, w: Any, b: Any) -> Any:
        return jax.nn.relu(x @ w + b[None])

    def backward(kept: Any, g: Any) -> Any:
        x, w, b = kept
        right = jnp.where(x @ w + b[None] > 0, g, 0)
        return jnp.where(x @ w > 0, g, 0) @ w.T, x.T @ right, jnp.sum(right, 0)

    fused.defvjp(lambda *given: (fused(*given), given), backward)
    return fused(x, params["w"], params["b"]) @ params["a"]


COVARIANT: dict[str, tuple[Apply, set[str]]] = {
    "a constant factor": (lambda p, x: halved(net(p, x)), {"derivative", "input-derivative"}),
    "a constant factor, backwards": (lambda p, x: halved_backwards(net(p, x)), {"derivative", "input-derivative"}),
    "one for all parameters": (entering(w=halved, b=halved, a=halved), {"derivative"}),
    "one tensor": (entering(w=halved), {"derivative"}),
    "one tensor, backwards": (entering(w=halved_backwards), {"derivative", "hessian-symmetry"}),
    "a tensor that is stopped": (entering(w=jax.lax.stop_gradient), {"derivative"}),
    "a cotangent of the inputs": (masked, {"input-derivative", "mixed-covariance"}),
    "a second derivative": (turning, {"hessian-symmetry"}),
}


@pytest.mark.parametrize("case", COVARIANT)
def test_what_is_wrong_alike_at_both_points_breaks_the_premises_and_nothing_else(case: str):
    apply, expected = COVARIANT[case]
    assert judged(permuted(apply), CORE)[1] == expected


@pytest.mark.parametrize("tensor", PARAMS)
def test_an_error_of_one_in_a_billion_in_one_tensor_is_seen(tensor: str):
    slightly = with_derivative(lambda x, t: t * (1 + 1e-9))
    assert "derivative" in judged(permuted(entering(**{tensor: slightly})))[1]


def test_the_derivative_of_a_loss_of_the_models_own_is_looked_at():
    fused = with_backward(lambda y, t: t / y.shape[0])
    assert judged(permuted(net, loss=lambda y: jnp.sum(fused(y) ** 2)))[1] == {"derivative"}
    assert judged(permuted(net, loss=lambda y: jnp.sum(y**2)))[1] == set()


def converted(target: Apply) -> eqprop.Pair:
    """The first layer's bias becomes a row of its weights."""

    def folded(_: Any, p: Any) -> Any:
        return {"w": jnp.concatenate([p["w"], p["b"][None]]), "a": p["a"]}

    image = eqprop.Model(target, {"w": np.ones((3, 3)), "a": np.ones((3, 2))}, INPUTS, trained=False)
    source = eqprop.Model(net, PARAMS, INPUTS, trained=False)
    return eqprop.Pair(source, eqprop.Transformation(groups.Trivial(), folded, name="fold"), image)


def after_folding(params: Any, x: Any) -> Any:
    return jnp.tanh(jnp.concatenate([x, jnp.ones((len(x), 1))], axis=1) @ params["w"]) @ params["a"]


def test_both_models_of_a_conversion_are_looked_at():
    assert judged(converted(after_folding), CORE)[1] == set()
    wrong = lambda p, x: after_folding(p, halved_backwards(x))  # noqa: E731
    assert judged(converted(wrong), CORE)[1] == {"input-derivative", "input-covariance", "mixed-covariance"}
    wrong = lambda p, x: halved_backwards(after_folding(p, x))  # noqa: E731
    assert judged(converted(wrong))[1] == {"derivative", "input-derivative"}


@jax.custom_jvp
def growth(x: Any) -> Any:
    """(eˣ − 1)/x."""
    away = jnp.where(x == 0, 1.0, x)
    return jnp.where(x == 0, 1.0, jnp.expm1(away) / away)


@growth.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    slope = jnp.where(jnp.abs(x) < 1e-2, 0.5 + x / 3 + x**2 / 8 + x**3 / 30, ((x - 1) * jnp.exp(x) + 1) / x**2)
    return growth(x), slope * t


def test_numbers_that_reverse_over_reverse_loses_at_a_zero_are_missed():
    """0/0 in a branch that is not selected: the example has a padded row and no bias."""
    lossy = permuted(
        lambda p, x: growth(x @ p["w"] + p["b"][None]) @ p["a"],
        np.array([[0.0, 0.0], [1.0, -1.0]]),
        trained=True,
    )
    lossy.model.params["b"][:] = 0
    found, violated = judged(lossy, (by_name("hessian-symmetry"),))
    assert violated == {"hessian-symmetry"}
    assert set(found["hessian-symmetry"].residual[found["hessian-symmetry"].suspect].max(axis=1)) == {1.0}


def test_small_numbers_that_count_are_not_taken_for_moved_zeros():
    """Beside 1e16 in the weights a number of 4e-16 in the inputs is no zero, though it is less than two units of 1."""
    params = {**PARAMS, "w": np.array([[1.0, 1.0, 1.0], [1e15, -2e15, 3e15]])}
    pair = permuted(net, np.array([[1.0, 4e-16]]), trained=True)
    pair = pair.replaced(model=replace(pair.model, params=params))
    found, violated = judged(pair, (by_name("hessian-symmetry"),))
    assert violated == set()
    assert np.nanmax(found["hessian-symmetry"].floors) < MARGIN


def test_what_runs_out_of_range_in_one_way_of_writing_the_derivative_alone_is_not_missed():
    """At t = 306 the gradient of a norm of e^t x is finite, and one of the powers in reverse over reverse is not."""

    def normed(p: Any, x: Any) -> Any:
        hidden = x @ p["w"] * jnp.exp(p["t"])
        return hidden * jax.lax.rsqrt(jnp.mean(hidden**2, -1, keepdims=True))

    model = eqprop.Model(normed, {"w": np.ones((3, 4)), "t": np.zeros(())}, np.ones((5, 3)))
    shift = eqprop.Transformation(groups.Translation(1), lambda c, p: {"w": p["w"], "t": p["t"] + c[0]})
    report = eqprop.run(eqprop.Pair(model, shift), properties="hessian-symmetry", profile="quick", save=None)
    assert [verdict.outcome for verdict in report.verdicts] == [eqprop.Outcome.HOLDS]


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


def test_where_the_increment_overflows_nothing_is_said_of_it():
    pair = permuted(lambda p, x: 1e4 * net(p, x))
    params, inputs = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float16), (PARAMS, INPUTS))
    pair = pair.replaced(model=replace(pair.model, params=params, inputs=inputs))
    found, _ = judged(pair, (by_name("derivative"),), precision="model")
    assert found["derivative"].vacuous.all()


INTEGRAL = by_name("hessian-integral")


def test_the_hessian_is_compared_with_the_increment_of_the_gradient(float64: None):
    pair = permuted(net)
    program = Program(pair, [INTEGRAL], SQUARED_ERROR)
    probes = program.draw(np.random.default_rng(0), 3)
    found = program.evaluate(probes)["hessian-integral"]
    leaves = pair.model.param_leaves
    nodes, weights = np.polynomial.legendre.leggauss(6)
    for i in range(3):
        probe = probes.at(i)
        length = np.finfo(float).eps ** (0.154 + 0.231 * float(probe.shortness))
        flat, unflatten = ravel_pytree(probe.params)
        u, v = ravel_pytree(probe.tangent)[0], ravel_pytree(irregular(jax.tree.map(jnp.asarray, probe.params)))[0]

        large = float(jnp.max(jnp.abs(net(leaves.join(probe.params), probe.inputs))))
        scale = large if large > LARGE_OUTPUT else 1.0

        def loss(theta: Any, p: Any = probe, of: Any = unflatten, scale: float = scale) -> Any:
            return 0.5 * jnp.sum((net(leaves.join(of(theta)), p.inputs) / scale - p.targets) ** 2)

        there = [v @ jax.hessian(loss)(flat + (1 + t) / 2 * length * u) @ u for t in nodes]
        size = np.abs(v) @ np.abs(jax.hessian(loss)(flat)) @ np.abs(u)
        change = v @ (jax.grad(loss)(flat + length * u) - jax.grad(loss)(flat)) / length
        np.testing.assert_allclose(found[0][i], weights / 2 @ jnp.stack(there), rtol=0, atol=1e-12 * size)
        np.testing.assert_allclose(found[1][i], change, rtol=0, atol=1e-9 * size)


@pytest.mark.parametrize("delta", [1e-2, 1e-7])
def test_a_second_derivative_off_by_a_factor_everywhere_is_seen_by_its_integral_alone(delta: float):
    broken = scales_second_derivative(delta).broken(permuted(net))
    assert broken is not None
    assert judged(broken, (*CORE, INTEGRAL))[1] == {"hessian-integral"}


def test_a_second_derivative_that_is_cut_off_is_seen_by_its_integral():
    def cut(params: Any, x: Any) -> Any:
        start = jax.lax.stop_gradient(params)
        away = jax.tree.map(jnp.subtract, params, start)
        return net(start, x) + jax.jvp(lambda p: net(p, x), (start,), (away,))[1]

    assert "hessian-integral" in judged(permuted(cut), (INTEGRAL,))[1]


# -- what must not be ------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("evaluator", "settled"), [("xla", 0.8), ("numpy", 0.7)])
def test_the_precision_of_the_model_is_enough(evaluator: Choice, settled: float):
    """Rounding inside of a walk leaves out a few more segments, at the edge of what their precision tells.

    Of 48 the least are 42 or 41, and 37 or 36 by the walk: NumPy's sums differ from version to version.
    """
    found, violated = judged(permuted(net), precision="model", evaluator=evaluator)
    assert violated == set()
    assert all(conclusive(judgement).mean() > settled for judgement in found.values())


def wide(params: Any, x: Any) -> Any:
    return jax.nn.relu(x @ params["w"] + params["b"][None]) @ params["a"]


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
