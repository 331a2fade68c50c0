"""The same function of many rows: all rows at once where XLA computes that well, else row after row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr, JaxprEqn

from eqprop.engine.calculus import is_reverse_only
from eqprop.engine.jaxprs import aval_of, each_written, equations
from eqprop.engine.memory import in_a_scope
from eqprop.engine.trees import Tree

CONVOLUTION = "conv_general_dilated"

TOGETHER = 2**20
"""Numbers in an array: more of all rows together than a processor's cache holds gain nothing, and need their memory."""


def over_rows(function: Callable[..., Tree], *rows: Tree) -> tuple[Tree, Tree]:
    """The function of arguments with a leading axis of rows, jitted and traced.

    It is ``jax.vmap`` of the function, or row after row where that will not do: where an operation cannot be batched,
    where an array of all rows would be large, and where kernels of convolutions differ from row to row. These become
    one convolution with a group of channels for each row, which XLA's CPU compiler expands into all pairs of groups, so
    that its time grows with the square of their number. Seen from the traced program, and nowhere declared.

    Args:
        function: of one row.
        rows: its arguments over all rows, or their shapes and dtypes.
    """
    together: Any = jax.jit(jax.vmap(in_a_scope(function)))
    try:
        traced = together.trace(*rows)
        if largest(traced.jaxpr) <= TOGETHER and not groups_by_row(traced.jaxpr, jax.tree.leaves(rows)[0].shape[0]):
            return together, traced
    except NotImplementedError as error:
        if is_reverse_only(error):
            raise
    apart: Any = jax.jit(one_by_one(function))
    return apart, apart.trace(*rows)


def batched(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """Likewise, as a function to call: inside a program that is being traced, too."""
    return lambda *rows: over_rows(function, *rows)[0](*rows)


def one_by_one(function: Callable[..., Tree]) -> Callable[..., Tree]:
    """What ``jax.vmap`` computes, without a batching rule for any operation."""
    return lambda *rows: jax.lax.map(in_a_scope(lambda arguments: function(*arguments)), rows)


def groups_by_row(program: Jaxpr, rows: int) -> bool:
    """Whether a program over rows has a convolution with a group of channels (a multiple of) for each of them."""
    return rows > 1 and any(_groups(equation) % rows == 0 for equation, _ in equations(program) if _convolves(equation))


def largest(program: Jaxpr) -> int:
    """How many numbers the largest array that a program makes has."""
    return max((aval_of(out).size for equation in each_written(program) for out in equation.outvars), default=0)


def multiply_adds(program: Jaxpr) -> int:
    """How many multiplications the convolutions of a program take as XLA's CPU compiler expands them."""
    return sum(rounds * _products(equation) for equation, rounds in equations(program) if _convolves(equation))


def _convolves(equation: JaxprEqn) -> bool:
    return equation.primitive.name == CONVOLUTION


def _groups(equation: JaxprEqn) -> int:
    return max(equation.params["feature_group_count"], equation.params["batch_group_count"])


def _products(equation: JaxprEqn) -> int:
    kernel, (out,) = aval_of(equation.invars[1]), equation.outvars
    leaving = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    return aval_of(out).size * kernel.size // max(leaving, 1) * _groups(equation)
