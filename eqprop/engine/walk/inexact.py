"""How far XLA's functions err: some by much more than a rounding, which is no reason to call a program miscompiled."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.table import FAMILIES

SMALL = 1e-4
"""The unit roundoff from which on floats are called small."""

PART = 10
"""Errors of the copies are this part of the farthest that XLA was seen to lie off: floors are of their size, and a
residual may be thirty of these."""


LONG = 64
"""XLA adds some sums up one term after the other: of so many equal ones the last place may be lost, always the same
way, which no other numbers show."""


def one_rounding(equation: Any) -> float:
    """Every operation rounds once."""
    del equation
    return 1.0


def error_of(equation: Any) -> float:
    """The errors that an operation has in XLA, in units in the last place of its result: at least a rounding."""
    of_function = _size(equation.primitive.name, np.dtype(equation.outvars[0].aval.dtype))
    return max(of_function, _terms(equation) / LONG)


def _terms(equation: Any) -> float:
    """How many terms each entry of a result is the sum of, where that is a sum."""
    name, shapes = equation.primitive.name, [variable.aval.shape for variable in equation.invars]
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
def _size(name: str, dtype: np.dtype[Any]) -> float:
    agreement = _agreements().get(name)
    if agreement is None or not jnp.issubdtype(dtype, jnp.inexact):
        return 1.0
    if is_complex(dtype):
        return max(1.0, agreement.joint / PART)
    return max(1.0, (agreement.narrow if jnp.finfo(dtype).eps > SMALL else agreement.wide) / PART)


@cache
def _agreements() -> dict[str, Any]:
    return {entry.name: entry.agreement for family in FAMILIES for entry in family.entries}
