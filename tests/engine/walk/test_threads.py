"""BLAS has one thread while anything is walked, and afterwards as many as it had before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from eqprop.engine import Walk
from eqprop.engine.walk.threads import one_blas_thread

pytestmark = pytest.mark.usefixtures("float64")

BLAS = ThreadpoolController().select(user_api="blas")


def threads() -> set[int]:
    return {library["num_threads"] for library in BLAS.info()}


@pytest.fixture(autouse=True)
def several():
    with BLAS.limit(limits=2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("BLAS has one thread whatever it is told, or is none that can be told")
        yield


def test_products_of_a_walk_are_taken_by_one_thread():
    seen: list[set[int]] = []
    program = jax.make_jaxpr(jnp.matmul)(np.ones((3, 4)), np.ones((4, 5)))
    walk = Walk(program, watcher=lambda equation, found: seen.append(threads()))
    walk([np.ones((3, 4, 2)), np.ones((4, 5, 2))])
    assert seen == [{1}]
    assert threads() == {2}


def test_a_walk_that_fails_gives_the_threads_back():
    def refused(*_: Any) -> None:
        msg = "refused"
        raise ArithmeticError(msg)

    walk = Walk(jax.make_jaxpr(jnp.sin)(1.0), watcher=refused)
    with pytest.raises(ArithmeticError, match="refused"):
        walk([np.ones(2)])
    assert threads() == {2}


def test_two_walks_at_a_time_give_the_threads_back():
    both_within, one_left = Barrier(2), Barrier(2)

    def first() -> None:
        with one_blas_thread():
            both_within.wait()
        one_left.wait()

    def second() -> None:
        with one_blas_thread():
            both_within.wait()
            one_left.wait()

    with ThreadPoolExecutor(2) as pool:
        for walk in (pool.submit(first), pool.submit(second)):
            walk.result(timeout=60)
        assert threads() == {2}
