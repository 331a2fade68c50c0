"""A search that is to end after some time ends then, whatever the model is doing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.engine import OutOfTime
from eqprop.profiles import PROFILES
from eqprop.properties import by_name
from eqprop.results import Outcome
from eqprop.search import Options, Search, SearchTask, search
from eqprop.search.outcomes import outcome_of
from eqprop.search.pool import ProgramPool
from tests.search.nets import BIAS_FORGOTTEN, SMALL, nets

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


def test_what_a_search_does_not_finish_in_time_is_inconclusive_and_says_what_was_looked_at():
    names = ("equivariance", "noether", "charge-drift")
    options = Options(SMALL, properties=tuple(by_name(name) for name in names), max_time=1e-9)
    for verdict in search(SearchTask("net", nets()), options):
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.reason == "out of time: the search was to end after 1e-09 s; this was not judged at all"


def test_a_control_that_is_out_of_time_is_no_unexpected_pass():
    options = Options(SMALL, properties=(by_name("equivariance"),), max_time=1e-9)
    (verdict,) = search(SearchTask("net", nets(BIAS_FORGOTTEN), control="the bias stays"), options)
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_what_was_judged_in_time_is_told():
    state = Search(SearchTask("net", nets()), Options(SMALL, properties=(by_name("equivariance"),), max_time=1e6))
    state.explore()
    state.limit.passed = "out of time"
    outcome, reason = outcome_of(state.evidence(), by_name("equivariance"))
    tally = state.gathered.tallies["equivariance"]
    assert outcome is Outcome.INCONCLUSIVE
    assert (
        reason == f"out of time; this was judged at {tally.probes} probes of {len(tally.architectures)} architectures"
    )


def test_what_a_claim_does_not_look_at_is_not_looked_for_beyond_the_time(monkeypatch):
    def ended(*_):
        raise OutOfTime

    monkeypatch.setattr(ProgramPool, "unseen", ended)
    options = Options(SMALL, properties=(by_name("gradient-covariance"),), max_time=1e6, unseen=True)
    (verdict,) = search(SearchTask("net", nets()), options)
    assert verdict.outcome is Outcome.HOLDS
    assert verdict.unseen.unknown == "out of time: the search was to end after 1e+06 s"
