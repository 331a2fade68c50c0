"""A network whose units may be permuted, and what the premises of calculus say of one like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.evaluation import Choice, Program, applicable, rounding_inside
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import Property, by_name
from eqprop.rounding import Judgement

PREMISES = tuple(by_name(name) for name in ("derivative", "input-derivative", "hessian-symmetry"))
INTEGRAL = by_name("hessian-integral")
PROBES = 48
PARAMS = {"w": np.ones((2, 3)), "b": np.ones(3), "a": np.ones((3, 2))}
INPUTS = np.ones((4, 2))

Apply = Callable[[Any, Any], Any]


def net(params: Any, x: Any) -> Any:
    return jnp.tanh(x @ params["w"] + params["b"][None]) @ params["a"]


def permuted(apply: Apply, inputs: Any = INPUTS, **fields: Any) -> eqprop.Pair:
    """A symmetry with T = id and X = id, which the defects here are covariant under."""
    units = eqprop.hidden_units(groups.Permutation(3), writes={"w": 1, "b": 0}, reads={"a": 0}, name="units")
    return eqprop.Pair(eqprop.Model(apply, PARAMS, inputs, **{"trained": False, **fields}), units)


def judged(
    pair: eqprop.Pair,
    properties: tuple[Property, ...] = PREMISES,
    *,
    precision: Any = "float64",
    evaluator: Choice = "auto",
) -> tuple[dict[str, Judgement], set[str]]:
    """What each property says, and which are violated even where every operation rounds at random."""
    program = Program(pair, applicable(pair, properties), SQUARED_ERROR, precision, evaluator=evaluator, probes=PROBES)
    rng = np.random.default_rng(3)
    probes = program.draw(rng, PROBES)
    found = program.judge(probes, rng)
    suspected = {name: np.flatnonzero(judgement.suspect)[:4] for name, judgement in found.items()}
    violated = {
        name
        for name, which in suspected.items()
        if which.size and rounding_inside(program, name, probes.at(which), rng).suspect.any()
    }
    return found, violated


def conclusive(judgement: Judgement) -> np.ndarray:
    return ~judgement.inconclusive & ~judgement.vacuous
