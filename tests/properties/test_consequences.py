"""What special cases claim, against dense Hessians: eigenvalue bounds, Newton directions, inertia, multiplicities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from tests.properties.library_pairs import X, cubic, margins, normalised, rotated_units, tanh_units, two_layers

EXACT = 1e-9
"""Of dense eigenvalue problems in float64 with condition numbers up to 1e5."""


class Dense:
    """L(θ) of flat parameters at a random point, its gradient and its Hessian."""

    def __init__(self, pair: eqprop.Pair, loss: Any, *, seed: int = 0, at: Any = None) -> None:
        rng = np.random.default_rng(seed)
        self.pair = pair
        flat, self.tree = ravel_pytree(pair.model.params)
        self.theta = rng.standard_normal(flat.size) if at is None else np.asarray(at)
        self.value = lambda theta: loss(pair.model.apply(self.tree(theta), X))
        self.gradient = np.asarray(jax.grad(self.value)(self.theta))
        self.hessian = np.asarray(jax.hessian(self.value)(self.theta))

    def moved(self, element: Any, theta: Any = None) -> np.ndarray:
        start = self.theta if theta is None else theta
        return np.asarray(ravel_pytree(self.pair.transformation.on_params(element, self.tree(start)))[0])

    def generator(self, tangent: np.ndarray) -> np.ndarray:
        """d/dt K_g(t) θ at the identity matrix along a tangent."""
        act = self.pair.transformation.on_params
        one = np.eye(len(tangent))
        moved = jax.jvp(lambda g: ravel_pytree(act(g, self.tree(self.theta)))[0], (one,), (tangent,))[1]
        return np.asarray(moved)

    def matrix(self, element: Any) -> np.ndarray:
        """K_g, which is linear."""
        return np.stack([self.moved(element, row) for row in np.eye(self.theta.size)], axis=1)


def squares(y: Any) -> Any:
    return 0.5 * jnp.sum((y - 0.3) ** 2)


def compared(pair: eqprop.Pair, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Both sides of a property at one probe, by the name of the part."""
    program = Program(pair, (by_name(name),), SQUARED_ERROR, probes=1)
    sides = program.compare(name, program.draw(np.random.default_rng(3), 1).at(0))
    return {part: (lhs, rhs) for part, lhs, rhs in zip(sides.names, sides.lhs, sides.rhs, strict=True)}


def test_a_scale_invariant_block_has_eigenvalues_of_both_signs_that_bound_its_steepness(float64: None):
    for seed in range(5):
        d = Dense(normalised(), squares, seed=seed)
        block = np.asarray(ravel_pytree({"v": 0.0, "w": np.ones(2)})[0], bool)
        values = np.linalg.eigvalsh(d.hessian)
        steepness = (d.gradient[block] ** 2).sum() / (d.theta[block] ** 2).sum()
        assert values[0] < 0 < values[-1]
        assert -values[0] * values[-1] >= steepness * (1 - EXACT)
        np.testing.assert_allclose(d.hessian @ (d.theta * block), -d.gradient * block, atol=EXACT)


def test_the_ritz_values_of_two_steps_have_the_product_that_the_gradient_says():
    lhs, rhs = compared(normalised(), "scale-invariance")["μ₊μ₋"]
    assert lhs < 0
    np.testing.assert_allclose(lhs, rhs, rtol=EXACT)


def test_of_a_homogeneous_loss_the_newton_direction_is_the_point_over_p_minus_1(float64: None):
    d = Dense(cubic(), lambda y: jnp.sum(y * jnp.array([1.0, -0.4, 0.7])[:, None]), seed=1)
    loss, p = float(d.value(d.theta)), 3
    np.testing.assert_allclose(d.hessian @ d.theta, (p - 1) * d.gradient, atol=EXACT)
    assert np.linalg.cond(d.hessian) < 1e5
    np.testing.assert_allclose(np.linalg.solve(d.hessian, d.gradient), d.theta / (p - 1), rtol=EXACT)
    reached = d.gradient @ np.linalg.pinv(d.hessian) @ d.gradient
    np.testing.assert_allclose(reached, p * loss / (p - 1), rtol=EXACT)


def test_an_exponential_translation_is_at_least_as_sharp_as_the_loss_is_high(float64: None):
    d = Dense(margins(), jnp.sum, seed=2)
    b = np.asarray(ravel_pytree({"w": np.zeros(2), "c": 1.0})[0])
    np.testing.assert_allclose(d.hessian @ b, -d.gradient, atol=EXACT)
    assert np.linalg.eigvalsh(d.hessian)[-1] >= float(d.value(d.theta)) * (1 - EXACT)


def test_at_a_critical_point_the_nullity_is_at_least_the_rank_of_the_generators(float64: None):
    pair = two_layers()
    rng = np.random.default_rng(5)
    theta = rng.standard_normal(12)
    targets = pair.model.apply(ravel_pytree(pair.model.params)[1](theta), X)
    d = Dense(pair, lambda y: 0.5 * jnp.sum((y - targets) ** 2), at=theta)
    generators = np.stack([d.generator(unit) for unit in np.eye(9).reshape(9, 3, 3)])
    rank = np.linalg.matrix_rank(generators, tol=1e-9)
    values = np.abs(np.linalg.eigvalsh(d.hessian))
    nullity = int((values < EXACT * values.max()).sum())
    assert rank == 8  # of 9: W and A have rank 2 in a space of 3 units
    assert nullity >= rank
    assert np.abs(generators @ d.hessian).max() < EXACT * values.max()


