"""Callbacks by the walk: a plain call for each row, in the types that the program has."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.errors import InvalidInput
from tests.engine.walk.both import integers, walk_of, walked

pytestmark = pytest.mark.usefixtures("float64")


def test_a_callback_gets_float64_and_its_float64_is_taken():
    seen: list[Any] = []

    def sine(x: Any) -> Any:
        seen.append((x.dtype, x.shape, isinstance(x, jax.Array)))
        return np.sin(x)

    x = integers(400, 4)  # XLA would still be computing its argument, and call back from a thread of its own
    walk = walk_of(lambda x: jax.pure_callback(sine, jax.ShapeDtypeStruct((4,), x.dtype), (x.T @ x)[0]), x)
    (found,) = walked(walk, x)
    np.testing.assert_array_equal(found, np.sin(np.einsum("bji,bjk->bik", x, x)[:, 0]))
    assert seen == [(np.float64, (4,), True)] * len(x)


def test_a_callback_whose_rows_are_all_the_same_is_called_once():
    calls: list[Any] = []

    def doubled(x: Any) -> Any:
        calls.append(x)
        return 2 * np.asarray(x)

    x = integers(3)
    walk = walk_of(lambda x: x + jax.pure_callback(doubled, jax.ShapeDtypeStruct((3,), x.dtype), jnp.arange(3.0)), x)
    np.testing.assert_array_equal(walked(walk, x)[0], x + 2 * np.arange(3.0))
    assert len(calls) == 1


def test_a_callback_of_trees_and_of_no_operands_is_called():
    kinds = {"a": jax.ShapeDtypeStruct((2,), np.int32), "b": jax.ShapeDtypeStruct((), np.float64)}
    x = integers(3)

    def function(x: Any) -> Any:
        found = jax.pure_callback(lambda: {"a": np.array([1, 2], np.int32), "b": np.float64(3)}, kinds)
        return found["a"], found["b"] * x

    ints, floats = walked(walk_of(function, x), x)
    assert ints.dtype == np.int32
    np.testing.assert_array_equal(floats, 3 * x)


def test_a_callback_of_a_number_is_given_a_number():
    x = integers(3, 1)
    walk = walk_of(lambda x: jax.pure_callback(np.square, jax.ShapeDtypeStruct((), x.dtype), x[0, 0]), x)
    np.testing.assert_array_equal(walked(walk, x)[0], x[:, 0, 0] ** 2)


@pytest.mark.parametrize("given", [np.float32(1), np.zeros(2)])
def test_a_callback_that_breaks_its_promise_is_refused(given: Any):
    x = integers(3)
    walk = walk_of(lambda x: jax.pure_callback(lambda _: given, jax.ShapeDtypeStruct((), np.float64), x), x)
    with pytest.raises(InvalidInput, match=r"a callback gave float.*; its result_shape_dtypes promise float64\[\]"):
        walked(walk, x)


def test_what_a_callback_raises_is_raised():
    def refuses(x: Any) -> Any:
        msg = "no such number"
        raise ValueError(msg)

    x = integers(3)
    walk = walk_of(lambda x: jax.pure_callback(refuses, jax.ShapeDtypeStruct((), x.dtype), x), x)
    with pytest.raises(ValueError, match="no such number"):
        walked(walk, x)
