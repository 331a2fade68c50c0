"""A function at rows where some of its arguments are others: as computed anew, and no more of it than must be."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import Again, Each, traced
from eqprop.engine.walk import Rerun, Unsupported

pytestmark = pytest.mark.usefixtures("float64")

ROWS = 4


def layers(p, x):
    for layer in p:
        x = jnp.tanh(x @ layer["up"]) @ layer["down"] + x
    return {"sum": x.sum(), "last": x}


def _drawn(depth=3):
    rng = np.random.default_rng(0)
    params = [
        {"up": rng.standard_normal((ROWS, 2, 5)), "down": rng.standard_normal((ROWS, 5, 2))} for _ in range(depth)
    ]
    return params, rng.standard_normal((ROWS, 3, 2))


def _traced(params, x):
    return traced(layers, *jax.tree.map(lambda leaf: leaf[0], (params, x)))


def test_results_are_those_of_the_function_at_each_row():
    params, x = _drawn()
    again = Again("layers", _traced(params, x), params, x)
    each = jax.tree.leaves(Each("layers", _traced(params, x))(params, x))
    for one, other in zip(again.results, each, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


@pytest.mark.parametrize("by_xla", [False, True])
def test_other_arguments_at_the_first_rows_several_times_give_what_they_would_give_alone(monkeypatch, by_xla):
    def refuse(*_):
        raise Unsupported

    if by_xla:
        monkeypatch.setattr("eqprop.engine.again.Rerun", refuse)
    params, x = _drawn()
    again = Again("layers", _traced(params, x), params, x)
    rng = np.random.default_rng(1)
    other = rng.standard_normal((6, 2, 5))
    found = again.changed({3: other}, 2)  # leaves are down, up of each layer, and x
    for time in range(3):
        changed = [dict(layer) for layer in params]
        changed[1]["up"] = np.concatenate([other[2 * time : 2 * time + 2], params[1]["up"][2:]])
        alone = jax.tree.leaves(Each("layers", _traced(params, x))(changed, x))
        for one, whole in zip(found, alone, strict=True):
            np.testing.assert_allclose(one[2 * time : 2 * time + 2], whole[:2], rtol=1e-13)


def test_what_comes_out_as_it_was_is_not_followed_any_further():
    params, x = _drawn(depth=20)
    flat = jax.tree.leaves((params, x))
    rerun = Rerun(_traced(params, x).jaxpr, [np.moveaxis(leaf, 0, -1) for leaf in flat])
    counted: list[str] = []
    rerun._emitted = tuple(replace(one, step=_counting(one.step, counted)) for one in rerun._emitted)
    negated = {place: np.moveaxis(-flat[place], 0, -1) for place in (0, 1)}
    after = rerun.changed(negated, ROWS)
    assert len(counted) == 3  # of the first layer, both products and what lies between them
    assert all(np.array_equal(one, before) for one, before in zip(after, rerun.results, strict=True))
    rerun.changed({0: negated[0]}, ROWS)
    assert len(counted) > 60


def _counting(step, counted):
    def counts(*operands):
        counted.append("")
        return step(*operands)

    return counts


def test_a_change_of_a_millionth_of_a_millionth_is_one():
    again = Again("sums", traced(lambda a, b: (a + b).sum(), np.ones(3), np.ones(3)), np.ones((1, 3)), np.ones((1, 3)))
    (before,) = again.results
    (after,) = again.changed({0: np.array([[1.0, 1.0, 1.0 + 1e-11]])}, 1)
    assert after[0] != before[0]