def test_under_weight_decay_a_stationary_point_is_balanced_and_has_an_exact_eigenvector(float64: None):
    """f = a w x with x = 1 and target 2: a w = 2 − λ where |a| = |w|, for λ < 2."""
    decay = 0.5
    root = np.sqrt(2 - decay)
    theta = np.array([root, root])

    def value(t: Any) -> Any:
        return 0.5 * (t[0] * t[1] - 2) ** 2

    gradient, hessian = np.asarray(jax.grad(value)(theta)), np.asarray(jax.hessian(value)(theta))
    np.testing.assert_allclose(gradient, -decay * theta, atol=EXACT)
    generator = np.array([1.0, -1.0]) * theta  # w ↦ cw, a ↦ a/c: charge ½(w² − a²) = 0
    assert abs(theta @ generator) < EXACT
    np.testing.assert_allclose((hessian + decay * np.eye(2)) @ generator, 2 * decay * generator, atol=EXACT)


def test_four_identical_units_give_threefold_eigenvalues(float64: None):
    pair = tanh_units()
    rng = np.random.default_rng(6)
    w, b, a = rng.standard_normal((2, 1)), rng.standard_normal(1), rng.standard_normal((1, 2))
    alike = {"w": np.repeat(w, 4, 1), "b": np.repeat(b, 4), "a": np.repeat(a, 4, 0)}
    d = Dense(pair, squares, at=ravel_pytree(alike)[0])
    values = np.sort(np.linalg.eigvalsh(d.hessian))
    close = np.abs(values[:, None] - values) < EXACT * np.abs(values).max()
    counts = sorted(close.sum(1))
    assert counts == [1] * 5 + [3] * 15  # five numbers a unit: five single eigenvalues, five that come threefold


def test_at_a_mirror_plane_the_gradient_is_kept_and_the_hessian_decouples(float64: None):
    pair = tanh_units()
    d = Dense(pair, squares, seed=7)
    mirror = d.matrix(np.array([1, 0, 2, 3]))
    fixed = Dense(pair, squares, at=(d.theta + mirror @ d.theta) / 2)
    np.testing.assert_allclose(mirror.T @ fixed.gradient, fixed.gradient, atol=EXACT)
    kept, turned = (np.eye(len(mirror)) + mirror) / 2, (np.eye(len(mirror)) - mirror) / 2
    assert np.abs(kept @ fixed.hessian @ turned).max() < EXACT
    assert np.abs(fixed.hessian @ turned).max() > 0.01


def test_along_an_orbit_of_rotations_the_spectrum_is_kept(float64: None):
    pair = rotated_units()
    d = Dense(pair, squares, seed=8)
    turn = pair.transformation.group.sample(np.random.default_rng(1), 1.0)
    there = Dense(pair, squares, at=d.moved(turn))
    np.testing.assert_allclose(np.linalg.eigvalsh(there.hessian), np.linalg.eigvalsh(d.hessian), atol=EXACT)


def test_along_an_orbit_of_linear_maps_only_the_inertia_is_kept_and_the_sharpness_is_bounded(float64: None):
    pair = two_layers()
    d = Dense(pair, squares, seed=9)
    for reach in (0.1, 0.3, 0.5):
        element = pair.transformation.group.sample(np.random.default_rng(2), reach)
        there, k = Dense(pair, squares, at=d.moved(element)), d.matrix(element)
        here_values, values = np.linalg.eigvalsh(d.hessian), np.linalg.eigvalsh(there.hessian)
        assert (values > 0).sum() == (here_values > 0).sum()
        assert values[-1] <= np.linalg.norm(np.linalg.inv(k), 2) ** 2 * here_values[-1] * (1 + EXACT)
        assert abs(values[-1] - here_values[-1]) > 0.01


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("homogeneity", two_layers, "scales all parameters"),
        ("scale-invariance", cubic, "leaves the loss"),
        ("exponential-translation", normalised, "translates parameters"),
        ("averaged-hessian", two_layers, "is continuous"),
        ("charge-flow", tanh_units, "is discrete"),
        ("charge-flow", rotated_units, "there is no charge"),
        ("angular-momentum", normalised, "nothing turns"),
        ("weight-decay-stationary", normalised, "no nonzero stationary point"),
        ("identical-units", rotated_units, "three or more units"),
        ("equal-spectra", two_layers, "not orthogonal"),
        ("charge-decay", cubic, "stated for s = 0"),
    ],
)
def test_a_property_asked_of_a_pair_outside_its_hypotheses_says_why_it_does_not_apply(name, make, reason):
    (verdict,) = eqprop.run(make(), properties=[name]).verdicts
    assert verdict.outcome is eqprop.Outcome.NOT_APPLICABLE
    assert reason in verdict.reason


def test_a_property_asked_at_a_point_outside_its_hypotheses_says_why_it_does_not_apply():
    zeros = {"w": np.zeros((2, 3)), "a": np.zeros((3, 2))}
    numbers = {"params": zeros, "inputs": X, "algebra": np.eye(3), "targets": np.zeros((3, 2))}
    verdict = eqprop.check(two_layers(), "charge-flow", **numbers)
    assert verdict.outcome is eqprop.Outcome.NOT_APPLICABLE
    assert "H vanishes" in verdict.reason
