"""Random rounding by the walk: whose numbers it moves and whose not, and that errors are a row's own."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine.walk import TABLE, noise
from tests.engine.walk.both import ROWS, integers, signs, walk_of, walked

pytestmark = pytest.mark.usefixtures("float64")


def rounding(x: Any) -> Any:
    y = jax.lax.fori_loop(0, 3, lambda i, y: jnp.sin(y) * x + i, x)
    z = jax.lax.while_loop(lambda z: jnp.sum(z) > 1, lambda z: z / 3, x)
    return jnp.tanh(y) / 3, jax.lax.cond(x[0] > 0, jnp.exp, jnp.cos, z), jnp.sqrt(2 * x * x) * x


def test_random_rounding_leaves_rows_without_signs_exact_and_moves_the_others():
    x = integers(3) / 7
    walk = walk_of(rounding, x)
    for plain, noisy in zip(walked(walk, x), walked(walk, x, signs=signs(ROWS)), strict=True):
        np.testing.assert_array_equal(plain[0], noisy[0])
        assert (plain[1:] != noisy[1:]).mean() > 0.5
        np.testing.assert_array_less(np.abs(plain - noisy), 1e-14)  # some tens of roundings of numbers below 10


def test_rows_may_share_their_signs():
    x, table = integers(3) / 7, signs(ROWS)
    walk, pairs = walk_of(rounding, x), np.repeat(np.arange(ROWS), 2)
    apart = walked(walk, x[pairs], signs=table[:, pairs])
    for one, other in zip(apart, walked(walk, x[pairs], signs=table), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_round_is_not_moved():
    x = integers(3) / 7
    walk = walk_of(lambda x: (jnp.max(-x), jnp.sort(x), x[::-1][1:], x > 0), x)
    for plain, noisy in zip(walked(walk, x), walked(walk, x, signs=signs(ROWS)), strict=True):
        np.testing.assert_array_equal(plain, noisy)


def test_errors_of_the_same_row_are_the_same_whatever_other_rows_there_are():
    x, table = integers(3) / 7, signs(ROWS)
    walk = walk_of(rounding, x)
    together = walked(walk, x, signs=table)
    alone = walked(walk, x[2:3], signs=table[:, 2:3])
    for many, one in zip(together, alone, strict=True):
        np.testing.assert_array_equal(many[2], one[0])


def test_a_round_of_a_loop_has_errors_of_its_own():
    x = np.ones((ROWS, 1))
    walk = walk_of(lambda x: jax.lax.scan(lambda c, _: (-c, jnp.abs(c) / 3), x, None, length=8)[1], x)
    (found,) = walked(walk, x, signs=signs(ROWS))
    assert len(np.unique(found[1])) == 2


def test_a_result_larger_than_the_table_is_moved_throughout():
    x = np.ones((2, 200_000))
    (found,) = walked(walk_of(lambda x: x * 3, x), x, signs=np.ones((TABLE, 2)))
    assert (found == 3 * (1 + np.finfo(np.float64).eps)).all()


def test_a_factor_for_each_row_errs_as_one_for_many_does(monkeypatch: pytest.MonkeyPatch):
    x, table = integers(3) / 7, signs(ROWS // 2)
    wide = walked(walk_of(rounding, x), x, signs=table)
    monkeypatch.setattr(noise, "WIDE", 0)
    for one, other in zip(wide, walked(walk_of(rounding, x), x, signs=table), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("ahead", [False, True])
def test_nothing_and_rows_that_all_are_exact_have_no_errors(ahead: bool):
    x = integers(3) / 7
    walk = walk_of(lambda x: (x[:0] * 3, x * 3), x, ahead=ahead)
    for table in (np.zeros((TABLE, 1)), signs(ROWS), signs(ROWS // 2)):
        none, some = walked(walk, x, signs=table)
        assert none.shape == (ROWS, 0)
        np.testing.assert_array_equal(some[0], 3 * x[0])


def test_walking_once_more_with_other_signs_is_like_walking_first_with_them():
    x = integers(3) / 7
    walk = walk_of(rounding, x)
    walked(walk, x, signs=signs(ROWS))
    for again, fresh in zip(
        walked(walk, x, signs=signs(ROWS, seed=1)),
        walked(walk_of(rounding, x), x, signs=signs(ROWS, seed=1)),
        strict=True,
    ):
        np.testing.assert_array_equal(again, fresh)
