"""Division, shifts and bits, where whole numbers have rules of their own."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_inexact
from eqprop.engine.walk.primitives.elementwise import plain
from eqprop.engine.walk.primitives.operand import Array, Rule, Step, dtype_of, require


def divide(equation: JaxprEqn) -> Step:
    """The quotient; of whole numbers towards zero, −1 (all bits) over a zero."""
    dtype = dtype_of(equation.invars[0])
    if is_inexact(dtype):
        return np.divide
    ones = np.array(-1).astype(dtype)

    def towards_zero(x: Array, y: Array) -> Array:
        return np.where(y == 0, ones, np.floor_divide(x - np.fmod(x, y), y))

    return towards_zero


def remainder(equation: JaxprEqn) -> Step:
    """What is left of a division towards zero, with the sign of x; of whole numbers, x over a zero."""
    if is_inexact(dtype_of(equation.invars[0])):
        return np.fmod
    return lambda x, y: np.where(y == 0, x, np.fmod(x, y))


def logical_right(equation: JaxprEqn) -> Step:
    """Zeros come in from the left, into negative numbers, too."""
    dtype = dtype_of(equation.invars[0])
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return lambda x, by: np.right_shift(x.view(unsigned), by.view(unsigned)).view(dtype)


def arithmetic_right(equation: JaxprEqn) -> Step:
    """Copies of the sign come in from the left; zeros where there is no sign."""
    dtype = dtype_of(equation.invars[0])
    if dtype.kind == "u":
        signed = np.dtype(f"i{dtype.itemsize}")
        return lambda x, by: np.right_shift(x.view(signed), by.view(signed)).view(dtype)
    return np.right_shift


def ones(equation: JaxprEqn) -> Step:
    """How many bits are one, negative numbers in two's complement."""
    dtype = dtype_of(equation.invars[0])
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return lambda x: np.bitwise_count(x.view(unsigned)).astype(dtype)


def leading_zeros(equation: JaxprEqn) -> Step:
    """How many bits are zero before the first one."""
    dtype = dtype_of(equation.invars[0])
    width = 8 * dtype.itemsize
    unsigned = np.dtype(f"u{dtype.itemsize}")

    def count(x: Array) -> Array:
        bits = x.view(unsigned)
        for shift in (1, 2, 4, 8, 16, 32):
            if shift < width:
                bits = bits | (bits >> unsigned.type(shift))
        return (width - np.bitwise_count(bits)).astype(dtype)

    return count


def high_product(equation: JaxprEqn) -> Step:
    """The upper half of a product of twice the width."""
    dtype = dtype_of(equation.invars[0])
    require(dtype.itemsize < 8, "mulhi of 64 bits")
    wide = np.dtype(f"{dtype.kind}{2 * dtype.itemsize}")
    shift = wide.type(8 * dtype.itemsize)
    return lambda x, y: (x.astype(wide) * y.astype(wide) >> shift).astype(dtype)


RULES: dict[str, Rule] = {
    "div": divide,
    "rem": remainder,
    "and": plain(np.bitwise_and),
    "or": plain(np.bitwise_or),
    "xor": plain(np.bitwise_xor),
    "not": plain(np.invert),
    "shift_left": plain(np.left_shift),
    "shift_right_logical": logical_right,
    "shift_right_arithmetic": arithmetic_right,
    "population_count": ones,
    "clz": leading_zeros,
    "mulhi": high_product,
}
