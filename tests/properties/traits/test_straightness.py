"""A statement that is empty does not apply, and one that looks empty because a derivative was cut is no success."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.properties.traits import straight_loss, straight_model, straight_objective
from eqprop.results import Outcome

RNG = np.random.default_rng(0)
PARAMS = {"v": RNG.standard_normal(4), "w": RNG.standard_normal((3, 4))}
X = RNG.standard_normal((5, 3))


def units(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["w"]) @ p["v"]


def pair_of(apply: Any = units, loss: Any = None) -> eqprop.Pair:
    swap = eqprop.hidden_units(groups.Permutation(4), writes={"w": 1, "v": 0})
    return eqprop.Pair(eqprop.Model(apply, PARAMS, X, loss=loss), swap)


def cut(y: Any) -> Any:
    """Curved, with a derivative that does not say so."""
    return jnp.sum(jax.lax.stop_gradient(y) * y)


LOSSES = {
    "sum": (jnp.sum, True),
    "affine": (lambda y: 3 * y[0] - y[2] + 7, True),
    "absolute": (lambda y: jnp.abs(y - 0.3).sum(), True),
    "in float32": (lambda y: y.astype(jnp.float32).sum(), True),
    "square": (lambda y: jnp.sum(y**2), False),
    "slightly curved": (lambda y: jnp.sum(y) + 1e-3 * jnp.sum(y**2), False),
    "square in float32": (lambda y: jnp.sum(y.astype(jnp.float32) ** 2), False),
    "in bfloat16": (lambda y: y.astype(jnp.bfloat16).sum(), False),
    "cut": (cut, False),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_straight_by_its_values_and_not_by_its_derivatives(kind: str):
    loss, straight = LOSSES[kind]
    assert bool(straight_loss(pair_of(loss=loss))) == straight


def test_a_drawn_loss_is_curved():
    assert straight_loss(pair_of()) == ""
    assert straight_objective(pair_of()) == ""


def test_a_model_is_straight_in_its_parameters_whatever_it_is_in_its_inputs():
    assert straight_model(pair_of(lambda p, x: jnp.sin(x) @ p["w"]))
    assert not straight_model(pair_of())
    assert straight_objective(pair_of(lambda p, x: jnp.sin(x) @ p["w"], jnp.sum))
    assert not straight_objective(pair_of(loss=jnp.sum))


@pytest.mark.parametrize(("loss", "outcome"), [(jnp.sum, Outcome.NOT_APPLICABLE), (cut, Outcome.INCONCLUSIVE)])
def test_gauss_newton_of_a_linear_loss_does_not_apply_and_of_a_cut_one_settles_nothing(loss: Any, outcome: Outcome):
    (verdict,) = eqprop.run(pair_of(loss=loss), profile="quick", properties=["gauss-newton-covariance"]).verdicts
    assert verdict.outcome is outcome
    assert ("∇²ℓ = 0" in verdict.reason) == (outcome is Outcome.NOT_APPLICABLE)


# -- inputs that move while parameters do not -------------------------------------------------------------------------


def energy(p: Any, atoms: Any) -> Any:
    apart = jnp.expand_dims(atoms, 0) - jnp.expand_dims(atoms, 1)
    return jnp.sum(jnp.tanh(jnp.sum(apart**2, axis=2)) * p["w"])


def moving_only_inputs() -> eqprop.Pair:
    turn = eqprop.Transformation(groups.Rotation(3), lambda g, p: p, on_inputs=lambda g, r: r @ g.T, name="rotation")
    weights = {"w": RNG.standard_normal((4, 4))}
    return eqprop.Pair(eqprop.Model(energy, weights, RNG.standard_normal((4, 3)), name="energy"), turn)


GENERATORS = ["jacobian-generator", "hessian-generator"]


def test_an_invariant_of_the_inputs_holds_along_its_generators():
    for verdict in eqprop.run(moving_only_inputs(), profile="quick", properties=GENERATORS).verdicts:
        assert verdict.outcome is Outcome.HOLDS, verdict.reason
        assert verdict.resolution < 1e-10


def test_what_is_no_invariant_of_the_inputs_is_falsified_along_its_generators():
    def stretched(p: Any, atoms: Any) -> Any:
        return energy(p, atoms * jnp.array([[1.0, 1.0, 1.001]]))

    pair = moving_only_inputs()
    pair = pair.replaced(model=eqprop.Model(stretched, pair.model.params, pair.model.inputs, name="stretched"))
    for verdict in eqprop.run(pair, profile="quick", properties=GENERATORS).verdicts:
        assert verdict.outcome in (Outcome.FALSIFIED, Outcome.BLOCKED), verdict.reason
