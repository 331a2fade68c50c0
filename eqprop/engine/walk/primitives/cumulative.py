"""What has been folded so far, along an axis."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.operand import NARROW, Array, Rule, Step, dtype_of, require


def cumulated(ufunc: np.ufunc, *, real: bool = False, widened: bool = False) -> Rule:
    """Entry by entry from one end of an axis, or from the other.

    Args:
        ufunc: what folds two entries.
        real: whether complex numbers are left to JAX: those that cannot be compared, and products of them, whose
            rounding in NumPy depends on where in memory they lie.
        widened: whether the small floats are folded in float32.
    """

    def rule(equation: JaxprEqn) -> Step:
        axis, dtype = equation.params["axis"], dtype_of(equation.outvars[0])
        require(not (real and is_complex(dtype)), "a cumulation of complex numbers")
        wide = np.dtype(np.float32) if widened and dtype in NARROW else dtype

        def forwards(x: Array) -> Array:
            return ufunc.accumulate(x.astype(wide, copy=False), axis=axis, dtype=wide).astype(dtype, copy=False)

        return (lambda x: np.flip(forwards(np.flip(x, axis)), axis)) if equation.params["reverse"] else forwards

    return rule


RULES: dict[str, Rule] = {
    "cumsum": cumulated(np.add),
    "cumprod": cumulated(np.multiply, real=True),
    "cummax": cumulated(np.maximum, real=True),
    "cummin": cumulated(np.minimum, real=True),
    "cumlogsumexp": cumulated(np.logaddexp, real=True, widened=True),
}
