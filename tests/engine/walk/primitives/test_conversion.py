"""From each type to each, by value and by bits."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from eqprop.engine.walk.primitives import RULES
from tests.engine.walk.conformance import (
    COMPLEX,
    FLOATS,
    TRUTH,
    WHOLE,
    bound,
    compiled,
    conforms,
    equation,
    numbers,
)

pytestmark = pytest.mark.usefixtures("float64")

TINY = tuple(np.dtype(t) for t in (jnp.float8_e4m3fn, jnp.float8_e5m2))
EDGES = np.array(
    [
        *(
            0.0,
            -0.0,
            0.5,
            -0.5,
            1.5,
            2.5,
            np.inf,
            -np.inf,
            np.nan,
            127.5,
            255.9,
            -129,
            300.7,
            65519,
            65520,
            1e30,
            -1e30,
        ),
        *(2.0**31 - 1, 2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 1 + 2**-8 + 2**-40, 1e-5, 3.5e38),
    ]
)


def converted(dtype):
    return bound("convert_element_type", new_dtype=np.dtype(dtype), weak_type=False, sharding=None)


def edges(dtype):
    with np.errstate(all="ignore"):
        return EDGES.astype(dtype)


@pytest.mark.parametrize("target", [*FLOATS, *TINY, *WHOLE, TRUTH, COMPLEX[0]], ids=str)
@pytest.mark.parametrize("source", [*FLOATS, *TINY], ids=str)
def test_floats_become_other_numbers_as_by_xla(source, target):
    if source != target and not (source in TINY and target not in FLOATS):
        conforms(converted(target), edges(source)[:, None])


@pytest.mark.parametrize("target", [*FLOATS, *WHOLE, TRUTH], ids=str)
@pytest.mark.parametrize("source", [*WHOLE, TRUTH], ids=str)
def test_whole_numbers_become_other_numbers_as_by_xla(source, target):
    if source != target:
        conforms(converted(target), numbers(1, source, (50, 2)))


TIES = {np.dtype(np.float16): 2.0**-11, np.dtype(jnp.bfloat16): 2.0**-8, TINY[0]: 2.0**-4, TINY[1]: 2.0**-3}
"""Half of what is from 1 to the next number."""


def near_ties(target, distance):
    ties = np.array([1 + TIES[target], 1 + 3 * TIES[target], 4 + 4 * TIES[target]])
    near = np.concatenate([ties + distance, ties - distance])
    return np.concatenate([near, -near])[:, None]


@pytest.mark.parametrize("distance", [0, 2.0**-20, 2.0**-40], ids=["at", "2^-20 from", "2^-40 from"])
@pytest.mark.parametrize("target", list(TIES)[1:], ids=str)
def test_floats_near_a_tie_are_rounded_as_often_as_by_xla(target, distance):
    conforms(converted(target), near_ties(target, distance))


def test_floats_near_a_tie_of_float16_are_rounded_twice_where_xla_leaves_it_to_the_processor():
    near, target = near_ties(np.dtype(np.float16), 2.0**-40), np.float16
    walked = RULES["convert_element_type"](equation(converted(target), near))(near)
    once, twice = near.astype(target), near.astype(np.float32).astype(target)
    assert np.array_equal(walked, twice)
    assert any(np.array_equal(*compiled(converted(target), near), expected) for expected in (once, twice))
    assert not np.array_equal(once, twice)


@pytest.mark.parametrize("target", [np.float16, jnp.bfloat16])
@pytest.mark.parametrize("source", ["i4", "u4", "i8", "u8"])
def test_whole_numbers_near_a_tie_are_rounded_as_often_as_by_xla(source, target):
    largest = 8 * np.dtype(source).itemsize - 2
    near = [2**n + 2 ** (n - 8) * odd + least for n in range(9, largest) for odd in (1, 3) for least in (-1, 0, 1)]
    conforms(converted(target), np.array(near, source)[:, None])


def test_complex_numbers_lose_their_imaginary_part():
    conforms(converted(np.float32), numbers(1, np.complex128, (50, 2)))
    conforms(converted(np.complex64), numbers(1, np.complex128, (50, 2)))


@pytest.mark.parametrize(
    ("source", "target"),
    [(np.float64, np.int64), (np.float64, np.uint32), (np.float32, np.uint8), (jnp.bfloat16, np.uint16)],
)
def test_bits_are_read_as_other_numbers_there_and_back(source, target):
    x = numbers(1, source, (4, 3, 5))
    conforms(lambda x: lax.bitcast_convert_type(x, target), x)
    parts = np.dtype(source).itemsize // np.dtype(target).itemsize
    bits = numbers(2, target, (4, *([parts] if parts > 1 else []), 5))
    if source == np.float64:
        conforms(lambda x: lax.bitcast_convert_type(x, source), bits)


@pytest.mark.parametrize("bits", [(5, 10), (8, 7), (8, 23), (11, 52), (4, 3), (5, 2), (3, 1), (2, 1)], ids=str)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_numbers_of_fewer_bits_agree_with_xla(dtype, bits):
    x = np.concatenate([numbers(1, dtype, (60,)), edges(dtype)])[:, None]
    conforms(lambda x: lax.reduce_precision(x, *bits), x)
