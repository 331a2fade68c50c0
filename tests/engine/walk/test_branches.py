"""Branches by the walk give what XLA gives, row by row, and run what some row takes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine.walk import primitives
from tests.engine.walk.both import assert_equal_to_the_bit, integers, walk_of, walked

pytestmark = pytest.mark.usefixtures("float64")


def of_two(x: Any) -> Any:
    return jax.lax.cond(x[0] > 0, lambda x: x + 1, lambda x: x * x, x)


def of_three(x: Any) -> Any:
    return jax.lax.switch(x[0].astype(int), [lambda x: (x, x), lambda x: (2 * x, x + 1), lambda x: (-x, x * x)], x)


def inside_a_loop(x: Any) -> Any:
    return jax.lax.scan(lambda c, row: (jax.lax.cond(row > 0, lambda c: c + x, lambda c: c - row, c), row), x, x)


def derived(x: Any) -> Any:
    return jax.grad(lambda x: jnp.sum(of_two(x) ** 2))(x)


def by_platform(x: Any) -> Any:
    return jax.lax.platform_dependent(x, cpu=lambda x: x + 1, default=lambda x: x - 1)


@pytest.mark.parametrize("branches", [of_two, of_three, inside_a_loop, derived, by_platform], ids=lambda f: f.__name__)
def test_branches_give_what_xla_gives_to_the_bit(branches: Any):
    assert_equal_to_the_bit(branches, integers(4))


@pytest.mark.parametrize("first", [-7.0, 7.0])
def test_an_index_out_of_range_is_taken_as_xla_takes_it(first: float):
    x = integers(4)
    x[:, 0] = first
    assert_equal_to_the_bit(of_three, x)


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Notes each time that a primitive is computed."""
    calls: list[str] = []
    rule = primitives.RULES[name]

    def noting(equation: Any) -> Any:
        step = rule(equation)

        def noted(*arrays: Any) -> Any:
            calls.append(name)
            return step(*arrays)

        return noted

    monkeypatch.setitem(primitives.RULES, name, noting)
    return calls


@pytest.mark.parametrize(("first", "runs"), [([1.0] * 6, 0), ([-1.0] * 6, 1), ([1.0, -1.0] * 3, 1)])
def test_a_branch_that_no_row_takes_is_not_run(monkeypatch: pytest.MonkeyPatch, first: list[float], runs: int):
    calls = counted(monkeypatch, "cos")
    x = integers(4)
    x[:, 0] = first

    def function(x: Any) -> Any:
        wave = x * 2
        return jax.lax.cond(x[0] > 0, lambda: x, lambda: jnp.cos(wave))

    walk = walk_of(function, x)
    walked(walk, x)
    assert len(calls) == runs


def test_what_both_branches_and_the_outside_compute_is_computed_once_outside(monkeypatch: pytest.MonkeyPatch):
    calls = counted(monkeypatch, "sin")
    x = integers(4)

    def function(x: Any) -> Any:
        return jnp.sin(x) + jax.lax.cond(x[0] > 0, lambda: jnp.sin(x), lambda: 2 * jnp.sin(x))

    walked(walk_of(function, x), x)
    assert len(calls) == 1


def test_what_one_branch_computes_is_not_known_to_the_other(monkeypatch: pytest.MonkeyPatch):
    calls = counted(monkeypatch, "sin")
    x = integers(4)
    x[:, 0] = [1, -1] * 3
    walk = walk_of(lambda x: jax.lax.cond(x[0] > 0, lambda: jnp.sin(x), lambda: 2 * jnp.sin(x)), x)
    (found,) = walked(walk, x)
    assert len(calls) == 2
    np.testing.assert_array_equal(found, np.sin(x) * np.where(x[:, :1] > 0, 1, 2))
