"""How far XLA's functions err: some by much more than a rounding, which is no reason to call a program miscompiled."""

from __future__ import annotations

import math
from functools import cache

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.jaxprs import aval_of
from eqprop.engine.walk.agreement import Agreement
from eqprop.engine.walk.table import FAMILIES

SMALL = 1e-4
"""The unit roundoff from which on floats are called small."""

PART = 10
"""Errors of the copies are this part of the farthest that XLA was seen to lie off: floors are of their size, and a
residual may be thirty of these."""


LONG = 64
"""XLA adds some sums up one term after the other: of so many equal ones the last place may be lost, always the same
way, which no other numbers show."""


def no_rounding(equation: JaxprEqn) -> float:
    """No operation errs, of a walk that is never given signs: it is sooner built so."""
    del equation
    return 0.0


def one_rounding(equation: JaxprEqn) -> float:
    """Every operation rounds once."""
    del equation
    return 1.0


def error_of(equation: JaxprEqn) -> float:
    """The errors that an operation has in XLA, in units in the last place of its result: at least a rounding."""
    of_function = _size(equation.primitive.name, np.dtype(aval_of(equation.outvars[0]).dtype))
    return max(of_function, _terms(equation) / LONG)


def _terms(equation: JaxprEqn) -> float:
    """How many terms each entry of a result is the sum of, where that is a sum."""
    name, shapes = equation.primitive.name, [aval_of(variable).shape for variable in equation.invars]
    if name == "reduce_sum":
        return math.prod(shapes[0][axis] for axis in equation.params["axes"])
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return math.prod(shapes[0][axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel = equation.params["dimension_numbers"].rhs_spec
        return math.prod(shapes[1]) / max(1, shapes[1][kernel[0]])
    return shapes[0][equation.params["axis"]] if name == "cumsum" else 1


@cache
def _size(name: str, dtype: np.dtype) -> float:
    agreement = _agreements().get(name)
    if agreement is None or not jnp.issubdtype(dtype, jnp.inexact):
        return 1.0
    if is_complex(dtype):
        return max(1.0, agreement.joint / PART)
    return max(1.0, (agreement.narrow if jnp.finfo(dtype).eps > SMALL else agreement.wide) / PART)


@cache
def _agreements() -> dict[str, Agreement]:
    return {entry.name: entry.agreement for family in FAMILIES for entry in family.entries}
