"""Arithmetic and comparisons, entry by entry."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex, is_inexact
from eqprop.engine.trees import Tree
from eqprop.engine.walk.primitives.operand import Array, DType, Rule, Step, dtype_of, require


def plain(step: Step) -> Rule:
    """The same step whatever the parameters."""
    return lambda _: step


def sign(equation: JaxprEqn) -> Step:
    """−1, 0 or 1; of a zero its own sign, which NumPy drops."""
    if not is_inexact(dtype_of(equation.invars[0])) or is_complex(dtype_of(equation.invars[0])):
        return np.sign
    return lambda x: np.copysign(np.sign(x), x)


def rounded(equation: JaxprEqn) -> Step:
    """To the nearest integer, halves to even ones or away from zero."""
    method = equation.params["rounding_method"].name
    if method == "TO_NEAREST_EVEN":
        return np.rint
    require(method == "AWAY_FROM_ZERO", f"round {method}")

    def away(x: Array) -> Array:
        whole = np.trunc(x)
        return whole + np.copysign((np.abs(x - whole) >= 0.5).astype(x.dtype), x)

    return away


def complex_product(x: Array, y: Array) -> Array:
    """Of complex numbers by their parts: how NumPy's own product rounds depends on where in memory numbers lie."""
    real = x.real * y.real - x.imag * y.imag
    result = np.empty_like(real, x.dtype)
    result.real = real
    result.imag = x.real * y.imag + x.imag * y.real
    return result


def product_for(dtype: DType) -> Step:
    """The product of two arrays of a type."""
    return complex_product if is_complex(dtype) else np.multiply


def product(equation: JaxprEqn) -> Step:
    """x y."""
    return product_for(dtype_of(equation.invars[0]))


def square(equation: JaxprEqn) -> Step:
    """x²."""
    return (lambda x: complex_product(x, x)) if is_complex(dtype_of(equation.invars[0])) else np.square


def size(equation: JaxprEqn) -> Step:
    """|x|."""
    return (lambda x: np.hypot(x.real, x.imag)) if is_complex(dtype_of(equation.invars[0])) else np.abs


def integer_power(equation: JaxprEqn) -> Step:
    """By squaring and multiplying in the order of JAX, so that it rounds alike; a negative one by one division."""
    exponent, multiply = abs(equation.params["y"]), product_for(dtype_of(equation.invars[0]))

    def power(x: Array) -> Array:
        result, rest = None, exponent
        while rest:
            if rest & 1:
                result = x if result is None else multiply(result, x)
            rest >>= 1
            if rest:
                x = multiply(x, x)
        return np.ones_like(x) if result is None else result

    if equation.params["y"] == 2:
        return square(equation)
    return power if equation.params["y"] >= 0 else lambda x: 1 / power(x)


def clamp(low: Array, x: Array, high: Array) -> Array:
    """min(max(x, low), high)."""
    return np.minimum(np.maximum(x, low), high)


def chosen(equation: JaxprEqn) -> Step:
    """The case that the first operand names; an integer outside of their range names the nearest."""
    selector, *cases = equation.invars
    if len(cases) == 1:
        return lambda _, only: only
    if dtype_of(selector) == np.bool_:
        return lambda which, no, yes: np.where(which, yes, no)

    def choose(which: Array, *options: Array) -> Array:
        result = options[-1]
        for number in range(len(options) - 2, -1, -1):
            result = np.where(which <= number, options[number], result)
        return result

    return choose


def total_order(x: Array) -> Array:
    """Integers in the order of the bits of floats: −NaN < −∞ < … < −0 < 0 < … < ∞ < NaN; other numbers as they are."""
    if not is_inexact(x.dtype):
        return x
    bits = x.view(f"i{x.dtype.itemsize}")
    return np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)


def by_total_order(compare: Step) -> Rule:
    """A comparison in the total order."""

    def rule(equation: JaxprEqn) -> Step:
        require(not is_complex(dtype_of(equation.invars[0])), "total order of complex numbers")
        return lambda x, y: compare(total_order(x), total_order(y))

    return rule


def one_minus_square(x: Array) -> Array:
    """(1 + x)(1 − x), as JAX has it."""
    return (1 + x) * (1 - x)


def polynomial(x: Array, *coefficients: Tree) -> Array:
    """By Horner's rule, the constant first."""
    result = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


def complex_number(equation: JaxprEqn) -> Step:
    """x + iy from both parts."""
    dtype = dtype_of(equation.outvars[0])

    def join(real: Array, imaginary: Array) -> Array:
        result = np.empty(np.broadcast_shapes(real.shape, imaginary.shape), dtype)
        result.real, result.imag = real, imaginary
        return result

    return join


def conjugate(equation: JaxprEqn) -> Step:
    """The conjugate, complex also where the operand is real."""
    dtype = dtype_of(equation.outvars[0])
    return lambda x: np.conjugate(x).astype(dtype, copy=False)


RULES: dict[str, Rule] = {
    "add": plain(np.add),
    "add_any": plain(np.add),
    "sub": plain(np.subtract),
    "mul": product,
    "neg": plain(np.negative),
    "abs": size,
    "sign": sign,
    "floor": plain(np.floor),
    "ceil": plain(np.ceil),
    "round": rounded,
    "max": plain(np.maximum),
    "min": plain(np.minimum),
    "clamp": plain(clamp),
    "nextafter": plain(np.nextafter),
    "square": square,
    "integer_pow": integer_power,
    "one_minus_square": plain(one_minus_square),
    "polynomial": plain(polynomial),
    "sqrt": plain(np.sqrt),
    "eq": plain(np.equal),
    "ne": plain(np.not_equal),
    "lt": plain(np.less),
    "le": plain(np.less_equal),
    "gt": plain(np.greater),
    "ge": plain(np.greater_equal),
    "eq_to": by_total_order(np.equal),
    "lt_to": by_total_order(np.less),
    "le_to": by_total_order(np.less_equal),
    "is_finite": plain(np.isfinite),
    "select_n": chosen,
    "complex": complex_number,
    "conj": conjugate,
    "real": plain(lambda x: x.real),
    "imag": plain(lambda x: x.imag),
}
