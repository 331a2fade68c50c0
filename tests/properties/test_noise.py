"""Noise and finite steps, against sums over samples and minibatches that are written out."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR, Loss, suitable_losses
from eqprop.properties import by_name
from eqprop.properties.traits import samples_of
from eqprop.registry import entries
from eqprop.search import simplest
from tests.properties.library_pairs import X, like, model_of, rotated_units, softmax_head, two_layers

EXACT = 1e-12
TARGETS = np.array([[0.3, -0.2], [0.1, 0.5], [-0.7, 0.2]])


class Samples:
    """Two linear layers with GL(3) between them at a random point: gradients of samples, and of minibatches."""

    def __init__(self, seed: int = 0) -> None:
        self.pair = two_layers()
        flat, self.tree = ravel_pytree(self.pair.model.params)
        rng = np.random.default_rng(seed)
        self.theta = jnp.asarray(rng.standard_normal(flat.size))
        half = rng.standard_normal((3, 3))
        self.xi = jnp.asarray(half + half.T)

    def gradient(self, theta: Any, places: Any) -> Any:
        places = np.asarray(places)

        def loss(at: Any) -> Any:
            return 0.5 * jnp.sum((self.pair.model.apply(self.tree(at), X[places]) - TARGETS[places]) ** 2) / len(places)

        return jax.grad(loss)(theta)

    def alone(self, theta: Any) -> Any:
        return jnp.stack([self.gradient(theta, [i]) for i in range(3)])

    def k(self, theta: Any) -> Any:
        def act(g: Any) -> Any:
            return ravel_pytree(self.pair.transformation.on_params(g, self.tree(theta)))[0]

        return jax.jvp(act, (jnp.eye(3),), (self.xi,))[1]

    def charge(self, theta: Any) -> Any:
        return 0.5 * theta @ self.k(theta)

    def balance(self, theta: Any) -> Any:
        centred = self.alone(theta) - jnp.mean(self.alone(theta), 0, keepdims=True)
        return jnp.mean(jnp.stack([g @ self.k(g) for g in centred]))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_over_all_minibatches_a_charge_moves_by_the_gradients_and_the_noises_share(size: int, float64: None):
    s, step = Samples(), 0.7
    after = [s.charge(s.theta - step * s.gradient(s.theta, b)) for b in combinations(range(3), size)]
    g, share = s.gradient(s.theta, range(3)), (3 - size) / (size * 2)
    expected = s.charge(s.theta) + 0.5 * step**2 * (g @ s.k(g) + share * s.balance(s.theta))
    np.testing.assert_allclose(np.mean(after), expected, rtol=EXACT)


def test_noise_has_no_part_along_the_orbit_and_its_balance_falls_there(float64: None):
    s = Samples(1)
    np.testing.assert_allclose(s.alone(s.theta) @ s.k(s.theta), np.zeros(3), atol=EXACT)
    centred = s.alone(s.theta) - s.gradient(s.theta, range(3))[None]
    falls = -2 * np.mean([np.sum(np.asarray(s.k(g)) ** 2) for g in centred])
    np.testing.assert_allclose(jax.grad(s.balance)(s.theta) @ s.k(s.theta), falls, rtol=1e-10)
    assert falls < 0


@pytest.mark.parametrize("name", ["noise-covariance", "noise-equilibrium"])
def test_the_size_of_what_cancels_is_a_number_for_each_tensor(name: str, float64: None):
    row = Program(two_layers(), [by_name(name)], SQUARED_ERROR).row
    left, _, sizes, _ = jax.eval_shape(row.sides, row.like())[name]
    assert [size.shape for size in sizes] == [()] * len(left)


@pytest.mark.slow
def test_one_step_and_the_flow_of_the_loss_that_it_follows_move_a_charge_alike_to_third_order(float64: None):
    """Q after one step less Q after a time η of θ̇ = −∇(L + ¼η‖∇L‖²): halving η divides it by eight."""
    s = Samples(2)
    slope = lambda at: s.gradient(at, range(3))  # noqa: E731

    def off(step: float) -> float:
        def field(at: Any) -> Any:
            return -jax.grad(lambda z: 0.25 * step * jnp.sum(slope(z) ** 2))(at) - slope(at)

        flowing, h = s.theta, step / 8
        for _ in range(8):  # Runge and Kutta's: its own error is of fifth order
            a = field(flowing)
            b = field(flowing + h / 2 * a)
            c = field(flowing + h / 2 * b)
            d = field(flowing + h * c)
            flowing = flowing + h / 6 * (a + 2 * b + 2 * c + d)
        return float(s.charge(s.theta - step * slope(s.theta)) - s.charge(flowing))

    ratios = [off(step) / off(step / 2) for step in (0.04, 0.02, 0.01)]
    distances = [abs(ratio - 8) for ratio in ratios]
    assert distances == sorted(distances, reverse=True), ratios
    assert distances[-1] < 0.2, ratios


def test_along_that_flow_a_symmetric_generators_charge_moves_and_an_antisymmetric_ones_momentum_does_not(float64: None):
    s = Samples(3)
    slope = lambda at: s.gradient(at, range(3))  # noqa: E731
    pull = jax.grad(lambda z: 0.5 * jnp.sum(slope(z) ** 2))(s.theta)
    g = slope(s.theta)
    np.testing.assert_allclose(s.k(s.theta) @ pull, -g @ s.k(g), rtol=EXACT)
    s.xi = jnp.array([[0.0, 1.0, 0.3], [-1.0, 0.0, -2.0], [-0.3, 2.0, 0.0]])
    assert abs(s.k(s.theta) @ pull) < EXACT


# -- where it applies -------------------------------------------------------------------------------------------------


def normalised_over_the_batch() -> eqprop.Pair:
    """A batch norm: each sample's output depends on the others."""

    def apply(p: Any, x: Any) -> Any:
        z = x @ p["w"]
        return (z - jnp.mean(z, 0, keepdims=True)) / jnp.std(z, 0, keepdims=True)

    scale = eqprop.Transformation(groups.Scaling(1), lambda c, p: {"w": p["w"] * c[0]}, name="scale")
    return eqprop.Pair(model_of(apply, like(w=(2, 2))), scale)


