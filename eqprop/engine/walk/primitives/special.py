"""Special functions, by SciPy; in float32 for the small floats."""

from __future__ import annotations

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.walk.primitives.of_scipy import of_scipy
from eqprop.engine.walk.primitives.operand import NARROW, Array, Rule, Step, dtype_of

digamma, erfinv, gammaln, zeta = map(of_scipy, ("special.digamma", "special.erfinv", "special.gammaln", "special.zeta"))


def widened(function: Step) -> Rule:
    """A function of any number of operands."""

    def rule(equation: JaxprEqn) -> Step:
        dtype = dtype_of(equation.outvars[0])
        if dtype in NARROW:
            return lambda *operands: function(*(x.astype(np.float32) for x in operands)).astype(dtype)
        return function

    return rule


def lgamma(x: Array) -> Array:
    """log |Γ(x)|, infinite at both infinities."""
    return np.where(np.isinf(x), x.dtype.type(np.inf), gammaln(x))


def inverse_error_function(x: Array) -> Array:
    """erf⁻¹(x), of a zero its own sign."""
    return np.copysign(erfinv(x), x)


def polygamma(order: Array, x: Array) -> Array:
    """ψ⁽ᵐ⁾(x) = (−1)ᵐ⁺¹ m! ζ(m + 1, x), ψ itself for m = 0; nothing for other orders."""
    sign = np.where(order % 2 == 0, x.dtype.type(-1), x.dtype.type(1))
    series = sign * np.exp(gammaln(order + 1)) * zeta(order + 1, x)
    found = np.where(order == 0, digamma(x), series)
    return np.where((order < 0) | (order != np.floor(order)), x.dtype.type(np.nan), found)


RULES: dict[str, Rule] = {
    "erf": widened(of_scipy("special.erf")),
    "erfc": widened(of_scipy("special.erfc")),
    "erf_inv": widened(inverse_error_function),
    "lgamma": widened(lgamma),
    "digamma": widened(digamma),
    "polygamma": widened(polygamma),
    "zeta": widened(zeta),
    "igamma": widened(of_scipy("special.gammainc")),
    "igammac": widened(of_scipy("special.gammaincc")),
    "bessel_i0e": widened(of_scipy("special.i0e")),
    "bessel_i1e": widened(of_scipy("special.i1e")),
    "regularized_incomplete_beta": widened(of_scipy("special.betainc")),
}
