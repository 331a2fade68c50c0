"""An operation that the walk has no rule for, done by JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.jaxprs import aval_of
from eqprop.engine.trees import Tree
from eqprop.engine.walk.batch import widest
from eqprop.engine.walk.primitives.operand import Step, is_key
from eqprop.engine.walk.unsupported import Unsupported


def by_jax(equation: JaxprEqn) -> Step:
    """The operation over all rows, compiled for as many as there are.

    Raises:
        Unsupported: where JAX cannot take the rows of this operation together.
    """
    if any(map(is_key, (*equation.invars, *equation.outvars))):
        msg = f"{equation.primitive.name} of random keys"
        raise Unsupported(msg)
    primitive = equation.primitive
    functions, params = _bound(primitive, equation.params)

    def of_row(*arguments: jax.Array) -> Tree:
        return primitive.bind(*functions, *arguments, **params)

    rows = jax.jit(jax.vmap(of_row, in_axes=-1, out_axes=-1) if equation.invars else _one_row(of_row))
    _tried(rows, equation)

    def step(*arrays: np.ndarray) -> Tree:
        count = widest(arrays)
        whole = [np.broadcast_to(array, (*array.shape[:-1], count)) for array in arrays]
        found = rows(*whole)
        return tuple(map(np.asarray, found)) if primitive.multiple_results else np.asarray(found)

    return step


def _one_row(function: Callable[[], Tree]) -> Callable[[], Tree]:
    """What takes no operands has the same result in each row."""
    return lambda: jax.tree.map(lambda leaf: leaf[..., None], function())


def _bound(primitive: Any, params: Any) -> tuple[Any, Any]:
    bound = primitive.get_bind_params(params)
    return bound if isinstance(bound, tuple) else ((), bound)  # older JAX returns both


def _tried(rows: Callable[..., Tree], equation: JaxprEqn) -> None:
    """Trace it for one row."""
    avals = [jax.ShapeDtypeStruct((*aval.shape, 1), aval.dtype) for aval in map(aval_of, equation.invars)]
    try:
        jax.eval_shape(rows, *avals)
    except (NotImplementedError, TypeError, ValueError) as error:
        msg = f"{equation.primitive.name}: {error}"
        raise Unsupported(msg) from error
