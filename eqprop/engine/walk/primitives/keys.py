"""Random keys and bits, for JAX's own generator Threefry-2x32 (Salmon et al. 2011); others are left to JAX.

A key is held as its two words, on an axis in front of that of the rows.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.jaxprs import Typed, aval_of
from eqprop.engine.walk.primitives.moving import identity
from eqprop.engine.walk.primitives.operand import Array, DType, Rule, Step, dtype_of, is_key, require

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)


def threefry(key1: Array, key2: Array, count1: Array, count2: Array) -> tuple[Array, Array]:
    """Twenty rounds on two words of 32 bits."""
    keys = (key1, key2, key1 ^ key2 ^ PARITY)
    shape = np.broadcast_shapes(key1.shape, count1.shape)
    x = np.add(count1, key1, out=np.empty(shape, np.uint32))
    y = np.add(count2, key2, out=np.empty(shape, np.uint32))
    low, high = np.empty_like(y), np.empty_like(y)
    for number in range(5):
        for by in ROTATIONS[number % 2]:
            np.add(x, y, out=x)
            np.left_shift(y, np.uint32(by), out=high)
            np.right_shift(y, np.uint32(32 - by), out=low)
            np.bitwise_or(high, low, out=y)
            np.bitwise_xor(x, y, out=y)
        np.add(x, keys[(number + 1) % 3], out=x)
        np.add(y, keys[(number + 2) % 3] + np.uint32(number + 1), out=y)
    return x, y


def counts(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """0, 1, 2, … over a shape, row-major, as upper and lower words, with one row."""
    number = np.arange(math.prod(shape), dtype=np.uint64).reshape((*shape, 1))
    return (number >> np.uint64(32)).astype(np.uint32), number.astype(np.uint32)


def _known(equation: JaxprEqn, variable: Typed) -> None:
    """Leave other generators, and the older way of counting, to JAX."""
    require(is_key(variable) and variable.aval.dtype._impl.name == "threefry2x32", "keys of another generator")  # noqa: SLF001
    require(bool(jax.config.values["jax_threefry_partitionable"]), f"{equation.primitive} without partitions")


def _hashed(equation: JaxprEqn, shape: tuple[int, ...]) -> Step:
    """Both words for each key and each count of a shape: keys + shape + rows."""
    _known(equation, equation.invars[0])
    upper, lower = counts(shape)
    spread = (Ellipsis, *(None,) * len(shape), slice(None))

    def bits(keys: Array) -> tuple[Array, Array]:
        return threefry(keys[..., 0, :][spread], keys[..., 1, :][spread], upper, lower)

    return bits


def random_bits(equation: JaxprEqn) -> Step:
    """Bits of some width."""
    width, dtype = equation.params["bit_width"], dtype_of(equation.outvars[0])
    require(width in (8, 16, 32, 64), f"random_bits of width {width}")
    hashed = _hashed(equation, tuple(equation.params["shape"]))

    def bits(keys: Array) -> Array:
        upper, lower = hashed(keys)
        if width == 64:
            return (upper.astype(dtype) << np.uint64(32)) | lower
        return (upper ^ lower).astype(dtype)

    return bits


def random_split(equation: JaxprEqn) -> Step:
    """Keys from each key."""
    hashed = _hashed(equation, tuple(equation.params["shape"]))
    return lambda keys: np.stack(hashed(keys), axis=-2)


def _seed(dtype: DType) -> Step:
    """A whole number as both words of a key: words + rows behind its own axes."""
    wide = np.dtype(f"u{dtype.itemsize}")

    def words(number: Array) -> tuple[Array, Array]:
        bits = number.astype(wide)
        upper = (bits >> wide.type(32)).astype(np.uint32) if dtype.itemsize == 8 else np.zeros(bits.shape, np.uint32)
        return upper, bits.astype(np.uint32)

    return words


def random_seed(equation: JaxprEqn) -> Step:
    """Keys from whole numbers."""
    _known(equation, equation.outvars[0])
    words = _seed(dtype_of(equation.invars[0]))
    return lambda number: np.stack(words(number), axis=-2)


def random_fold_in(equation: JaxprEqn) -> Step:
    """Keys from keys and whole numbers of 32 bits."""
    keys, numbers = equation.invars
    _known(equation, keys)
    require(aval_of(keys).shape == aval_of(numbers).shape, "random_fold_in of several numbers into a key")

    def fold(key: Array, number: Array) -> Array:
        low = number.astype(np.uint32)
        return np.stack(threefry(key[..., 0, :], key[..., 1, :], np.zeros_like(low), low), axis=-2)

    return fold


def random_wrap(equation: JaxprEqn) -> Step:
    """Key data as keys, which are held as their data."""
    require(is_key(equation.outvars[0]), "random_wrap")
    return identity(equation)


def threefry2x32(equation: JaxprEqn) -> Step:
    """The hash itself."""
    require(all(dtype_of(v) == np.uint32 for v in equation.invars), "threefry2x32 of other words")
    return threefry


def iota_2x32_shape(equation: JaxprEqn) -> Step:
    """Counts as upper and lower words."""
    found = counts(tuple(equation.params["shape"]))
    return lambda: found


RULES: dict[str, Rule] = {
    "threefry2x32": threefry2x32,
    "iota_2x32_shape": iota_2x32_shape,
    "random_bits": random_bits,
    "random_split": random_split,
    "random_seed": random_seed,
    "random_fold_in": random_fold_in,
    "random_wrap": random_wrap,
    "random_unwrap": identity,
    "random_clone": identity,
}
