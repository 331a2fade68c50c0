"""Powers, exponentials, logarithms, circular and hyperbolic functions.

NumPy has two implementations of many of them, one for vectors of processors and one for numbers in memory that runs
backwards, which differ in the last bit. Their operands are therefore laid out forwards first.
"""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.operand import (
    NARROW,
    Array,
    Rule,
    Step,
    apart,
    dtype_of,
    require,
    rows_ahead,
    rows_behind,
)

LN2 = np.log(2)


def compact(x: Array) -> Array:
    """The array with its entries one beside the other in memory, forwards."""
    return rows_behind(np.ascontiguousarray(rows_ahead(x))) if apart(x) else np.ascontiguousarray(x)


def forwards(function: Step) -> Rule:
    """A function of one operand, in float32 for the small floats."""

    def rule(equation: JaxprEqn) -> Step:
        dtype = dtype_of(equation.outvars[0])
        if dtype in NARROW:
            return lambda x: function(x.astype(np.float32)).astype(dtype)
        return lambda x: function(compact(x))

    return rule


def pairwise(function: Step) -> Rule:
    """Likewise of two operands, the second in the type of the first."""

    def rule(equation: JaxprEqn) -> Step:
        dtype = dtype_of(equation.outvars[0])
        if dtype in NARROW:
            return lambda x, y: function(x.astype(np.float32), y.astype(np.float32)).astype(dtype)
        return lambda x, y: function(compact(x), compact(y.astype(dtype, copy=False)))

    return rule


def exp2(equation: JaxprEqn) -> Step:
    """exp(x ln 2), as JAX has it: the small floats round the product, too."""
    factor, exponential = dtype_of(equation.outvars[0]).type(LN2), forwards(np.exp)(equation)
    return lambda x: exponential(x * factor)


def log2(x: Array) -> Array:
    """log x / log 2, as JAX has it."""
    return np.log(x) / x.dtype.type(LN2)


def log1p(equation: JaxprEqn) -> Step:
    """log(1 + x); NumPy's of complex numbers cancels near 0."""
    require(not is_complex(dtype_of(equation.outvars[0])), "log1p of complex numbers")
    return forwards(np.log1p)(equation)


def logistic(x: Array) -> Array:
    """1 / (1 + exp −x)."""
    return 1 / (1 + np.exp(-x))


def reciprocal_root(x: Array) -> Array:
    """1 / √x."""
    return 1 / np.sqrt(x)


FUNCTIONS: dict[str, Step] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log2": log2,
    "logistic": logistic,
    "rsqrt": reciprocal_root,
    "cbrt": np.cbrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}

RULES: dict[str, Rule] = {
    **{name: forwards(function) for name, function in FUNCTIONS.items()},
    "exp2": exp2,
    "log1p": log1p,
    "pow": pairwise(np.power),
    "atan2": pairwise(np.arctan2),
}
