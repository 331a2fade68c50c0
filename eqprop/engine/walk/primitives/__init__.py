"""Each primitive of JAX in NumPy: ``RULES`` takes its name to the rule that builds its step.

A step is to run where NumPy's warnings about overflow and invalid numbers are off: infinities and NaN are results here.
It never writes into its operands; its result may be a view of them. Loops, branches and calls are not here.
"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax.extend.core import JaxprEqn
from jax.typing import DTypeLike

from eqprop.engine.jaxprs import aval_of
from eqprop.engine.walk.primitives import (
    contraction,
    conversion,
    convolution,
    cumulative,
    elementwise,
    fourier,
    gathering,
    integers,
    keys,
    matrices,
    moving,
    ordering,
    reductions,
    scattering,
    special,
    transcendental,
    windows,
)
from eqprop.engine.walk.primitives.operand import TINY, Rule, Step
from eqprop.engine.walk.unsupported import Unsupported

FAMILIES = (
    elementwise,
    integers,
    transcendental,
    special,
    reductions,
    cumulative,
    windows,
    contraction,
    convolution,
    matrices,
    fourier,
    moving,
    gathering,
    scattering,
    ordering,
    conversion,
    keys,
)
"""A module for each kind of primitive."""

UNKNOWN = frozenset(np.dtype(t) for t in (ml_dtypes.int2, ml_dtypes.uint2, ml_dtypes.int4, ml_dtypes.uint4))
"""Numbers of less than eight bits."""


def _checked(rule: Rule, *, keyed: bool, tiny: bool) -> Rule:
    """The rule for the types of numbers that it is meant for."""

    def checked(equation: JaxprEqn) -> Step:
        for variable in (*equation.invars, *equation.outvars):
            unfit = _unfit(aval_of(variable).dtype, keyed=keyed, tiny=tiny)
            if unfit:
                msg = f"{equation.primitive} of {unfit}"
                raise Unsupported(msg)
        return rule(equation)

    return checked


@cache
def _unfit(dtype: DTypeLike, *, keyed: bool, tiny: bool) -> str:
    """What a type is called that a rule is not meant for; empty for others. Once for each type: there are few."""
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return "" if keyed else "keys"
    return str(dtype) if dtype == jax.dtypes.float0 or dtype in UNKNOWN or (dtype in TINY and not tiny) else ""


RULES: dict[str, Rule] = {
    name: _checked(rule, keyed=family in (moving, keys), tiny=family in (moving, conversion, contraction, convolution))
    for family in FAMILIES
    for name, rule in family.RULES.items()
}
"""From ``primitive.name`` to the rule; rules raise ``Unsupported`` for what is left to JAX."""

KEEPING = frozenset({
    *elementwise.RULES, *transcendental.RULES, *special.RULES, "convert_element_type", "transpose", "squeeze", "slice",
}) - {"complex"}  # fmt: skip
"""Operations whose results lie in memory as their operands do."""
