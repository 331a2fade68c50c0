"""A program with a rounding error of its own after each operation: what no perturbation of the inputs can show.

Where a function saturates (1 − tanh²) or absorbs a small term (a bias plus a large weight, taken off again), the
inputs may move by a unit in the last place and nothing moves with them, while rounding inside has already destroyed
the result. Here every operation that rounds is followed by a factor 1 ± eps, with a sign for each entry, operation
and row (random rounding, after Parker's Monte Carlo arithmetic, 1997).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp

EXACT = frozenset({
    "neg", "sign", "abs", "max", "min", "transpose", "reshape", "broadcast_in_dim", "squeeze", "concatenate", "slice",
    "dynamic_slice", "dynamic_update_slice", "gather", "pad", "rev", "select_n", "copy", "copy_p", "stop_gradient",
    "reduce_max", "reduce_min", "sort", "clamp", "expand_dims", "split", "iota", "argmax", "argmin", "floor", "ceil",
    "round", "device_put", "optimization_barrier",
})  # fmt: skip
"""Operations on floating-point numbers that do not round."""

INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
INLINED = frozenset({
    "pjit", "jit", "closed_call", "core_call", "remat", "checkpoint", "remat2", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr",
})  # fmt: skip
"""Operations that only wrap a program; loops and branches are run as they are, and their results get the noise."""


TABLE = 1021
"""How many signs a row has; results take theirs from it in turn, from a new place each time."""


def with_rounding_noise(function: Callable[[Any], Any], example: Any) -> Callable[[Any, Any], Any]:
    """``noisy(argument, signs)``: the function with random rounding; exactly the function where all signs are 0.

    Args:
        function: of one pytree, traceable.
        example: an argument of the right shapes and dtypes.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(example)
    treedef = jax.tree.structure(shape)

    def noisy(argument: Any, signs: Any) -> Any:
        return jax.tree.unflatten(treedef, _run(closed, jax.tree.leaves(argument), _Noise(signs)))

    return noisy


class _Noise:
    """1 ± eps for each entry of each result, the signs from a table of them."""

    def __init__(self, signs: Any) -> None:
        self.signs = signs
        self.start = 0

    def __call__(self, value: Any) -> Any:
        if not jnp.issubdtype(value.dtype, jnp.floating) or value.size == 0:
            return value
        self.start = (self.start + 331) % TABLE
        repeats = (self.start + value.size) // TABLE + 1
        row = self.signs if repeats == 1 else jnp.tile(self.signs, repeats)
        signs = row[self.start : self.start + value.size].reshape(value.shape).astype(value.dtype)
        return value * (1 + float(jnp.finfo(value.dtype).eps) * signs)


def _run(closed: Any, arguments: list[Any], noise: _Noise) -> list[Any]:
    jaxpr = closed.jaxpr if hasattr(closed, "consts") else closed
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, jax.extend.core.Literal) else known[variable]

    for equation in jaxpr.eqns:
        given = [read(v) for v in equation.invars]
        for variable, value in zip(equation.outvars, _results(equation, given, noise), strict=True):
            known[variable] = value
    return [read(v) for v in jaxpr.outvars]


def _results(equation: Any, given: list[Any], noise: _Noise) -> list[Any]:
    name = equation.primitive.name
    if name in INLINED:
        inner = next(equation.params[key] for key in INNER if key in equation.params)
        return _run(inner, given, noise)
    bound = equation.primitive.get_bind_params(equation.params)
    functions, parameters = bound if isinstance(bound, tuple) else ((), bound)  # older JAX returns both
    found = equation.primitive.bind(*functions, *given, **parameters)
    results = list(found) if equation.primitive.multiple_results else [found]
    return results if name in EXACT else [noise(result) for result in results]
