"""A loss that does not see what T does to the outputs: all that follows from s = 0 is claimed, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.properties.traits import keeps_loss
from eqprop.results import Outcome
from tests.properties.judged import suspected

RNG = np.random.default_rng(0)
X, TARGETS = RNG.standard_normal((4, 2)), RNG.standard_normal((4, 3))
CLASSES = np.eye(3)[[0, 2, 1, 1]]

Loss = Callable[[Any], Any]


def cross_entropy(y: Any) -> Any:
    return jnp.sum(jax.nn.logsumexp(y, axis=1)) - jnp.sum(CLASSES * y)


def squared_error(y: Any) -> Any:
    return jnp.sum((y - TARGETS) ** 2)


def size(y: Any) -> Any:
    """Of the outputs alone."""
    return jnp.sum(jnp.log(1 + jnp.sum(y**2, axis=1)))


def cosine(y: Any) -> Any:
    return -jnp.sum(y * TARGETS) / jnp.sqrt(jnp.sum(y**2))


def logits(loss: Loss) -> eqprop.Pair:
    """A number is added to all logits of a sample alike."""
    params = {"b": RNG.standard_normal(3), "w": RNG.standard_normal((2, 3))}
    model = eqprop.Model(lambda p, x: x @ p["w"] + p["b"][None], params, X, loss=loss)
    shift = eqprop.Transformation(
        groups.Translation(1), lambda t, p: {**p, "b": p["b"] + t[0]}, lambda t, y: y + t[0], name="shift"
    )
    return eqprop.Pair(model, shift)


def turned(loss: Loss) -> eqprop.Pair:
    """The last layer is turned, and the outputs with it."""
    params = {"v": RNG.standard_normal((2, 2)), "w": RNG.standard_normal((2, 3))}
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["v"]) @ p["w"], params, X, loss=loss)
    turn = eqprop.Transformation(
        groups.Rotation(3), lambda r, p: {**p, "w": p["w"] @ r.T}, lambda r, y: y @ r.T, name="turn"
    )
    return eqprop.Pair(model, turn)


def scaled(loss: Loss) -> eqprop.Pair:
    """The last layer is scaled, and the outputs with it."""
    params = {"v": RNG.standard_normal((2, 2)), "w": RNG.standard_normal((2, 3))}
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["v"]) @ p["w"], params, X, loss=loss)
    scale = eqprop.Transformation(
        groups.Scaling(1), lambda a, p: {**p, "w": p["w"] * a[0]}, lambda a, y: y * a[0], name="scale"
    )
    return eqprop.Pair(model, scale)


CASES = [
    (logits, cross_entropy, squared_error, ["flat-translation", "charge-decay", "angular-momentum", "equal-spectra"]),
    (turned, size, squared_error, ["angular-momentum", "equal-spectra", "inertia", "sharpness"]),
    (scaled, cosine, squared_error, ["scale-invariance", "gradient-alignment", "charge-decay", "inertia"]),
]
IDS = ["logits", "turned", "scaled"]


@pytest.mark.parametrize(("make", "unseeing", "seeing", "names"), CASES, ids=IDS)
def test_what_needs_a_still_loss_holds_for_one_that_sees_nothing_of_t(
    make: Any, unseeing: Loss, seeing: Loss, names: list[str]
):
    del seeing
    pair = make(unseeing)
    assert keeps_loss(pair)
    report = eqprop.run(pair, profile="quick", properties=names)
    assert {v.property.name: v.outcome for v in report.verdicts} == dict.fromkeys(names, Outcome.HOLDS)


@pytest.mark.parametrize(("make", "unseeing", "seeing", "names"), CASES, ids=IDS)
def test_it_does_not_apply_where_the_loss_sees_t(make: Any, unseeing: Loss, seeing: Loss, names: list[str]):
    del unseeing
    pair = make(seeing)
    assert not keeps_loss(pair)
    report = eqprop.run(pair, profile="quick", properties=names)
    assert {v.outcome for v in report.verdicts} == {Outcome.NOT_APPLICABLE}


def test_what_is_about_the_outputs_still_asks_for_outputs_that_stay():
    names = ["damped-gauss-newton", "critical-null-space", "critical-orbit"]
    report = eqprop.run(logits(cross_entropy), profile="quick", properties=names)
    assert {v.outcome for v in report.verdicts} == {Outcome.NOT_APPLICABLE}


def test_a_drawn_loss_sees_whatever_moves_the_outputs():
    pair = logits(cross_entropy)
    assert not keeps_loss(pair.replaced(model=eqprop.Model(pair.model.apply, pair.model.params, X)))


@pytest.mark.parametrize(("make", "loss"), [(logits, cross_entropy), (turned, size), (scaled, cosine)], ids=IDS)
def test_a_wrong_second_derivative_of_such_a_loss_is_falsified(make: Any, loss: Loss):
    def bent(y: Any) -> Any:
        """Value and gradient exact, the second derivative not."""
        off = y - jax.lax.stop_gradient(y)
        return loss(y) + 1e-3 * jnp.sum(jnp.arange(1.0, 4.0)[None] * off**2)

    wrong = make(bent)
    assert keeps_loss(wrong)
    names = {logits: "flat-translation", turned: "inertia", scaled: "scale-invariance"}
    (verdict,) = eqprop.run(wrong, profile="quick", properties=[names[make]]).verdicts
    assert verdict.outcome is Outcome.FALSIFIED
    before = ["noether", "hessian-covariance", "hessian-generator", "gauss-newton-covariance"]
    assert suspected(wrong, [*before, "gauss-newton-null"]) == {
        **dict.fromkeys(before, False),
        "gauss-newton-null": True,
    }


@pytest.mark.parametrize(("make", "loss"), [(logits, cross_entropy), (turned, size), (scaled, cosine)], ids=IDS)
def test_the_gauss_newton_matrix_takes_an_orbit_direction_to_the_slope_that_t_turns(
    make: Any, loss: Loss, float64: None
):
    """GGN k = −Jᵀ Dτᵀ ∇ℓ, with dense derivatives; with a loss that sees T it is not."""
    pair = make(loss)
    theta, tree = ravel_pytree(pair.model.params)
    group, move = pair.transformation.group, pair.transformation
    algebra = group.sample_algebra(np.random.default_rng(5))
    f = lambda at: pair.model.apply(tree(at), X).ravel()  # noqa: E731
    acted = lambda t: ravel_pytree(move.on_params(group.exp(t * algebra), tree(theta)))[0]  # noqa: E731
    tau = jax.jacfwd(lambda t, y: move.on_outputs(group.exp(t * algebra), y.reshape(4, 3)).ravel())
    turned_back = jax.jacrev(lambda y: tau(0.0, y))

    @partial(jax.jit, static_argnums=0)
    def miss(of: Loss) -> Any:
        flat = lambda y: of(y.reshape(4, 3))  # noqa: E731
        y, jacobian, k = f(theta), jax.jacrev(f)(theta), jax.jacfwd(acted)(0.0)
        ggn = jacobian.T @ jax.hessian(flat)(y) @ jacobian
        expected = -jacobian.T @ turned_back(y).T @ jax.grad(flat)(y)
        return jnp.linalg.norm(ggn @ k - expected) / jnp.linalg.norm(ggn)

    assert miss(loss) < 1e-13
    assert miss(squared_error) > 1e-2
