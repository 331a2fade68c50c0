"""Loops by the walk give what XLA gives, row by row."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.engine.walk.both import assert_equal_to_the_bit, integers, walk_of, walked

pytestmark = pytest.mark.usefixtures("float64")


def carries_and_stacks(x: Any) -> Any:
    return jax.lax.scan(lambda c, row: (c + row, c * row), x[0], x)


def backwards(x: Any) -> Any:
    return jax.lax.scan(lambda c, row: (c - 2 * row, (c, row)), x[0], x, reverse=True)


def no_round_at_all(x: Any) -> Any:
    return jax.lax.scan(lambda c, row: (c + row, c * row), x[0], x[:0])


def nothing_but_stacked(x: Any) -> Any:
    return jax.lax.scan(lambda c, row: (c, row * 2 + x[1]), None, x)[1]


def the_same_in_all_rows(x: Any) -> Any:
    table = jax.lax.scan(lambda c, _: (2 * c, c), jnp.ones(3), None, length=4)[1]
    return table, x[0] + table[2]


def a_round_s_number(x: Any) -> Any:
    return jax.lax.fori_loop(0, 5, lambda i, y: y + i * x, x)


def one_in_another(x: Any) -> Any:
    def outer(c: Any, row: Any) -> Any:
        return jax.lax.fori_loop(0, 3, lambda i, y: y + c[i] * row, x[0]), c

    return jax.lax.scan(outer, x[0], x)


def derived_in_reverse(x: Any) -> Any:
    return jax.grad(lambda x: jnp.sum(carries_and_stacks(x)[1] ** 2))(x)


def derived_twice(x: Any) -> Any:
    return jax.jvp(derived_in_reverse, (x,), (x + 1,))[1]


def without_a_known_end(x: Any) -> Any:
    return jax.lax.while_loop(lambda s: jnp.sum(s[0]) < 100, lambda s: (s[0] * s[0] + 1, s[1] + 1), (x, 0))


def never_begun(x: Any) -> Any:
    return jax.lax.while_loop(lambda s: s[1] < 0, lambda s: (s[0] / 0, s[1] + 1), (x, 0))


def a_condition_on_what_is_not_wanted(x: Any) -> Any:
    return jax.lax.while_loop(lambda s: s[1] < 4, lambda s: (s[0] + x, s[1] + 1), (x, 0))[0]


def of_each_entry(x: Any) -> Any:
    """As long as the condition of one of them holds, all go on: with as many entries as numbers in each, and within."""

    def grown(v: Any) -> Any:
        return jax.lax.while_loop(lambda s: jnp.sum(s[0]) < 100, lambda s: (s[0] * s[0] + 1, s[1] + 1), (v, 0))

    square = jnp.stack([x[0], x[1] + 9, x[2] - 2])
    return jax.vmap(grown)(square), jax.vmap(jax.vmap(grown))(jnp.stack([square, square + 3]))


LOOPS = (
    carries_and_stacks, backwards, no_round_at_all, nothing_but_stacked, the_same_in_all_rows, a_round_s_number,
    one_in_another, derived_in_reverse, derived_twice, without_a_known_end, never_begun,
    a_condition_on_what_is_not_wanted, of_each_entry,
)  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_a_loop_gives_what_xla_gives_to_the_bit(loop: Any):
    assert_equal_to_the_bit(loop, integers(4, 4) if loop is one_in_another else integers(5, 3))


def test_rows_that_are_done_keep_what_they_have_while_others_go_on():
    def halved(x: Any) -> Any:
        return jax.lax.while_loop(lambda s: s[0] > 1, lambda s: (s[0] / 2, s[1] + 1), (x, 0))

    numbers = np.array([1.0, 2.0, 64.0, np.inf, np.nan, 8.0])[[0, 1, 2, 5, 4, 1]]
    _, rounds = walked(walk_of(halved, numbers), numbers)
    assert rounds.tolist() == [0, 1, 6, 3, 0, 1]
    assert_equal_to_the_bit(halved, numbers)


def test_what_does_not_depend_on_the_round_is_computed_before_the_loop():
    def inside(x: Any) -> Any:
        return jax.lax.scan(lambda c, row: (c + x[0] / 4 * row, None), x[0], x)[0]

    def before(x: Any) -> Any:
        wave = x[0] / 4
        return jax.lax.scan(lambda c, row: (c + wave * row, None), x[0], x)[0]

    x = integers(5, 3)
    assert walk_of(inside, x).steps == walk_of(before, x).steps
    assert_equal_to_the_bit(inside, x)


def test_what_nobody_reads_leaves_a_loop_and_what_is_carried_for_it_too():
    def with_more(x: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            kept, unread, read_by_it = carry
            return (kept + row, jnp.cos(unread) + read_by_it, read_by_it * 2), jnp.exp(unread)

        return jax.lax.scan(step, (x[0], x[1], x[2]), x)[0][0]

    def plain(x: Any) -> Any:
        return jax.lax.scan(lambda c, row: (c + row, None), x[0], x)[0]

    x = integers(5, 3)
    assert walk_of(with_more, x).steps == walk_of(plain, x).steps
    assert_equal_to_the_bit(with_more, x)
