"""Quadrature against closed forms; what it says of its own error is compared with the true one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import compiler_options
from eqprop.properties.numerics import Integral, integral
from eqprop.properties.numerics.quadratures import PIECES
from eqprop.rounding import MARGIN

pytestmark = pytest.mark.usefixtures("float64")

EPS = float(np.finfo(np.float64).eps)

# -- integrals --------------------------------------------------------------------------------------------------------


def known(found: Integral) -> tuple[Any, Any]:
    return found.value, found.error


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    over = jax.vmap(lambda *row: known(integral(lambda t: function(t, *row))))
    return jax.jit(over, compiler_options=compiler_options())


def integrals(function: Callable[..., Any], *columns: Any) -> tuple[np.ndarray, np.ndarray]:
    """∫₀¹ function(t, …) dt and the estimates of the error, for each row of the columns."""
    return tuple(map(np.asarray, compiled(function)(*columns)))  # pyright: ignore[reportReturnType]


def worst(found: tuple[np.ndarray, np.ndarray], expected: Any, size: Any = 1.0) -> float:
    """The largest true error in estimates, beyond rounding in sums of some two hundred terms of that size."""
    values, estimates = found
    beyond = np.maximum(np.abs(values - expected) - 40 * EPS * size, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(beyond > 0, beyond / estimates, 0.0).max())


def places(count: int, seed: int = 0) -> np.ndarray:
    """Numbers in (0, 1): anywhere, and at all distances from 0, from 1 and from ½."""
    rng = np.random.default_rng(seed)
    near = 10.0 ** rng.uniform(-15, -1, (4, count // 8))
    return np.concatenate([rng.uniform(0, 1, count), near[0], 1 - near[1], 0.5 + near[2] / 2, 0.5 - near[3] / 2])


def polynomial(t: Any, coefficients: Any) -> Any:
    return jnp.sum(coefficients * t ** jnp.arange(14))


def with_a_jump(t: Any, at: Any, height: Any) -> Any:
    return jnp.sin(t) + height * (t >= at)


def with_a_kink(t: Any, at: Any, height: Any) -> Any:
    return jnp.sin(t) + height * jnp.maximum(t - at, 0)


def with_a_bend(t: Any, at: Any, height: Any) -> Any:
    return jnp.sin(t) + height * jnp.maximum(t - at, 0) ** 2


@pytest.mark.parametrize("degree", range(14))
def test_a_polynomial_up_to_degree_13_is_integrated_exactly_and_known_to_be(degree: int):
    coefficients = np.random.default_rng(degree).standard_normal((50, 14)) * (np.arange(14) <= degree)
    size = np.abs(coefficients).sum(axis=1)
    found = integrals(polynomial, coefficients)
    expected = coefficients @ (1 / np.arange(1, 15))
    assert (np.abs(found[0] - expected) <= 10 * EPS * size).all()  # sums of 180 terms whose roundings average out
    assert (found[1] <= 100 * EPS * size).all()


SMOOTH = {
    "exponential": (lambda t, a: jnp.exp(a * t), lambda a: np.expm1(a) / a),
    "wave": (lambda t, a: jnp.cos(5 * a * t), lambda a: np.sin(5 * a) / (5 * a)),
    "step of tanh": (
        lambda t, a: jnp.tanh(8 * a * (t - 0.3)),
        lambda a: (np.log(np.cosh(5.6 * a)) - np.log(np.cosh(2.4 * a))) / (8 * a),
    ),
    "pole nearby": (lambda t, a: 1 / (1.05 - t) ** 2 * a, lambda a: a * (20 - 1 / 1.05)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_for_a_smooth_integrand_the_error_is_rounding_and_known_to_be_small(name: str):
    function, exact = SMOOTH[name]
    a = np.random.default_rng(0).uniform(0.2, 4.0, 300)
    values, estimates = integrals(function, a)
    size = np.maximum(np.abs(function(np.linspace(0, 1, 500)[:, None], a[None])).max(axis=0), 1.0)
    assert (np.abs(values - exact(a)) <= 40 * EPS * size).all()  # 180 terms of that size
    assert (estimates <= 1e-9 * size).all()


@pytest.mark.parametrize("height", [1e4, 1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12])
def test_the_estimate_bounds_the_error_wherever_the_integrand_jumps(height: float):
    at = places(10_000)
    found = integrals(with_a_jump, at, np.full(at.shape, height))
    assert worst(found, 1 - np.cos(1) + height * (1 - at), 1 + height) <= MARGIN


@pytest.mark.parametrize(("function", "power"), [(with_a_kink, 2), (with_a_bend, 3)], ids=["first", "second"])
@pytest.mark.parametrize("height", [1e4, 1.0, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8])
def test_the_estimate_bounds_the_error_wherever_a_derivative_jumps(
    height: float, function: Callable[..., Any], power: int
):
    at = places(10_000)
    found = integrals(function, at, np.full(at.shape, height))
    assert worst(found, 1 - np.cos(1) + height * (1 - at) ** power / power, 1 + height) <= MARGIN


@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_estimate_bounds_the_error_of_several_jumps_of_any_size(count: int):
    rng = np.random.default_rng(count)
    at = rng.uniform(0, 1, (10_000, count))
    # Upwards: two jumps that undo each other between two nodes cannot be seen by any rule.
    heights = np.exp(rng.uniform(-9, 3, at.shape))
    found = integrals(lambda t, c, h: jnp.sum(h * (t >= c)), at, heights)
    assert worst(found, ((1 - at) * heights).sum(axis=1), heights.sum(axis=1)) <= MARGIN


@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_estimate_bounds_the_error_of_several_kinks_up_and_down(count: int):
    rng = np.random.default_rng(count)
    at = rng.uniform(0, 1, (10_000, count))
    heights = rng.standard_normal(at.shape)
    found = integrals(lambda t, c, h: jnp.sum(h * jnp.maximum(t - c, 0)), at, heights)
    assert worst(found, ((1 - at) ** 2 / 2 * heights).sum(axis=1), np.abs(heights).sum(axis=1)) <= MARGIN


def test_each_cut_about_halves_the_error_at_a_jump():
    at = places(2_000)
    few, many = (
        np.median(jax.jit(jax.vmap(lambda c, n=n: integral(lambda t: 1.0 * (t >= c), pieces=n).error))(at))
        for n in (PIECES, PIECES + 6)
    )
    assert 2.0**-8 < many / few < 2.0**-4


def test_the_distance_of_the_two_rules_alone_would_not_bound_the_error_at_a_jump():
    """What the estimate is for: at some places of the jump both rules are wrong by the same."""
    nodes, weights = np.polynomial.legendre.leggauss(7)
    at = np.linspace(0, 1, 20_001)
    gauss = ((1 + nodes) / 2 >= at[:, None]) @ weights / 2
    values, estimates = (
        np.asarray(found) for found in jax.vmap(lambda c: known(integral(lambda t: 1.0 * (t >= c), pieces=1)))(at)
    )
    error = np.abs(values - (1 - at))
    assert (error > 100 * MARGIN * np.abs(values - gauss)).any()
    assert (error <= estimates + EPS).all()


def test_each_number_of_a_tree_has_an_estimate_of_its_own():
    def function(t: Any) -> Any:
        return {"jump": 1.0 * (t >= 0.3), "rows": jnp.stack([t**3, jnp.abs(t - 0.61)]), "smooth": jnp.exp(t)}

    cuts = integral(lambda t: jnp.sum(jnp.concatenate([jnp.ravel(leaf) for leaf in function(t).values()])))
    values, errors = cuts.of(function)
    np.testing.assert_allclose(values["smooth"], np.e - 1, rtol=4 * EPS)
    np.testing.assert_allclose(values["rows"][0], 0.25, rtol=4 * EPS)
    for leaf, expected, error in (
        (values["jump"], 0.7, errors["jump"]),
        (values["rows"][1], (0.61**2 + 0.39**2) / 2, errors["rows"][1]),
    ):
        assert abs(leaf - expected) <= MARGIN * error
        assert 0 < error < 1e-2
    assert errors["smooth"] < 100 * EPS
    assert errors["rows"][0] < 100 * EPS


@pytest.mark.parametrize(
    ("function", "needed"),
    [(jnp.exp, 2), (lambda t: t**3, 2), (lambda t: 1.0 * (t >= 0.3), PIECES), (lambda t: jnp.abs(t - 0.61), PIECES)],
    ids=["exp", "cube", "jump", "kink"],
)
def test_pieces_are_cut_until_rounding_is_all_that_is_left(function: Callable[..., Any], needed: int):
    found = integral(function)
    assert np.count_nonzero(found.widths) == needed
    assert np.sum(found.widths) == pytest.approx(1, abs=EPS)


def test_another_integrand_is_taken_over_the_same_pieces():
    found = integral(lambda t: jnp.abs(t - 0.61))
    value, error = found.of(lambda t: jnp.abs(t - 0.61))
    np.testing.assert_allclose(value, found.value, rtol=4 * EPS)
    np.testing.assert_allclose(error, found.error, rtol=1e-9)


def test_a_polynomial_in_float32_is_known_to_float32():
    values, errors = integral(lambda t: t).of(lambda t: t.astype(jnp.float32) ** jnp.arange(5))
    assert values.dtype == errors.dtype == np.float32
    eps = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(values, 1 / np.arange(1, 6), rtol=4 * eps)
    assert (np.asarray(errors) <= 100 * eps).all()


def test_an_estimate_in_float32_bounds_the_error_at_a_jump():
    at = places(2_000).astype(np.float32)
    found = integrals(lambda t, c: (t.astype(jnp.float32) >= c).astype(jnp.float32), at)
    # Places and sums are known to float32.
    assert worst(found, 1 - at.astype(float), np.finfo(np.float32).eps / EPS) <= MARGIN


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_integrand_that_is_no_number_somewhere_has_no_integral(value: float):
    found, error = known(integral(lambda t: jnp.where(t > 0.7, value, t)))
    assert not np.isfinite(found)
    assert not np.isfinite(error)
