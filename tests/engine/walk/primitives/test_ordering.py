"""Sorting, with ties, NaN and zeros of both signs."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import conforms, numbers

pytestmark = pytest.mark.usefixtures("float64")

DTYPES = (np.float64, jnp.bfloat16, np.int32, np.complex64, np.bool_)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sorting_agrees_with_xla(dtype):
    x, y = numbers(1, dtype, (2, 30, 3)), numbers(2, np.int32, (2, 30, 1))
    conforms(lambda x: lax.sort(x, dimension=0), x)
    conforms(lambda x, y: lax.sort((x, y), dimension=1, num_keys=1), x, y)
    conforms(lambda y, x: lax.sort((y, x), dimension=1, num_keys=2), y, x)
    z = numbers(3, np.float64, (2, 30, 3))
    conforms(lambda y, x, z: lax.sort((y, x, z), dimension=1, num_keys=2), y, x, z)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d is not np.complex64])
def test_the_largest_agree_with_xla(dtype):
    conforms(lambda x: lax.top_k(x, 4), numbers(1, dtype, (3, 30, 3)))
    conforms(lambda x: lax.top_k(x, 0), numbers(1, dtype, (3, 3, 3)))


def test_zeros_and_nan_of_both_signs_have_their_places():
    x = np.array([0.0, -0.0, np.nan, -np.nan, 1, 0.0, -0.0, -np.inf])[:, None]
    conforms(lambda x: lax.top_k(x, 8), x)
    conforms(lax.sort, x)
