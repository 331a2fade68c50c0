"""Rows that lie as wholes in memory, as those of large models do, give the same bits and the same errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine.walk import noise
from tests.engine.walk.both import ROWS, signs, walk_of, walked

pytestmark = pytest.mark.usefixtures("float64")


def layers(w: Any, x: Any) -> Any:
    """A little of what large models do: products, sums of more than a block, broadcasts, gathers, transposes, loops."""
    h = jnp.tanh(x @ w) * jnp.sum(w, axis=0, keepdims=True) + jnp.sum(w)
    h = jax.nn.softmax(h @ w.T) / jnp.max(h) + jnp.mean(h**2, axis=1, keepdims=True)
    turned = jax.lax.scan(lambda c, row: (c + row, jnp.outer(row, c)), x[0], w.T[:, : x.shape[1]])[1]
    return h, turned[:, ::2], w[jnp.array([3, 1, 2])] @ w.T, jnp.concatenate([w, w.T.reshape(w.shape) / 3]), h.ravel()


@pytest.mark.parametrize("shared", [1, 2])
def test_rows_as_wholes_in_memory_give_the_same_bits(shared: int):
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((ROWS, 40, 72)), rng.standard_normal((ROWS, 5, 40))
    table = signs(ROWS // shared)
    apart = walked(walk_of(layers, w, x), w, x, signs=table)
    whole = walked(walk_of(layers, w, x, ahead=True), w, x, signs=table)
    for one, other in zip(apart, whole, strict=True):
        assert one.tobytes() == other.tobytes()


def test_rows_stay_wholes_in_memory():
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((ROWS, 40, 72)), rng.standard_normal((ROWS, 5, 40))
    walk = walk_of(layers, w, x, ahead=True)
    for result in walk([np.moveaxis(w, 0, -1), np.moveaxis(x, 0, -1)]):
        assert result.strides[-1] == max(result.strides)


def test_a_large_result_has_the_same_errors_in_either_layout():
    x = np.random.default_rng(0).standard_normal((ROWS, 70_000))
    for table in (signs(ROWS), signs(ROWS // 2)):
        one, other = (
            walked(walk_of(lambda x: x * 3, x, ahead=ahead), x, signs=table)[0].tobytes() for ahead in (False, True)
        )
        assert one == other


@pytest.mark.parametrize("ahead", [False, True])
def test_a_large_result_has_the_same_errors_in_its_own_place_as_in_a_new_array(
    ahead: bool, monkeypatch: pytest.MonkeyPatch
):
    x, table = np.random.default_rng(0).standard_normal((ROWS, 140_001)), signs(ROWS)
    in_place = walked(walk_of(lambda x: x * 3, x, ahead=ahead), x, signs=table)[0]
    monkeypatch.setattr(noise, "FRESH", frozenset())
    anew = walked(walk_of(lambda x: x * 3, x, ahead=ahead), x, signs=table)[0]
    assert in_place.tobytes() == anew.tobytes()
    np.testing.assert_array_equal(in_place[0], 3 * x[0])


@pytest.mark.parametrize("shape", [(70_001,), (20_003, 2), (70, 0), (64,)])
def test_sums_that_do_not_fit_into_a_cache_are_the_same_in_either_layout(shape: tuple[int, ...]):
    x = np.random.default_rng(0).standard_normal((ROWS, *shape))
    one, other = (walked(walk_of(lambda x: jnp.sum(x, 0), x, ahead=ahead), x)[0].tobytes() for ahead in (False, True))
    assert one == other


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_sums_of_zeros_have_the_same_sign_in_either_layout(axes: tuple[int, ...]):
    x = np.full((ROWS, 70, 3), -0.0)
    one, other = (
        walked(walk_of(lambda x: jnp.sum(x, axes), x, ahead=ahead), x)[0].tobytes() for ahead in (False, True)
    )
    assert one == other
