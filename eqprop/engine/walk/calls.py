"""Operations that only wrap a program, and those that give back what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from eqprop.engine.jaxprs import aval_of
from eqprop.engine.walk.graph import Value

Inner = Callable[[Sequence[Value]], tuple[Jaxpr | ClosedJaxpr, Sequence[Value]]]
"""From the operands of a call to the program that it holds, and the arguments of that."""

CALLS = {
    "pjit": "jaxpr",
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "custom_vmap_call": "call",
}
"""Calls, and the parameter with their program."""

ALIASES = frozenset({
    "copy", "copy_p", "device_put", "name", "optimization_barrier", "pvary", "sharding_constraint", "stop_gradient",
})  # fmt: skip
"""Operations that give back their operands."""

SAME_WHERE_LIKE = frozenset({"broadcast_in_dim", "convert_element_type", "reshape"})
"""Operations that do so where their result has the shape and type of what they are given."""

REVERSE_ONLY = "custom_lin"
"""What forward mode leaves behind of a ``jax.custom_vjp``: there is no such derivative."""


def called(equation: JaxprEqn) -> Inner | None:
    """What a call holds; None for any other operation.

    Raises:
        NotImplementedError: for a derivative that does not exist, in the words that JAX has for it when it lowers it.
    """
    name = equation.primitive.name
    if name in CALLS:
        program = next(equation.params[key] for key in (CALLS[name], "call_jaxpr", "jaxpr") if key in equation.params)
        return lambda given: (program, given)
    if name == "custom_linear_solve":
        return lambda given: _solved(equation.params, given)
    if name == REVERSE_ONLY:
        msg = "MLIR translation rule for primitive 'custom_lin' not found: forward mode met a custom_vjp"
        raise NotImplementedError(msg)
    return None


def _solved(params: Mapping[str, Any], given: Sequence[Value]) -> tuple[Jaxpr | ClosedJaxpr, Sequence[Value]]:
    """The solver's own program: what the others say is of use to derivatives only."""
    lengths = params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    operands = given[before : before + lengths.solve]
    return params["jaxprs"].solve, [*operands, *given[sum(lengths) :]]


def is_the_same(equation: JaxprEqn) -> bool:
    """Whether a primitive changes neither shape nor type, and with these nothing."""
    if equation.primitive.name not in SAME_WHERE_LIKE or len(equation.invars) != 1:
        return False
    if equation.params.get("dimensions") is not None:
        return False
    given, result = aval_of(equation.invars[0]), aval_of(equation.outvars[0])
    return given.shape == result.shape and given.dtype == result.dtype
