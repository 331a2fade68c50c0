"""Collocation against closed forms; what it leaves of its equations is compared with what is seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import compiler_options
from eqprop.properties.numerics import collocation, combined, largest_curvature
from eqprop.properties.numerics.integrators import gauss_rule

pytestmark = pytest.mark.usefixtures("float64")

EPS = float(np.finfo(np.float64).eps)

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
