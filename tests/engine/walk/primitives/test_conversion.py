"""From each type to each, by value and by bits."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import COMPLEX, FLOATS, TRUTH, WHOLE, bound, conforms, numbers

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
