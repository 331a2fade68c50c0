"""Models that compute in float64 but for a softmax in float32 inside, as libraries have it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop.profiles import PROFILES
from eqprop.properties import by_name
from eqprop.results import Outcome
from eqprop.rounding.floors import GROSS
from eqprop.search import Options, SearchTask, search

RNG = np.random.default_rng(0)
HEADS, SIZE, TOKEN = 2, 4, 8
BLOCK = {
    **{name: RNG.standard_normal((TOKEN, HEADS, SIZE)) / 2 for name in "qkv"},
    "gain": np.ones(TOKEN),
    "o": RNG.standard_normal((HEADS, SIZE, TOKEN)) / 2,
}
SEQUENCES = RNG.standard_normal((2, 3, TOKEN))


@jax.custom_vjp
def without_first_head(scores: Any) -> Any:
    return scores


without_first_head.defvjp(lambda scores: (scores, None), lambda _, w: (w.at[:, 0].set(0),))

DEFECTS = {
    "none": {},
    "a head is dropped backward": {"scores": without_first_head},
    "a factor 0.99": {"weights": lambda weights: 0.99 * weights + jax.lax.stop_gradient(0.01 * weights)},
    "the keys get no gradient": {"keys": jax.lax.stop_gradient},
}


def softmax_in_float32(defect: str = "none") -> eqprop.Pair:
    """Attention behind a layer norm, computed in float64 but for its softmax, as in libraries."""

    def through(place: str, value: Any) -> Any:
        return DEFECTS[defect][place](value) if place in DEFECTS[defect] else value

    def apply(p: Any, x: Any) -> Any:
        scaled = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
        q, k, v = (jnp.einsum("btd,dhw->bhtw", scaled * p["gain"][None, None], p[name]) for name in "qkv")
        scores = through("scores", q @ jnp.swapaxes(through("keys", k), -1, -2))
        weights = through("weights", jax.nn.softmax(scores.astype(jnp.float32)).astype(x.dtype))
        return x + jnp.einsum("bhtw,hwd->btd", weights @ v, p["o"])

    move = eqprop.attention_heads(HEADS, SIZE, queries={"q": (1, 2)}, keys={"k": (1, 2)})
    return eqprop.Pair(eqprop.Model(apply, BLOCK, SEQUENCES, name="attention"), move)


def searched(pair: eqprop.Pair, names: list[str]) -> tuple[eqprop.Verdict, ...]:
    """Three batches of probes."""
    options = Options(PROFILES["quick"].budgeted(1), properties=tuple(map(by_name, names)), shrink=False)
    return search(SearchTask(pair.name, st.just(pair)), options)


def test_a_softmax_in_float32_inside_of_float64_holds_at_second_order_and_says_how_coarsely():
    names = ["group-laws", "model-second-order", "hessian-symmetry", "hessian-generator"]
    laws, *second = searched(softmax_in_float32(), names)
    assert {v.outcome for v in (laws, *second)} == {Outcome.HOLDS}
    assert {v.precision for v in second} == {"float32"}
    assert all(1e-7 < v.resolution < v.worst_resolution < GROSS for v in second)
    assert second[0].inconclusive > 0.1 * second[0].probes  # simple and badly scaled numbers leave no digits here
    assert laws.precision == "float64"
    assert laws.resolution < 1e-12


@pytest.mark.parametrize(
    ("defect", "seen_by"),
    [
        ("a head is dropped backward", {"derivative", "hessian-symmetry"}),
        ("a factor 0.99", {"derivative"}),
        ("the keys get no gradient", {"derivative", "noether"}),
    ],
)
def test_what_is_broken_around_a_softmax_in_float32_is_falsified(defect: str, seen_by: set[str]):
    names = ["equivariance", "noether", "derivative", "hessian-symmetry"]
    found = searched(softmax_in_float32(defect), names)
    assert {v.property.name for v in found if v.outcome is Outcome.FALSIFIED} == seen_by
