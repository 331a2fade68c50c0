"""A search that is to end after some time ends then, whatever the model is doing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.profiles import PROFILES
from eqprop.properties import by_name
from eqprop.results import Outcome
from eqprop.search import Options, SearchTask, search

ROUNDS = 100_000_000
"""Of a loop that takes XLA a moment, and a walk some minutes."""


def slow_pair() -> eqprop.Pair:
    def apply(params, x):
        turned = jax.lax.while_loop(lambda s: s[0] < ROUNDS, lambda s: (s[0] + 1, -s[1]), (0, x))[1]
        return turned * params["a"] * params["b"]

    def act(g, params):
        return {"a": g[0] * params["a"], "b": params["b"] / g[0]}

    model = eqprop.Model(apply, {"a": np.array(1.3), "b": np.array(0.7)}, np.ones(2), trained=False)
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), act), name="slow")


def test_a_loop_that_goes_on_and_on_is_ended_with_the_time():
    options = Options(PROFILES["gate"], properties=(by_name("equivariance"),), max_time=4.0)
    (verdict,) = search(SearchTask("slow", st.just(slow_pair())), options)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "out of time: the search was to end after 4 s; this was not judged at all"
    assert jnp.isfinite(slow_pair().model.apply({"a": 1.0, "b": 1.0}, jnp.ones(2))).all()