def of_a_fixed_batch() -> eqprop.Pair:
    """A model that knows how many samples it has."""
    scale = eqprop.Transformation(groups.Sign(1), lambda s, p: {"w": p["w"] * s[0]}, name="sign")
    return eqprop.Pair(model_of(lambda p, x: (x * jnp.ones((3, 2))) @ p["w"] ** 2, like(w=(2,))), scale)


def that_asks_for_its_batch() -> eqprop.Pair:
    """Likewise, with an error that JAX knows nothing of, as modules of PyTorch have it."""

    def apply(p, x):
        if len(x) != 3:
            msg = "shape '[3, 2]' is invalid for input of size 2"
            raise RuntimeError(msg)
        return x @ p["w"] ** 2

    scale = eqprop.Transformation(groups.Sign(1), lambda s, p: {"w": p["w"] * s[0]}, name="sign")
    return eqprop.Pair(model_of(apply, like(w=(2,))), scale)


def test_samples_are_told_from_what_is_coupled_and_from_a_batch_that_is_built_in():
    assert [samples_of(make()) for make in (two_layers, softmax_head, rotated_units)] == [3, 3, 3]
    assert [samples_of(make()) for make in (normalised_over_the_batch, of_a_fixed_batch, that_asks_for_its_batch)] == [
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("name", ["noise-covariance", "minibatch-drift", "noise-equilibrium"])
def test_a_batch_norm_has_no_noise_of_single_samples(name: str):
    assert "one by one" in str(by_name(name).reason_if_not_applicable(normalised_over_the_batch()))


def test_a_loss_of_the_models_own_is_not_split():
    pair = two_layers()
    own = pair.replaced(model=model_of(pair.model.apply, pair.model.params, loss=jnp.sum))
    assert "targets inside" in str(by_name("noise-covariance").reason_if_not_applicable(own))


@pytest.mark.parametrize("loss", suitable_losses(((4,),)), ids=lambda loss: loss.name)
def test_steps_on_minibatches_hold_for_one_number_a_sample_under_every_loss_that_is_drawn(loss: Loss, float64: None):
    pair = simplest(entries()["cp-scaling"].pairs.filter(lambda pair: "measurements=4" in repr(pair)))
    program = Program(pair, [by_name("minibatch-drift")], loss)
    rng = np.random.default_rng(0)
    assert not program.judge(program.draw(rng, 16), rng)["minibatch-drift"].suspect.any()
