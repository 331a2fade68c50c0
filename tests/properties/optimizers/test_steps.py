"""An optimiser's step, and a trajectory of them, beside a transformation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import Falsified, InvalidInput
from tests.optimizers.stepping import OF_OPTIMIZER, QUICK, Simple, outcomes, pair, plain_descent, run, stateless


def test_without_an_optimiser_its_properties_do_not_exist():
    with pytest.raises(InvalidInput, match="no property is called 'optimizer-step'"):
        eqprop.run(pair(), properties=["optimizer-step"])


def test_the_properties_of_an_optimiser_are_added_to_those_that_were_asked_for():
    report = eqprop.run(pair(), properties=["equivariance"], optimizer=optax.sgd(0.1))
    assert list(outcomes(report)) == ["equivariance", *OF_OPTIMIZER]
    assert report.ok


def test_an_optimiser_that_does_not_commute_is_falsified_with_a_counterexample_that_runs():
    with pytest.raises(Falsified, match="optimizer-step") as caught:
        eqprop.verify(pair("rotations"), optimizer=optax.sign_sgd(0.1), properties=["optimizer-step"])
    (verdict,) = caught.value.report.verdicts
    code = verdict.counterexample.code
    assert "optimizer = ...  # optimizer, as it was passed to eqprop" in code
    assert verdict.counterexample.replay.endswith("optimizer=optimizer)")
    replaced = code.replace("pair = ...", "pair = given").replace("optimizer = ...", "optimizer = of_user")
    with pytest.raises(Falsified, match="optimizer-step"):
        exec(replaced, {"given": pair("rotations"), "of_user": optax.sign_sgd(0.1)})


def test_a_trajectory_is_blocked_by_its_first_step():
    assert outcomes(run(optax.sign_sgd(0.1), "rotations")) == {
        "optimizer-step": "falsified",
        "optimizer-trajectory": "blocked",
    }


def test_an_optimiser_of_ones_own_that_commutes_holds():
    assert run(stateless(plain_descent), "rotations").ok


def test_an_optimiser_of_ones_own_that_does_not_commute_is_falsified():
    def uneven(grads, params):
        return jax.tree.map(lambda g: -0.1 * g * jnp.linspace(1.0, 2.0, g.size).reshape(g.shape), grads)

    assert outcomes(run(stateless(uneven)))["optimizer-step"] == "falsified"


def test_momentum_that_forgets_one_tensor_is_caught_by_the_trajectory_alone():
    """The first step has no moments to forget."""
    right: Any = optax.sgd(0.1, momentum=0.9)

    def forget(updates, state, params=None):
        steps, after = right.update(updates, state, params)
        trace = after[0].trace
        first = jnp.zeros_like(trace["w1"]).at[:, 0].set(trace["w1"][:, 0])
        return steps, (after[0]._replace(trace={**trace, "w1": first}), *after[1:])

    found = outcomes(run(Simple(right.init, forget)))
    assert found == {"optimizer-step": "holds", "optimizer-trajectory": "falsified"}


def test_adam_with_a_slip_of_1e_9_in_one_unit_is_caught():
    right: Any = optax.adam(1e-3)

    def slip(updates, state, params=None):
        steps, after = right.update(updates, state, params)
        return {**steps, "w1": steps["w1"].at[:, 0].multiply(1 + 1e-9)}, after

    assert outcomes(run(Simple(right.init, slip), properties=["optimizer-step"])) == {"optimizer-step": "falsified"}
    assert run(right, properties=["optimizer-step"]).ok


def test_the_sign_of_a_gradient_that_is_exactly_zero_falsifies_nothing():
    """Two inputs cancel: the gradient is zero up to the order of a sum, and its sign is that of a rounding error."""
    model = eqprop.Model(
        lambda w, x: jnp.stack([jnp.sum(w * x), jnp.sum(w * x)]),
        np.array([1.0, 2.0, 3.0]),
        np.array([0.1, 0.2, 0.3]),
        loss=lambda y: y[0] / 3 - y[1] / 3,
    )
    moves = eqprop.Transformation(groups.Permutation(3), lambda p, w: w[p], on_inputs=lambda p, x: x[p])
    still = eqprop.Transformation(groups.Permutation(3), lambda p, w: w)
    assert set(outcomes(eqprop.run(eqprop.Pair(model, moves), optimizer=optax.sign_sgd(0.1), **QUICK)).values()) == {
        "not applicable"
    }
    found = outcomes(eqprop.run(eqprop.Pair(model, still), optimizer=optax.sign_sgd(0.1), **QUICK))
    assert "falsified" not in found.values()


def test_a_rounding_error_that_a_sign_makes_large_is_no_violation():
    """At identical units with opposite weights gradients cancel to rounding errors, in an order that K changes."""

    def apply(params, x):
        return jnp.tanh(x @ params["w1"]) @ params["w2"]

    params = {"w1": np.ones((2, 3)), "w2": np.array([0.1, 0.2, -0.3])}
    model = eqprop.Model(apply, params, np.ones((1, 2)), loss=lambda y: jnp.sum(y**2))
    moves = eqprop.hidden_units(groups.Permutation(3), writes={"w1": 1}, reads={"w2": 0})
    found = outcomes(eqprop.run(eqprop.Pair(model, moves), optimizer=optax.sign_sgd(0.1), **QUICK))
    assert "falsified" not in found.values()


def test_a_line_search_gets_the_value_the_gradient_and_the_function():
    seen = []

    def update(grads, state, params, *, value, grad, value_fn):
        seen.append(jax.tree.structure(grad) == jax.tree.structure(params))
        shrunk = jax.tree.map(lambda p, g: p - 0.1 * g, params, grad)
        rate = jnp.where(value_fn(shrunk) < value, 0.1, 0.01)
        return jax.tree.map(lambda g: -rate * g, grads), state

    assert run(Simple(lambda params: (), update), "rotations").ok
    assert seen
    assert all(seen)


@pytest.mark.slow
def test_optax_lbfgs_runs_with_its_line_search():
    assert outcomes(run(optax.lbfgs(), "rotations", properties=["optimizer-step"])) == {"optimizer-step": "holds"}


def test_integer_leaves_are_none_to_the_optimiser_and_stay_as_they_are():
    seen = []

    def init(params):
        seen.append(params)
        return ()

    params = {"scale": np.array([2, 3]), "w": np.array([1.0, 2.0])}
    model = eqprop.Model(lambda p, x: jnp.sum(jnp.tanh(p["w"] * x)) * p["scale"][0], params, np.ones(2))
    moves = eqprop.Transformation(groups.Permutation(2), lambda g, p: {**p, "w": p["w"][jnp.argsort(g)]})
    optimizer = Simple(init, lambda grads, state, params: (plain_descent(grads, params), state))
    model = eqprop.Model(model.apply, params, np.ones(1))
    assert eqprop.run(eqprop.Pair(model, moves), optimizer=optimizer, **QUICK).ok
    assert all(params["scale"] is None for params in seen)


def test_a_model_in_float32_is_verified_in_float32():
    given = pair()
    params, inputs = (jax.tree.map(np.float32, tree) for tree in (given.model.params, given.model.inputs))
    model = eqprop.Model(given.model.apply, params, inputs)
    report = eqprop.run(
        given.replaced(model=model), precision="model", properties=["optimizer-step"], optimizer=optax.adam(1e-2)
    )
    assert (outcomes(report), report.verdicts[0].reason) == ({"optimizer-step": "holds"}, "")
    assert report.verdicts[0].precision == "float32"
