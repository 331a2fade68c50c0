"""A walk ends at the moment that it is to end at, and only then."""

from __future__ import annotations

import time
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import OutOfTime, expect_time_left, seconds_left, until
from eqprop.engine.walk import Walk

pytestmark = pytest.mark.usefixtures("float64")

X = np.ones((3, 1))


def endless(x):
    return jax.lax.while_loop(lambda x: jnp.sum(x) > 0, lambda x: jnp.cos(x) ** 2 + 1, x)


def scanned(x):
    return jax.lax.scan(lambda x, _: (jnp.sin(x), None), x, None, length=3)[0]


def long(x):
    for _ in range(200):
        x = jnp.sin(x)
    return x


def walk(f):
    return Walk(jax.make_jaxpr(f)(X[:, 0]))


def test_without_a_moment_there_is_time():
    expect_time_left()
    assert seconds_left() is None


def test_a_loop_without_end_is_ended():
    with until(time.monotonic() + 0.2), pytest.raises(OutOfTime, match="out of time"):
        walk(endless)([X])


@pytest.mark.parametrize("f", [scanned, long])
def test_what_is_begun_after_the_moment_is_ended(f):
    with until(time.monotonic() - 1), pytest.raises(OutOfTime, match="out of time"):
        walk(f)([X])


@pytest.mark.parametrize("f", [scanned, long])
def test_a_walk_that_was_ended_can_be_walked_again(f):
    again = walk(f)
    with until(time.monotonic() - 1), pytest.raises(OutOfTime, match="out of time"):
        again([X])
    np.testing.assert_array_equal(again([X])[0], walk(f)([X])[0])


def test_who_catches_what_a_model_raises_lets_it_pass():
    assert not issubclass(OutOfTime, Exception)


def test_moments_within_moments_end_with_them():
    with until(time.monotonic() - 1):
        with until(inf):
            expect_time_left()
        assert seconds_left() == 0
        with pytest.raises(OutOfTime, match="out of time"):
            expect_time_left()
