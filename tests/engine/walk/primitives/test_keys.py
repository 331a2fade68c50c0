"""Random keys and bits: those of JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine.walk.primitives import RULES
from eqprop.engine.walk.unsupported import Unsupported
from tests.engine.walk.conformance import bound, conforms, numbers

pytestmark = pytest.mark.usefixtures("float64")

KEYS = 3


def walked(function, *rows):
    """The walk's result and JAX's, both as data, for some keys or numbers of a row."""
    (found,) = jax.make_jaxpr(function)(*rows).jaxpr.eqns
    held = [np.asarray(data(row))[..., None] for row in rows]
    return RULES[found.primitive.name](found)(*held)[..., 0], data(function(*rows))


def data(value):
    return jax.random.key_data(value) if jnp.issubdtype(value.dtype, jax.dtypes.prng_key) else value


def keys(shape=()):
    return jax.random.split(jax.random.key(7), shape) if shape else jax.random.key(7)


def implementation_of(key):
    """What makes keys, in the form that primitives have it."""
    dtype: Any = key.dtype
    return dtype._impl


@pytest.mark.parametrize("shape", [(), (KEYS,)], ids=str)
@pytest.mark.parametrize("width", [8, 16, 32, 64])
def test_bits_are_those_of_jax(width, shape):
    for size in ((), (5,), (2, 3), (0,)):
        bits = bound("random_bits", bit_width=width, shape=size)
        ours, theirs = walked(bits, keys(shape))
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(), (KEYS,)], ids=str)
def test_keys_of_keys_are_those_of_jax(shape):
    for ours, theirs in (
        walked(bound("random_split", shape=(4, 2)), keys(shape)),
        walked(bound("random_fold_in"), keys(shape), np.full(shape, 41, np.uint32)),
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
def test_keys_of_numbers_are_those_of_jax(dtype):
    implementation = implementation_of(keys())
    for number in (0, 41, np.iinfo(dtype).max, np.iinfo(dtype).min):
        ours, theirs = walked(bound("random_seed", impl=implementation), np.array(number, dtype))
        assert np.array_equal(ours, theirs)


def test_keys_and_their_data_are_the_same():
    implementation = implementation_of(keys())
    for ours, theirs in (
        walked(bound("random_wrap", impl=implementation), data(keys((KEYS,)))),
        walked(bound("random_unwrap"), keys((KEYS,))),
    ):
        assert np.array_equal(ours, theirs)


def test_the_hash_agrees_with_xla():
    conforms(bound("threefry2x32"), *(numbers(seed, np.uint32, (9, 3)) for seed in range(4)))


def test_keys_of_another_generator_are_left_to_jax():
    other = jax.random.key(3, impl="rbg")
    with pytest.raises(Unsupported, match="keys of another generator"):
        walked(bound("random_bits", bit_width=32, shape=()), other)
