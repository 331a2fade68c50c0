"""Programs as data: what is read again gives the same bits, with the same steps and the same errors."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from eqprop.engine.walk import NotKept, Walk, kept_program, written
from tests.engine.walk.both import ROWS, integers, signs, walked

pytestmark = pytest.mark.usefixtures("float64")

WEIGHTS = np.arange(12.0).reshape(3, 4)


@jax.custom_jvp
def scaled(x: Any) -> Any:
    return x * 3


scaled.defjvp(lambda primals, tangents: (scaled(primals[0]), 3 * tangents[0]))


@jax.custom_vjp
def squared(x: Any) -> Any:
    return x * x


squared.defvjp(lambda x: (squared(x), x), lambda x, w: (2 * x * w,))


def in_loops(x: Any) -> Any:
    summed = lax.scan(lambda c, row: (c + jnp.sin(row) * 2.0, c * 2.0), jnp.zeros(()), x)
    grown = lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, c[1] * 1.5), (0, x))
    return summed, grown, lax.fori_loop(0, 4, lambda i, c: c + i * x, x)


def in_branches(x: Any) -> Any:
    return lax.switch(jnp.int32(x[0]) % 3, [jnp.sin, jnp.cos, lambda y: y * 2.0], x)


def indexed(x: Any) -> Any:
    places = jnp.array([2, 0, 7])
    taken = x.at[places].get(mode="fill", fill_value=-1.0)
    twice = (x.at[places].get(mode="fill", fill_value=np.nan) for _ in range(2))
    added = (x.at[places].add(x, mode="drop") for _ in range(2))
    return taken, *twice, *added, x.at[places].add(x, mode="drop"), x[::-1], lax.dynamic_slice(x, (1,), (2,))


def convolved(x: Any) -> Any:
    return lax.conv_general_dilated(x[None, None], WEIGHTS[None, None, 0, :2], (1,), [(1, 1)])


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "numbers and arrays that it closes over": lambda x: (x * 2.0 + 2.0) @ WEIGHTS + jnp.asarray(np.float64(0.5)),
    "rules of derivatives": lambda x: (scaled(x), jax.grad(lambda y: jnp.sum(squared(scaled(y))))(x)),
    "loops": in_loops,
    "branches": in_branches,
    "places": indexed,
    "convolutions": convolved,
    "orders": lambda x: (jnp.sort(x), jnp.argsort(-x), lax.top_k(x, 2)),
    "types": lambda x: (x.astype(jnp.bfloat16) * 3, x.astype(jnp.int8) // 2, x > 0, x.astype(jnp.complex64) ** 2),
    "counts": lambda x: (jnp.arange(3) + x, jnp.cumsum(x), jnp.einsum("i,j->ij", x, x)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_read_is_walked_as_what_was_traced(name: str):
    x, table = integers(3), signs(ROWS)
    program = jax.make_jaxpr(PROGRAMS[name])(x[0])
    traced, read = Walk(program), Walk(kept_program(written(program)))
    assert (read.steps, read.by_jax, read.foreign) == (traced.steps, (), False)
    for noise in (None, table):
        for mine, theirs in zip(walked(read, x, signs=noise), walked(traced, x, signs=noise), strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)


def test_a_program_that_many_operations_hold_is_written_once_and_read_as_one():
    inner = jax.jit(lambda x: jnp.sin(x) * x + jnp.cos(x))
    kept = written(jax.make_jaxpr(lambda x: [inner(x + i) for i in range(20)])(np.ones(3)))
    assert zlib.decompress(kept).count(b'"sin"') == 1
    held = [equation.params["jaxpr"] for equation in kept_program(kept).eqns if "jaxpr" in equation.params]
    assert len(held) == 20
    assert len(set(map(id, held))) == 1


def test_it_is_data_that_any_process_writes_alike():
    first, second = (written(jax.make_jaxpr(partial(in_loops))(np.ones(3))) for _ in range(2))
    assert first == second


def called_back(x: Any) -> Any:
    return jax.pure_callback(np.sin, x, x)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (called_back, "a parameter of type"),
        (lambda x: x * jax.random.normal(jax.random.key(0)), "key<"),
        (lambda x: (jax.debug.print("{}", x), x)[1], "effects"),
    ],
    ids=["callbacks", "random keys", "effects"],
)
def test_what_is_no_data_is_refused_by_name(function: Callable[[Any], Any], why: str):
    program = jax.make_jaxpr(function)(np.ones(3))
    with pytest.raises(NotKept, match=why):
        written(program)
