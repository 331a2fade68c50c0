"""Charges and momenta on running dynamics, against an integrator and a training loop written here."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

import eqprop
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.properties.training import STEPS
from eqprop.results import Verdict
from tests.properties.library_pairs import X, cubic, gram_difference, softmax_head, two_layers


def flow(pair: eqprop.Pair, loss: Any, theta: np.ndarray, decay: float = 0.0) -> np.ndarray:
    """Gradient flow until the loss has fallen by half, by an eighth-order Runge–Kutta method; shape (times, P)."""
    tree = ravel_pytree(pair.model.params)[1]
    value = jax.jit(lambda t: loss(pair.model.apply(tree(t), X)))
    gradient = jax.jit(jax.grad(value))
    first = float(value(theta))

    def halved(_: float, t: np.ndarray) -> float:
        return float(value(t)) - first / 2

    halved.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    found = solve_ivp(
        lambda _, t: -np.asarray(gradient(t)) - decay * t,
        (0.0, 1e4),
        theta,
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
        events=halved,
    )
    assert found.t_events[0].size == 1, "the loss fell by half"
    return found.y.T


def realizable(pair: eqprop.Pair, seed: int) -> tuple[np.ndarray, Any]:
    """A start, and the squared error to the outputs of another point, so that the loss can vanish."""
    rng = np.random.default_rng(seed)
    flat, tree = ravel_pytree(pair.model.params)
    targets = pair.model.apply(tree(rng.standard_normal(flat.size)), X)
    return rng.standard_normal(flat.size), lambda y: 0.5 * jnp.sum((y - targets) ** 2)


@pytest.mark.parametrize("seed", range(3))
def test_balancedness_is_conserved_while_gradient_flow_halves_the_loss(seed: int, float64: None):
    pair = two_layers()
    theta, loss = realizable(pair, seed)
    tree = ravel_pytree(pair.model.params)[1]
    symmetric = np.random.default_rng(seed).standard_normal((3, 3))
    symmetric += symmetric.T
    charges = np.array([gram_difference(symmetric, tree(t)) for t in flow(pair, loss, theta)])
    size = np.abs(theta).max() ** 2
    # The issue of an integrator at 1e-12: the law itself has no error.
    assert np.abs(charges - charges[0]).max() < 1e-9 * size


def test_the_sum_of_the_two_gram_matrices_is_not_conserved(float64: None):
    pair = two_layers()
    theta, loss = realizable(pair, 0)
    tree = ravel_pytree(pair.model.params)[1]
    sums = np.array([sum(float(jnp.sum(leaf**2)) for leaf in tree(t).values()) for t in flow(pair, loss, theta)])
    assert np.abs(sums - sums[0]).max() > 1e-3


def test_the_row_sums_of_a_softmax_head_are_conserved(float64: None):
    pair = softmax_head()
    theta, loss = realizable(pair, 1)
    path = flow(pair, loss, theta).reshape(-1, 2, 3)
    assert np.abs(path.sum(-1) - path[0].sum(-1)).max() < 1e-9


def test_with_weight_decay_charges_decay_whatever_the_loss_does(float64: None):
    pair, decay = two_layers(), 0.05
    theta, loss = realizable(pair, 2)
    tree = ravel_pytree(pair.model.params)[1]
    value = jax.jit(jax.grad(lambda t: loss(pair.model.apply(tree(t), X))))
    found = solve_ivp(
        lambda _, t: -np.asarray(value(t)) - decay * t, (0, 2.0), theta, method="DOP853", rtol=1e-12, atol=1e-13
    )
    charges = np.array([gram_difference(np.eye(3), tree(t)) for t in found.y.T])
    np.testing.assert_allclose(charges, charges[0] * np.exp(-2 * decay * found.t), rtol=1e-9)


def verdict_of(pair: eqprop.Pair, name: str) -> Verdict:
    (verdict,) = eqprop.run(pair, properties=[name]).verdicts
    assert verdict.outcome is eqprop.Outcome.HOLDS, verdict
    return verdict


@pytest.mark.parametrize(
    ("name", "make", "length"),
    [
        pytest.param("training-run", two_layers, STEPS + 1, marks=pytest.mark.slow),
        ("charge-flow", two_layers, 9),
        ("norm-growth", cubic, 9),
    ],
)
def test_the_charge_series_of_a_run_is_kept_in_the_verdict(name: str, make: Any, length: int):
    verdict = verdict_of(make(), name)
    assert verdict.series is not None
    assert len(verdict.series.found) == len(verdict.series.predicted) == length
    # The resolution of such series is far finer; a wrong law is off by the drift itself.
    np.testing.assert_allclose(verdict.series.found, verdict.series.predicted, rtol=1e-6, atol=1e-9)
    assert Verdict.from_record(json.loads(json.dumps(verdict.to_record()))) == verdict


def test_a_training_run_ends_where_a_loop_written_out_ends(float64: None):
    """Full batch (one sample), no decay: the charge of the run is that of plain gradient descent."""
    pair = two_layers()
    one = eqprop.Pair(
        eqprop.Model(pair.model.apply, pair.model.params, X[:1], trained=False), pair.transformation, name="one-sample"
    )
    program = Program(one, (by_name("training-run"),), SQUARED_ERROR, probes=1)
    probe = program.draw(np.random.default_rng(0), 1).at(0)
    probe = eqprop.Probe(**{**vars(probe), "rates": np.array([1.0, 0.0, 0.0])})
    found = program.compare("training-run", probe).lhs[0]
    tree = pair.model.param_leaves
    symmetric = (probe.algebra + probe.algebra.T) / 2

    def value(theta: Any) -> Any:
        return SQUARED_ERROR(pair.model.apply(tree.join(theta), probe.inputs), probe.targets)

    theta = probe.params
    charges = [gram_difference(symmetric, tree.join(theta))]
    # The step that the run takes is read off its first change; all others follow from it.
    gradient = jax.grad(value)(theta)
    bent = gram_difference(symmetric, tree.join(gradient))
    step = np.sqrt((found[1] - found[0]) / bent)
    for _ in range(STEPS):
        theta = tuple(t - step * g for t, g in zip(theta, jax.grad(value)(theta), strict=True))
        charges.append(gram_difference(symmetric, tree.join(theta)))
    np.testing.assert_allclose(found, charges, rtol=1e-6)


@pytest.mark.parametrize("step", [1e-6, 1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", ["charge-drift", "sample-drift", "momentum-step"])
def test_the_laws_of_a_step_are_exact_at_every_step_size(name: str, step: float):
    pair = two_layers()
    program = Program(pair, (by_name(name),), SQUARED_ERROR, probes=8)
    rng = np.random.default_rng(1)
    probes = program.draw(rng, 8)
    rates = np.asarray(probes.rates).copy()
    rates[:, 0] = step
    judged = program.judge(eqprop.Probe(**{**vars(probes), "rates": rates}), rng)[name]
    assert not judged.suspect.any()
    assert not judged.inconclusive.any()
    assert judged.resolution.max() < 1e-11


def test_a_drift_law_that_forgets_its_second_order_would_be_seen(float64: None):
    pair = two_layers()
    theta, loss = realizable(pair, 3)
    tree = ravel_pytree(pair.model.params)[1]
    gradient = np.asarray(jax.grad(lambda t: loss(pair.model.apply(tree(t), X)))(theta))
    before, after = (float(gram_difference(np.eye(3), tree(t))) for t in (theta, theta - 0.1 * gradient))
    second = 0.01 * float(gram_difference(np.eye(3), tree(gradient)))
    assert abs(after - before) > 1e-3
    np.testing.assert_allclose(after - before, second, rtol=1e-9)
