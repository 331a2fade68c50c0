"""Quadrature and collocation against closed forms; what each says of its own error is compared with the true one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import compiler_options
from eqprop.properties.numerics import collocation, combined, integral, largest_curvature
from eqprop.properties.numerics.integrators import PIECES, gauss_rule
from eqprop.rounding import MARGIN

pytestmark = pytest.mark.usefixtures("float64")

EPS = float(np.finfo(np.float64).eps)

# -- integrals --------------------------------------------------------------------------------------------------------


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    over = jax.vmap(lambda *row: integral(lambda t: function(t, *row)))
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
        np.median(jax.jit(jax.vmap(lambda c, n=n: integral(lambda t: 1.0 * (t >= c), pieces=n)[1]))(at))
        for n in (PIECES, PIECES + 6)
    )
    assert 2.0**-8 < many / few < 2.0**-4


def test_the_distance_of_the_two_rules_alone_would_not_bound_the_error_at_a_jump():
    """What the estimate is for: at some places of the jump both rules are wrong by the same."""
    nodes, weights = np.polynomial.legendre.leggauss(7)
    at = np.linspace(0, 1, 20_001)
    gauss = ((1 + nodes) / 2 >= at[:, None]) @ weights / 2
    values, estimates = (
        np.asarray(found) for found in jax.vmap(lambda c: integral(lambda t: 1.0 * (t >= c), pieces=1))(at)
    )
    error = np.abs(values - (1 - at))
    assert (error > 100 * MARGIN * np.abs(values - gauss)).any()
    assert (error <= estimates + EPS).all()


def test_each_number_of_a_tree_has_an_estimate_of_its_own():
    def function(t: Any) -> Any:
        return {"jump": 1.0 * (t >= 0.3), "rows": jnp.stack([t**3, jnp.abs(t - 0.61)]), "smooth": jnp.exp(t)}

    values, errors = integral(function)
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


def test_a_polynomial_in_float32_is_known_to_float32():
    values, errors = integral(lambda t: t.astype(jnp.float32) ** jnp.arange(5))
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
    found, error = integral(lambda t: jnp.where(t > 0.7, value, t))
    assert not np.isfinite(found)
    assert not np.isfinite(error)


# -- the rules --------------------------------------------------------------------------------------------------------

STAGES = [1, 2, 3, 4, 5]


@pytest.mark.parametrize("stages", STAGES)
def test_a_gauss_rule_has_the_order_of_twice_its_stages_and_no_more(stages: int):
    rows, weights = gauss_rule(stages)
    nodes = rows.sum(axis=1)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-13)  # of polynomials with coefficients below 1e3
    np.testing.assert_allclose(nodes, (1 + np.polynomial.legendre.leggauss(stages)[0]) / 2, rtol=1e-13)  # c = A·1
    off = np.array([weights @ nodes**k - 1 / (k + 1) for k in range(2 * stages + 1)])
    assert (np.abs(off[:-1]) <= 1e-13).all()  # as above
    assert np.abs(off[-1]) > 1e-8


@pytest.mark.parametrize("stages", STAGES)
def test_a_gauss_rule_integrates_to_its_nodes_what_its_stages_interpolate(stages: int):
    rows, _ = gauss_rule(stages)
    nodes = rows.sum(axis=1)
    for k in range(stages):
        np.testing.assert_allclose(rows @ nodes**k, nodes ** (k + 1) / (k + 1), atol=1e-13)  # coefficients below 1e3


@pytest.mark.parametrize("stages", STAGES)
def test_a_gauss_rule_keeps_quadratic_invariants(stages: int):
    rows, weights = gauss_rule(stages)
    products = weights[:, None] * rows
    np.testing.assert_allclose(products + products.T, np.outer(weights, weights), atol=1e-14)


def test_one_stage_is_the_implicit_midpoint_rule():
    rows, weights = gauss_rule(1)
    np.testing.assert_allclose(rows, [[0.5]], rtol=EPS)
    np.testing.assert_allclose(weights, [1.0], rtol=EPS)


# -- flows ------------------------------------------------------------------------------------------------------------

START = {"a": np.array([0.6, -0.3]), "b": np.array([[0.2], [0.5]])}


def turning(y: Any) -> Any:
    """Nonlinear, and orthogonal to y everywhere; its derivative is of size 1."""
    speed = 1 + jnp.sin(y["a"][0] + y["b"][1, 0])
    return {"a": speed * y["b"][:, 0], "b": -speed * y["a"][:, None]}


def logistic(y: Any) -> Any:
    return y * (1 - y)


def dot(x: Any, y: Any) -> Any:
    return sum(jnp.sum(a * b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


def run(field: Any, start: Any, step: Any, steps: int, observe: Any, stages: int) -> Any:
    whole = jax.jit(
        lambda start, step: collocation(field, start, step, steps, observe, stages=stages),
        compiler_options=compiler_options(),
    )
    return jax.tree.map(np.asarray, whole(start, step))


def at_each(series: Any, index: int) -> Any:
    """One entry of a stacked tree."""
    return jax.tree.map(lambda leaf: leaf[index], series)


def rest_of(before: Any, slope: Any, after: Any) -> Any:
    """How far the stage equations are from being solved."""
    return sum(jnp.sum(jnp.abs(a - b)) for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(before), strict=True))


def nothing(before: Any, slope: Any, after: Any) -> Any:
    return ()


@pytest.mark.parametrize("step", [1e-3, 0.02, 0.1, 0.2])
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_a_quadratic_invariant_is_conserved_at_every_step_size(step: float, stages: int):
    states, rest = run(turning, START, step, 20, rest_of, stages)
    squares = np.array([float(dot(state, state)) for state in (at_each(states, i) for i in range(20))])
    # Twenty steps of some ten operations on numbers below 1; fourteen iterations leave (0.1 · 2)¹⁴ at h = 0.2.
    assert np.abs(squares - float(dot(START, START))).max() <= 1e3 * EPS + 20 * rest.max()
    assert rest.max() <= 1e-9
    euler = [y + step * k for y, k in zip(jax.tree.leaves(START), jax.tree.leaves(turning(START)), strict=True)]
    assert abs(float(dot(euler, euler)) - float(dot(START, START))) > 0.1 * step**2


@pytest.mark.parametrize("step", [0.1, 3.0])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_quadratic_changes_by_what_was_observed_even_where_the_iteration_does_not_contract(step: float, stages: int):
    """|y|² changes by 2h Σ bᵢ ⟨kᵢ, Yᵢ⟩ with the Y that the slopes give: of the solution nothing is assumed."""

    def observe(before: Any, slope: Any, after: Any) -> Any:
        return 2 * dot(slope, after)

    states, changes = run(turning, START, step, 6, observe, stages)
    squares = [float(dot(START, START))] + [float(dot(at_each(states, i), at_each(states, i))) for i in range(6)]
    np.testing.assert_allclose(np.diff(squares), changes, atol=1e4 * EPS * max(squares))  # cancelling sums of squares


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_the_order_of_convergence_is_twice_the_number_of_stages(stages: int):
    start, time = np.array([0.1, 0.7]), 2.0
    exact = 1 / (1 + (1 / start - 1) * np.exp(-time))
    counts = np.array([4, 8, 16])
    errors = [np.abs(run(logistic, start, time / n, int(n), nothing, stages)[0][-1] - exact).max() for n in counts]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2 * stages, atol=0.35)  # the next term is a quarter of the first at h = 0.5


def test_all_states_after_the_start_are_returned():
    states, _ = run(logistic, np.array([0.3]), 0.05, 40, nothing, 3)
    exact = 1 / (1 + (1 / 0.3 - 1) * np.exp(-0.05 * np.arange(1, 41)))
    np.testing.assert_allclose(states[:, 0], exact, atol=1e-11)  # 0.05⁶ / 1e3 · time


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_sums_of_what_is_observed_have_the_weights_of_the_rule(stages: int):
    step = 0.3
    seen: dict[str, Any] = {
        "one": lambda before, slope, after: 1.0 + 0 * before[0],
        "slope": lambda before, slope, after: slope,
        "square": lambda before, slope, after: {"before": before[0] ** 2},
    }
    start = np.array([0.2, 0.9])
    states, sums = run(logistic, start, step, 5, lambda *at: {name: f(*at) for name, f in seen.items()}, stages)
    np.testing.assert_allclose(sums["one"], step, rtol=1e-14)
    before = np.concatenate([start[None], states[:-1]])
    np.testing.assert_allclose(sums["slope"], states - before, atol=100 * EPS)  # y₁ = y₀ + h Σ bᵢ kᵢ
    rows, weights = gauss_rule(stages)
    stage = np.broadcast_to(start, (stages, 2))
    for _ in range(200):  # the stage equations by plain iteration, to the end
        stage = start + step * rows @ logistic(stage)
    np.testing.assert_allclose(sums["square"]["before"][0], step * weights @ stage[:, 0] ** 2, rtol=1e-9)  # (0.15)¹⁴


def test_a_stage_and_its_slope_belong_together():
    def off(before: Any, slope: Any, after: Any) -> Any:
        return jnp.abs(slope - logistic(before))

    assert not run(logistic, np.array([0.2, 0.9]), 0.5, 3, off, 2)[1].any()


@pytest.mark.parametrize(("stiffness", "solved"), [(1.0, True), (100.0, False)])
def test_what_the_iteration_leaves_is_seen_where_it_cannot_contract(stiffness: float, solved: bool):
    _, rest = run(lambda y: -stiffness * y, np.array([1.0, -2.0]), 0.1, 1, rest_of, 2)
    assert (rest.max() <= 1e-14) == solved
    assert solved or rest.max() > 1.0


def test_zero_steps_of_time_stay_where_they_are():
    states, sums = run(turning, START, 0.0, 2, lambda before, slope, after: dot(slope, slope), 2)
    np.testing.assert_array_equal(states["a"], np.stack([START["a"]] * 2))
    assert not sums.any()


# -- the largest curvature --------------------------------------------------------------------------------------------


def product_with(matrix: np.ndarray) -> Callable[[Any], Any]:
    """v ↦ M v on a pair of tensors."""

    def product(v: Any) -> Any:
        flat = matrix @ jnp.concatenate([v[0], v[1].ravel()])
        return flat[:2], flat[2:].reshape(2, 2)

    return product


def symmetric(eigenvalues: Any) -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    return basis @ np.diag(eigenvalues) @ basis.T


VECTOR = (np.array([1.0, 0.3]), np.array([[0.4, -0.8], [0.5, 0.9]]))

SPECTRA = {
    "positive": [5.0, 1.0, 0.5, 0.3, 0.2, 0.1],
    "negative": [-5.0, 1.0, 0.5, 0.3, 0.2, 0.1],
    "of rank one": [5.0, 0.0, 0.0, 0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("name", SPECTRA)
def test_a_separated_largest_curvature_is_found_in_size(name: str):
    found = float(largest_curvature(product_with(symmetric(SPECTRA[name])), VECTOR))
    assert found <= 5.0 * (1 + 10 * EPS)
    assert found > 5.0 * (1 - 1e-6)  # a ratio of 5, eight times over, squared


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_curvature_is_never_overestimated(seed: int):
    rng = np.random.default_rng(seed)
    eigenvalues = rng.standard_normal(6) * np.exp(rng.uniform(-8, 8))
    start = (rng.standard_normal(2), rng.standard_normal((2, 2)))
    found = float(largest_curvature(product_with(symmetric(eigenvalues)), start))
    assert 0 < found <= np.abs(eigenvalues).max() * (1 + 10 * EPS)


@pytest.mark.parametrize(
    ("matrix", "start"),
    [
        (np.zeros((6, 6)), VECTOR),
        (symmetric(np.ones(6)), jax.tree.map(np.zeros_like, VECTOR)),
        (np.eye(6, k=1)[:, ::-1] * 0, VECTOR),
    ],
    ids=["zero map", "zero start", "minus zero"],
)
def test_the_zero_map_has_no_curvature(matrix: np.ndarray, start: Any):
    assert float(largest_curvature(product_with(matrix), start)) == 0.0


def test_combinations_are_taken_leaf_by_leaf():
    found = combined(2.0, START, -0.5, jax.tree.map(np.sin, START))
    for key, value in START.items():
        np.testing.assert_array_equal(found[key], 2 * value - 0.5 * np.sin(value))
