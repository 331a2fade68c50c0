"""Charges in other geometries, against matrices and integrators written out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

import eqprop
from eqprop.evaluation import applicable
from eqprop.properties import by_name
from tests.properties.judged import suspected
from tests.properties.library_pairs import X, broken, cubic, rotated_units, softmax_head, two_layers

NAMES = ("metric-drift", "damped-gauss-newton", "momentum-flow")


class Flat:
    """A pair's loss at targets that nothing fits, as a function of one vector."""

    def __init__(self, pair: eqprop.Pair) -> None:
        self.start, self.tree = ravel_pytree(pair.model.params)
        self.f = lambda at: jnp.ravel(pair.model.apply(self.tree(at), X))
        self.loss = lambda at: 0.5 * jnp.sum((self.f(at) - 0.7) ** 2)
        self.theta = np.random.default_rng(4).standard_normal(self.start.size)
        self.gradient = np.asarray(jax.grad(self.loss)(self.theta))

    def layers(self, first: float, second: float) -> np.ndarray:
        """A number for each parameter of two_layers: one for each of its two tensors."""
        names = self.tree(np.zeros(self.start.size))
        sizes = [(leaf.size, value) for leaf, value in zip(jax.tree.leaves(names), (first, second), strict=True)]
        return np.concatenate([np.full(size, value) for size, value in sizes])


def test_two_step_sizes_leave_the_balance_in_their_metric(float64: None):
    """‖u‖²/η_u − ‖v‖²/η_v of two linear layers moves at second order; ‖u‖² − ‖v‖² moves at first."""
    flat = Flat(two_layers())
    rates, signs = flat.layers(0.3, 0.02), flat.layers(1.0, -1.0)

    def moved(step: float, weights: np.ndarray) -> float:
        after = flat.theta - step * rates * flat.gradient
        return float(np.sum(signs * weights * (after**2 - flat.theta**2)))

    for step in (1e-3, 1e-1):
        second = step**2 * np.sum(signs * rates * flat.gradient**2)
        np.testing.assert_allclose(moved(step, 1 / rates), second, rtol=1e-6)
    assert abs(moved(1e-3, np.ones_like(rates))) > 100 * abs(moved(1e-3, 1 / rates))


@pytest.mark.parametrize("damping", [1e-3, 1.0, 30.0])
def test_levenberg_and_marquardts_step_is_orthogonal_to_the_orbit(damping: float, float64: None):
    flat = Flat(two_layers())
    jacobian = np.asarray(jax.jacrev(flat.f)(flat.theta))
    step = np.linalg.solve(jacobian.T @ jacobian + damping * np.eye(flat.theta.size), flat.gradient)
    move = two_layers().transformation.on_params
    algebra = np.random.default_rng(1).standard_normal((3, 3))
    k = ravel_pytree(
        jax.jvp(lambda t: move(jax.scipy.linalg.expm(t * algebra), flat.tree(flat.theta)), (0.0,), (1.0,))[1]
    )[0]
    assert abs(k @ step) < 1e-11 * np.linalg.norm(k) * np.linalg.norm(step)


def _moved(flat: Flat, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """K_gθ of two_layers for a basis change far from orthogonal, and DK."""
    move = two_layers().transformation.on_params
    element = jax.scipy.linalg.expm(0.7 * np.random.default_rng(seed).standard_normal((3, 3)))
    moved = lambda at: ravel_pytree(move(element, flat.tree(at)))[0]  # noqa: E731
    return np.asarray(moved(flat.theta)), np.asarray(jax.jacfwd(moved)(flat.theta))


def test_the_gauss_newton_step_in_function_space_is_the_same_along_the_orbit(float64: None):
    """J G⁺ g, the pseudo-inverse of a singular G written out, and (G′ + λ(DK DKᵀ)⁻¹)⁻¹g′ = DK (G + λ)⁻¹g, λ → 0."""
    flat = Flat(two_layers())
    there, dk = _moved(flat, 1)
    steps = {}
    for name, at, metric in (("here", flat.theta, np.eye(flat.theta.size)), ("there", there, np.linalg.inv(dk @ dk.T))):
        jacobian, slope = np.asarray(jax.jacrev(flat.f)(at)), np.asarray(jax.grad(flat.loss)(at))
        ggn = jacobian.T @ jacobian
        assert np.linalg.matrix_rank(ggn) < len(ggn)
        damped = [jacobian @ np.linalg.solve(ggn + damping * metric, slope) for damping in (1.0, 1e-7)]
        steps[name] = (jacobian @ np.linalg.pinv(ggn, rcond=1e-11, hermitian=True) @ slope, *damped)
    for here, moved in zip(steps["here"], steps["there"], strict=True):
        np.testing.assert_allclose(moved, here, rtol=1e-6)
    np.testing.assert_allclose(steps["here"][2], steps["here"][0], atol=1e-4)


def test_without_the_metric_a_damped_step_is_not(float64: None):
    flat = Flat(two_layers())
    there, _ = _moved(flat, 1)
    found = []
    for at in (flat.theta, there):
        jacobian = np.asarray(jax.jacrev(flat.f)(at))
        slope = np.asarray(jax.grad(flat.loss)(at))
        found.append(jacobian @ np.linalg.solve(jacobian.T @ jacobian + np.eye(at.size), slope))
    assert np.linalg.norm(found[0] - found[1]) > 1e-2 * np.linalg.norm(found[0])


def test_a_charge_obeys_its_equation_of_motion_along_an_integrated_trajectory(float64: None):
    flat, friction = Flat(two_layers()), 0.4
    signs, gradient = flat.layers(1.0, -1.0), jax.jit(jax.grad(flat.loss))
    size = flat.theta.size

    def field(_: float, state: np.ndarray) -> np.ndarray:
        return np.concatenate([state[size:], -np.asarray(gradient(state[:size])) - friction * state[size:]])

    start = np.concatenate([flat.theta, np.random.default_rng(2).standard_normal(size)])
    found = solve_ivp(field, (0, 0.5), start, method="DOP853", rtol=1e-12, atol=1e-13, dense_output=True)
    times = np.linspace(0, 0.5, 401)
    at, velocity = found.sol(times)[:size], found.sol(times)[size:]
    left = np.exp(friction * times) * np.sum(signs[:, None] * at * velocity, 0)
    driven = np.exp(friction * times) * np.sum(signs[:, None] * velocity**2, 0)
    summed = np.concatenate([[0.0], np.cumsum((driven[1:] + driven[:-1]) / 2 * np.diff(times))])
    np.testing.assert_allclose(left, left[0] + summed, atol=1e-4 * np.abs(left).max())  # the trapezoidal rule's error


@pytest.mark.parametrize("make", [two_layers, cubic, softmax_head, rotated_units])
def test_the_laws_hold_wherever_they_apply(make: Any):
    assert not any(suspected(make(), NAMES).values())


def test_antisymmetric_generators_have_no_metric_and_no_momentum_of_a_charge():
    names = {prop.name for prop in applicable(rotated_units(), [by_name(name) for name in NAMES])}
    assert names == {"damped-gauss-newton"}


def test_a_model_that_lacks_the_symmetry_falsifies_each_of_them():
    assert suspected(broken(two_layers()), NAMES) == dict.fromkeys(NAMES, True)
