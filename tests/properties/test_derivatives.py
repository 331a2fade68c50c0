"""The premises of calculus, against dense matrices; and what breaks them alike at θ and at K_gθ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.evaluation import Program
from eqprop.mutants import scales_second_derivative, with_backward, with_derivative
from eqprop.probes import SQUARED_ERROR
from eqprop.probes.losses import LARGE_OUTPUT
from eqprop.properties import CORE, by_name
from eqprop.properties.numerics import increment
from eqprop.properties.parts import irregular
from tests.properties.calculus import INPUTS, INTEGRAL, PARAMS, PREMISES, Apply, judged, net, permuted

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


@pytest.mark.parametrize("delta", [1e-2, 1e-7])
def test_a_second_derivative_off_by_a_factor_everywhere_is_seen_by_its_integral_alone(delta: float):
    broken = scales_second_derivative(delta).broken(permuted(net))
    assert broken is not None
    assert judged(broken, (*CORE, INTEGRAL))[1] == {"hessian-integral"}


def iterated(factor: float) -> Apply:
    """A fixed point z = ½ tanh z + x w + b, whose backward rule iterates too, until nothing changes any more."""

    def solved(step: Callable[[Any], Any], start: Any) -> Any:
        def going(state: Any) -> Any:
            return (state[1] > 0) & (state[2] < 99)

        def on(state: Any) -> Any:
            new = step(state[0])
            return new, jnp.max(jnp.abs(new - state[0])), state[2] + 1

        return jax.lax.while_loop(going, on, (start, jnp.asarray(jnp.inf, start.dtype), 0))[0]

    def once(z: Any, start: Any) -> Any:
        return 0.5 * jnp.tanh(z) + start

    @jax.custom_vjp
    def fixed(start: Any) -> Any:
        return solved(lambda z: once(z, start), start)

    def forward(start: Any) -> Any:
        return (z := fixed(start)), z

    def backward(z: Any, g: Any) -> Any:
        return (factor * solved(lambda u: g + 0.5 * u / jnp.cosh(z) ** 2, g),)

    fixed.defvjp(forward, backward)
    return lambda p, x: fixed(x @ p["w"] + p["b"][None]) @ p["a"]


@pytest.mark.parametrize(("factor", "seen"), [(1.0, set()), (1 + 1e-6, {"derivative"}), (0.0, {"derivative"})])
def test_a_backward_rule_that_has_no_transpose_is_compared_with_values(factor: float, seen: set[str]):
    properties = (by_name("derivative"), by_name("jacobian-covariance"))
    found, violated = judged(permuted(iterated(factor)), properties)
    assert violated == seen
    assert not found["jacobian-covariance"].inconclusive.any()


def test_a_second_derivative_that_is_cut_off_is_seen_by_its_integral():
    def cut(params: Any, x: Any) -> Any:
        start = jax.lax.stop_gradient(params)
        away = jax.tree.map(jnp.subtract, params, start)
        return net(start, x) + jax.jvp(lambda p: net(p, x), (start,), (away,))[1]

    assert "hessian-integral" in judged(permuted(cut), (INTEGRAL,))[1]
