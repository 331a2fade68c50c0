"""Float16 ends at 65,504: a probe at which numbers run out of that range inside says nothing, and is no violation."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.evaluation import Choice, Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name

UNITS = 4


def rescaled(evaluator: Choice, *, forgotten: bool = False) -> Program:
    """Of tanh of a ReLU network in float16, whose units are rescaled, but for a bias perhaps."""

    def apply(p: Any, x: Any) -> Any:
        return jnp.tanh(jnp.maximum(x @ p["w1"] + p["b"][None], 0) @ p["w2"])

    def act(a: Any, p: Any) -> Any:
        return {"w1": p["w1"] * a[None], "b": p["b"] if forgotten else p["b"] * a, "w2": p["w2"] / a[:, None]}

    shapes = {"w1": (3, UNITS), "b": (UNITS,), "w2": (UNITS, 2)}
    params = {name: np.ones(shape, np.float16) for name, shape in shapes.items()}
    model = eqprop.Model(apply, params, np.ones((5, 3), np.float16), trained=False)
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Scaling(UNITS), act))
    return Program(pair, (by_name("equivariance"),), SQUARED_ERROR, "model", evaluator=evaluator)


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_a_right_network_that_overflows_inside_is_not_suspect(evaluator: Choice):
    program = rescaled(evaluator)
    probes = program.draw(np.random.default_rng(0), 300)
    judged = program.judge(probes, np.random.default_rng(1))["equivariance"]
    assert not judged.suspect.any()
    assert not judged.finite.all()


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_a_forgotten_bias_is_suspect_where_nothing_overflows(evaluator: Choice):
    program = rescaled(evaluator, forgotten=True)
    probes = program.draw(np.random.default_rng(0), 64)
    assert program.judge(probes, np.random.default_rng(1))["equivariance"].suspect.sum() > 16
