"""Margins, layers and degrees of homogeneous networks, against dense gradients and Hessians."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.properties.traits import layers_of, traits_of
from tests.properties.library_pairs import X, cubic, two_degrees
from tests.properties.test_consequences import Dense, compared
from tests.properties.test_hypotheses import degrees_apart

EXACT = 1e-9
DEPTH = 4


def deep_linear() -> eqprop.Pair:
    """Four layers of one degree each."""

    def apply(p: Any, x: Any) -> Any:
        for w in p:
            x = x @ w
        return x

    params = [np.ones((2, 2)) for _ in range(DEPTH)]
    move = eqprop.Transformation(
        groups.Scaling(DEPTH),
        lambda c, p: [w * c[i] for i, w in enumerate(p)],
        lambda c, y: y * jnp.prod(c),
        name="layers",
    )
    return eqprop.Pair(eqprop.Model(apply, params, X, trained=False), move)


# -- margins ----------------------------------------------------------------------------------------------------------


def test_the_normalised_margin_grows_at_the_rate_that_is_claimed_and_never_falls(float64: None):
    pair, p = cubic(), 3
    d = Dense(pair, jnp.sum, seed=3)
    theta = d.theta
    outputs = pair.model.apply(d.tree(theta), X)
    side = jnp.sign(outputs) * (1 + np.log(outputs.size)) / jnp.min(jnp.abs(outputs))

    def loss(at: Any) -> Any:
        return jnp.sum(jnp.exp(-side * pair.model.apply(d.tree(at), X)))

    def log_margin(at: Any) -> Any:
        return jnp.log(-jnp.log(loss(at))) - p * jnp.log(jnp.linalg.norm(at))

    assert loss(theta) < 1
    slope, value = jax.grad(loss)(theta), loss(theta)
    q = side * pair.model.apply(d.tree(theta), X)
    weight, square, depth = jnp.sum(jnp.exp(-q) * q), theta @ theta, -value * jnp.log(value)
    across = slope - theta * (slope @ theta) / square
    rate = across @ across / depth + (p * weight) ** 2 / square * (1 / depth - 1 / weight)
    np.testing.assert_allclose(slope @ theta, -p * weight, rtol=EXACT)
    np.testing.assert_allclose(-jax.grad(log_margin)(theta) @ slope, rate, rtol=EXACT)
    seen = [float(log_margin(theta))]
    for _ in range(50):
        theta = theta - 1e-4 * jax.grad(loss)(theta)
        seen.append(float(log_margin(theta)))
    assert (np.diff(seen) > 0).all()


def test_with_a_mean_in_place_of_the_sum_the_margin_may_fall(float64: None):
    """Of two margins apart the second term is negative: the statement is about Σ e^(−q), and says so."""
    q = np.array([1.0, 5.0])
    mean, weight = np.exp(-q).mean(), (np.exp(-q) * q).mean()
    assert 1 / (-mean * np.log(mean)) - 1 / weight < 0
    total, weight = np.exp(-q).sum(), (np.exp(-q) * q).sum()
    assert 1 / (-total * np.log(total)) - 1 / weight > 0


def test_both_terms_of_a_margins_growth_are_compared():
    parts = compared(cubic(), "margin")
    assert set(parts) == {"⟨∇L, k⟩ = −pν", "d log γ/dt", "what γ loses along gradient flow"}
    assert parts["d log γ/dt"][0] > 0
    assert (parts["what γ loses along gradient flow"][0] == 0).all()


# -- layers -----------------------------------------------------------------------------------------------------------


def test_the_blocks_of_a_network_are_found_with_their_degrees():
    assert [block.rate for block in layers_of(two_degrees())] == [2.0, 1.0]
    assert [block.rate for block in layers_of(deep_linear())] == [1.0] * DEPTH
    assert layers_of(cubic()) == ()


def test_each_layer_is_taken_to_what_its_degree_leaves_of_the_gradient(float64: None):
    pair = two_degrees()

    def loss(y: Any) -> Any:
        return jnp.sum(jnp.sin(y) + 0.3 * y**2)

    d = Dense(pair, loss, seed=2)
    f = lambda at: pair.model.apply(d.tree(at), X)[:, 0]  # noqa: E731
    jacobian, y = np.asarray(jax.jacrev(f)(d.theta)), np.asarray(f(d.theta))
    curvature = np.diag(-np.sin(y) + 0.6)
    blocks = [np.asarray(ravel_pytree({"a": np.full((2, 1), i == 1), "w": np.full((2, 2), i == 0)})[0]) for i in (0, 1)]
    for p, block in zip((2, 1), blocks, strict=True):
        expected = p * d.gradient - block * d.gradient + p * jacobian.T @ curvature @ y
        np.testing.assert_allclose(d.hessian @ (block * d.theta), expected, atol=EXACT)


def test_a_positive_readout_has_as_many_negative_eigenvalues_as_layers_less_one(float64: None):
    pair = deep_linear()
    for seed in range(5):
        d = Dense(pair, jnp.sum, seed=seed)
        sign = np.sign(float(d.value(d.theta)))
        assert (np.linalg.eigvalsh(sign * d.hessian) < -EXACT).sum() >= DEPTH - 1


def test_at_interpolation_the_sharpness_is_not_below_the_bound_that_is_compared_with_it(float64: None):
    pair, p = two_degrees(), np.array([2.0, 1.0])
    theta = np.random.default_rng(4).standard_normal(6)
    y = pair.model.apply(ravel_pytree(pair.model.params)[1](theta), X)
    d = Dense(pair, lambda z: 0.5 * jnp.sum((z - y) ** 2), at=theta)
    weights = d.tree(theta)
    lengths = np.array([np.sum(np.asarray(weights[name]) ** 2) for name in ("w", "a")])
    bound = float(jnp.sum(y**2) * np.sum(p**2 / lengths))
    assert np.linalg.eigvalsh(d.hessian)[-1] >= bound * (1 - EXACT)
    assert bound > 0.1


def test_the_directions_are_counted_and_the_sharpest_one_is_looked_for():
    parts = compared(deep_linear(), "layer-spectrum")
    assert parts["negative directions of H, counted"] == (DEPTH - 1, DEPTH - 1)
    steep, bound = parts["vᵀHv at interpolation"]
    np.testing.assert_allclose(steep, bound, rtol=EXACT)


# -- degrees of their own ---------------------------------------------------------------------------------------------


def test_numbers_of_different_degrees_are_recognised_from_the_generator():
    stretch = traits_of(degrees_apart()).stretch()
    assert stretch is not None
    assert (stretch.block, stretch.rate) == ("each", 2.0)
    assert traits_of(degrees_apart()).scaling() is None


def test_the_hessian_takes_the_stretched_parameters_to_what_the_degrees_leave(float64: None):
    pair = degrees_apart()
    d = Dense(pair, lambda y: jnp.sum(jnp.cosh(y)), seed=1)
    f = lambda at: jnp.asarray(pair.model.apply(d.tree(at), X))  # noqa: E731
    y, jacobian = np.asarray(f(d.theta)), np.asarray(jax.jacrev(f)(d.theta))
    degrees = np.asarray(ravel_pytree({"w": np.ones(2), "b": np.full((), 2.0)})[0])
    expected = (2 - degrees) * d.gradient + 2 * jacobian.T @ (np.cosh(y) * y)
    np.testing.assert_allclose(d.hessian @ (degrees * d.theta), expected, atol=EXACT * np.abs(expected).max())
    np.testing.assert_allclose((degrees * d.theta) @ d.gradient, 2 * np.sinh(y) @ y, rtol=EXACT)
