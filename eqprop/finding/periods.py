"""Half periods of the sines in a program: π, and π/ω for each number ω that is written in it as a factor."""

from __future__ import annotations

import math

import jax
import numpy as np

from eqprop.claims import Model
from eqprop.engine import equations, traced

MOST = 8
"""Numbers of a program that are tried as frequencies."""


def half_periods_of(model: Model) -> tuple[float, ...]:
    """The candidates; none where there is neither a sine nor a cosine."""
    params, treedef = jax.tree.flatten(model.params)
    trace = traced(
        lambda leaves, inputs: model.apply(jax.tree.unflatten(treedef, leaves), inputs), params, model.inputs
    )
    operations = [equation for equation, _ in equations(trace.jaxpr)]
    if not any(equation.primitive.name in ("sin", "cos") for equation in operations):
        return ()
    factors = dict.fromkeys([1.0])
    for equation in operations:
        values = [getattr(operand, "val", None) for operand in equation.invars]
        numbers = [float(value) for value in values if value is not None and np.ndim(value) == 0]
        if equation.primitive.name == "mul":
            factors |= dict.fromkeys(map(abs, numbers))
        elif equation.primitive.name == "div" and values[1] is not None:
            factors |= dict.fromkeys(1 / abs(number) for number in numbers if number)
    return tuple(math.pi / factor for factor in list(factors)[:MOST] if factor)
