"""Floors of real programs: correct code stays below them, planted errors stand above, and declared ones count."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.evaluation import Choice, Program, applicable, rounding_inside, row
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.probes.losses import SMOOTH
from eqprop.properties import CORE, Property, by_name
from eqprop.properties.parts import of_numbers
from eqprop.rounding import Judgement


def relu_net(error: float = 0.0) -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        return jax.nn.relu(x @ p["w1"] + p["b1"][None]) @ p["w2"]

    params = {"w1": np.ones((3, 4)), "b1": np.ones(4), "w2": np.ones((4, 2))}
    scaling = eqprop.hidden_units(groups.Scaling(4), writes={"w1": 1, "b1": 0}, reads={"w2": 0})

    def planted(a: Any, p: Any) -> Any:
        moved = scaling.on_params(a, p)
        return {**moved, "w1": moved["w1"] * (1 + error)}

    transformation = eqprop.Transformation(groups.Scaling(4), planted if error else scaling.on_params)
    return eqprop.Pair(eqprop.Model(apply, params, np.ones((5, 3)), trained=False), transformation)


def judge_all(pair: eqprop.Pair, count: int = 200) -> dict[str, Judgement]:
    program = Program(pair, applicable(pair, CORE), SQUARED_ERROR)
    rng = np.random.default_rng(1)
    return program.judge(program.draw(rng, count), rng)


def test_the_residual_of_correct_code_stays_below_five_floors():
    for name, found in judge_all(relu_net()).items():
        settled = ~found.inconclusive & ~found.vacuous
        assert settled.mean() > 0.75, name
        assert found.floors[settled].max() < 5, name


def test_a_planted_relative_error_of_1e_9_stands_above_thirty_floors_in_every_property_that_it_touches():
    touched = {"group-laws", "equivariance", "jacobian-covariance", "gradient-covariance", "hessian-covariance"}
    found = judge_all(relu_net(1e-9))
    for name in touched | {"gauss-newton-covariance", "model-second-order"}:
        settled = ~found[name].inconclusive & ~found[name].vacuous
        assert found[name].suspect[settled].mean() > 0.5, name


def test_a_probe_at_an_exact_kink_is_inconclusive_and_no_violation():
    """relu(t) − relu(−t) = t everywhere, but JAX's derivative of the left side at 0 is 0."""
    split = eqprop.Model(lambda t, x: jax.nn.relu(t * x) - jax.nn.relu(-t * x), np.ones(1), np.ones(1))
    whole = eqprop.Model(lambda t, x: t * x, np.ones(1), np.ones(1))
    pair = eqprop.Pair(split, eqprop.Transformation(groups.Sign(1), lambda s, t: t), whole)
    program = Program(pair, (by_name("gradient-covariance"),), SMOOTH)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 8)
    theta = np.array([0.0, 0.5, 0.0, -2.0, 0.0, 1.0, 0.0, 3.0])[:, None]
    probes = Probe(**{**vars(probes), "params": (theta,), "inputs": np.ones((8, 1))})
    found = program.judge(probes, rng, copies=8)["gradient-covariance"]
    np.testing.assert_array_equal(found.inconclusive, theta[:, 0] == 0)
    assert not found.suspect.any()


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize(
    ("error", "suspect", "inconclusive"),
    [
        (0.0, True, False),
        (1.1e-7, True, False),
        (1.1e-6 / 30, True, False),
        (1e-6, False, False),
        (np.inf, False, True),
    ],
)
def test_an_error_gets_from_a_propertys_sides_into_its_judgement(
    error: float, suspect: bool, inconclusive: bool, large: bool, evaluator: Choice, monkeypatch: pytest.MonkeyPatch
):
    def sides(point: Any) -> Any:
        size = jnp.sum(point.here.value**2)
        return (of_numbers(size, size * (1 + 1e-5), size, error=error * size),)

    if large:
        monkeypatch.setattr(row, "LARGE", 1)
    planted = Property("planted", 0, "", "", sides, frozenset({"params", "inputs"}))
    program = Program(relu_net(), (planted,), SQUARED_ERROR, evaluator=evaluator)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 12)
    found = program.judge(probes, rng)["planted"]
    settled = ~found.vacuous
    assert settled.any()
    assert (found.suspect[settled] == suspect).all()
    assert (found.inconclusive[settled] == inconclusive).all()
    assert (rounding_inside(program, "planted", probes, rng).suspect[settled] == suspect).all()
