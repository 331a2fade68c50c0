"""A program with a rounding error of its own after each operation: what no perturbation of the inputs can show.

Where a function saturates (1 − tanh²) or absorbs a small term (a bias plus a large weight, taken off again), the
inputs may move by a unit in the last place and nothing moves with them, while rounding inside has already destroyed
the result. Here every operation that rounds is followed by a factor 1 ± eps, with a sign for each entry, operation
and row (random rounding, after Parker's Monte Carlo arithmetic, 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
from jax.core import Tracer
from jax.extend.core import JaxprEqn, Literal, Var
from jax.typing import ArrayLike, DTypeLike

from eqprop.engine.exact import OF_THE_WHOLE, is_complex, is_short, rounded, rounds, underflows
from eqprop.engine.foreign import noisily
from eqprop.engine.jaxprs import aval_of, is_foreign, scan_counts
from eqprop.engine.trees import Array, Tree

INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
INLINED = frozenset({
    "pjit", "jit", "closed_call", "core_call", "remat", "checkpoint", "remat2", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr",
})  # fmt: skip
"""Operations that only wrap a program."""

TABLE = 1021
"""How many signs a row has; results take theirs from it in turn, from a new place each time."""

TURN = 97
"""By how many places the table is turned from one round of a loop to the next."""


def with_rounding_noise(function: Callable[[Tree], Tree], example: Tree) -> Callable[[Tree, Tree], Tree]:
    """``noisy(argument, signs)``: the function with random rounding; exactly the function where all signs are 0.

    Args:
        function: of one pytree, traceable.
        example: an argument of the right shapes and dtypes.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(example)
    treedef = jax.tree.structure(shape)

    def noisy(argument: Tree, signs: Array) -> Tree:
        return jax.tree.unflatten(treedef, _run(closed, jax.tree.leaves(argument), _Noise(signs)))

    return noisy


class _Noise:
    """1 ± eps for each entry of each result, the signs from a table of them.

    By operations of ``jax.lax``: those of ``jax.numpy`` wrap programs of their own, which take their time to trace.
    """

    def __init__(self, signs: Array, start: int = 0) -> None:
        self.signs = signs
        self.start = start
        self._factors: dict[Hashable, Array] = {}

    def __call__(self, value: jax.Array) -> jax.Array:
        if not rounded(value):
            return value
        if is_complex(value.dtype):
            return jax.lax.complex(self(jax.lax.real(value)), self(jax.lax.imag(value)))
        factors = self._factors_of(value)
        noisy = jax.lax.mul(value, factors)
        if value.dtype != jnp.float16:
            return noisy
        # float16 runs out of range early: below its smallest normal number a unit in the last place gets no smaller.
        least = jnp.asarray(jnp.finfo(value.dtype).smallest_normal, value.dtype)
        return jax.lax.add(noisy, jax.lax.mul(jax.lax.sub(factors, jax.lax.full_like(factors, 1)), least))

    def underflowing(self, value: jax.Array, operands: list[Tree]) -> jax.Array:
        """A result with its errors, and one of the smallest normal number where it is less and should not be 0."""
        if is_complex(value.dtype):
            lost = _lost(value, *operands)
            parts = (jax.lax.real(value), jax.lax.imag(value))
            return jax.lax.complex(*(_off(self(part), self._factors_of(part), lost) for part in parts))
        return _underflowing(value, self._factors_of(value), *operands)

    def _factors_of(self, value: jax.Array) -> Tree:
        self.start = (self.start + 331) % TABLE
        row = jax.lax.concatenate([self._of(value.dtype)] * ((self.start + value.size) // TABLE + 1), 0)
        return jax.lax.reshape(jax.lax.slice(row, (self.start,), (self.start + value.size,)), value.shape)

    def of_the_whole(self, matrices: ArrayLike) -> jax.Array:
        """Matrices that are off by units in the last place of their largest entries."""
        matrices = jnp.asarray(matrices)
        largest = jnp.broadcast_to(jnp.max(jnp.abs(matrices), axis=(-2, -1), keepdims=True, initial=0), matrices.shape)
        if is_complex(matrices.dtype):
            largest = jax.lax.complex(largest, largest)
        return matrices + (self(largest) - largest)

    def _of(self, dtype: DTypeLike) -> Tree:
        """The table of factors for results of this type."""
        if dtype not in self._factors:
            self._factors[dtype] = 1 + float(jnp.finfo(dtype).eps) * jnp.asarray(self.signs, dtype)
        return self._factors[dtype]

    def table(self) -> Tree:
        """The signs from a new place on, for what has errors of its own inside."""
        self.start = (self.start + 331) % TABLE
        return jnp.roll(jnp.asarray(self.signs), -self.start)

    def turned(self, round_: ArrayLike) -> _Noise:
        """For a round of a loop, whose number is traced."""
        return _Noise(jnp.roll(self.signs, TURN * round_))

    def apart(self) -> _Noise:
        """For a branch: what is worked out inside of it stays there."""
        return _Noise(self.signs, self.start)


def _run(closed: Any, arguments: list[Tree], noise: _Noise) -> list[Tree]:
    jaxpr = closed.jaxpr if hasattr(closed, "consts") else closed
    known: dict[Var, Tree] = dict(zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: Var | Literal) -> Tree:
        return variable.val if isinstance(variable, Literal) else known[variable]

    for equation in jaxpr.eqns:
        given = [read(v) for v in equation.invars]
        for variable, value in zip(equation.outvars, _results(equation, given, noise), strict=True):
            known[variable] = value
    return [read(v) for v in jaxpr.outvars]


def _results(equation: JaxprEqn, given: list[Tree], noise: _Noise) -> list[Tree]:
    name, parameters = equation.primitive.name, equation.params
    if name in INLINED:
        return _run(next(parameters[key] for key in INNER if key in parameters), given, noise)
    if name in CONTROL:
        return CONTROL[name](equation, given, noise)
    if is_foreign(equation):
        return noisily(equation, given, noise.table())
    if name in OF_THE_WHOLE:
        given = [noise.of_the_whole(given[0]), *given[1:]]
    if _of_constants(equation, given):
        with jax.ensure_compile_time_eval():
            results = _plain(equation, given)
        if all(map(is_short, filter(rounded, results))):
            return results
    results = _plain(equation, given)
    if underflows(equation):
        return [noise.underflowing(results[0], given)]
    return [noise(result) for result in results] if rounds(equation) else results


def _plain(equation: JaxprEqn, given: list[Tree]) -> list[Tree]:
    """What the operation gives without errors."""
    bound = equation.primitive.get_bind_params(equation.params)
    functions, parameters = bound if isinstance(bound, tuple) else ((), bound)  # older JAX returns both
    found = equation.primitive.bind(*functions, *given, **parameters)
    return list(found) if equation.primitive.multiple_results else [found]


def _of_constants(equation: JaxprEqn, given: list[Tree]) -> bool:
    """Whether numbers of the program make another number, as 3 − 1 in a derivative."""
    if not given or any(isinstance(value, Tracer) for value in given):
        return False
    return not any(aval_of(variable).shape for variable in (*equation.invars, *equation.outvars))


@jax.jit
def _underflowing(value: jax.Array, factors: jax.Array, *operands: Tree) -> jax.Array:
    """Compiled as a function of its own: a program has many of these, and takes its time to trace."""
    return _off(jax.lax.mul(value, factors), factors, _lost(value, *operands))


def _off(noisy: jax.Array, factors: jax.Array, lost: jax.Array) -> jax.Array:
    """By the smallest normal number where something is lost and the factor is above 1: never beyond 0.

    What underflows lies between 0 and there, so that a square stays one, of which a root is taken.
    """
    least = jnp.finfo(noisy.dtype).smallest_normal
    return jnp.where(lost & (factors > 1), jnp.copysign(least.astype(noisy.dtype), noisy), noisy)


def _lost(value: jax.Array, *operands: Tree) -> jax.Array:
    """Where a result is below the smallest normal number, and that by underflow: of 0, or by ∞, it is exact."""
    lost = jnp.abs(value) < jnp.finfo(value.dtype).smallest_normal
    for operand in operands:
        lost &= (operand != 0) & jnp.isfinite(operand)
    return lost


def _scan(equation: JaxprEqn, given: list[Tree], noise: _Noise) -> list[Tree]:
    parameters = equation.params
    consts, first, rows = _cut(given, *scan_counts(equation))

    def advance(state: tuple[ArrayLike, list[Tree]], row: list[Tree]) -> Tree:
        round_, carried = state
        results = _run(parameters["jaxpr"], [*consts, *carried, *row], noise.turned(round_))
        carried, seen, _ = _cut(results, len(first), len(results) - len(first))
        return (round_ + 1, carried), seen

    (_, last), seen = jax.lax.scan(
        advance, (0, first), rows, length=parameters["length"], reverse=parameters["reverse"]
    )
    return [*last, *seen]


def _while(equation: JaxprEqn, given: list[Tree], noise: _Noise) -> list[Tree]:
    parameters = equation.params
    asked, consts, first = _cut(given, parameters["cond_nconsts"], parameters["body_nconsts"])

    def holds(carried: list[Tree]) -> Array:
        return jax.extend.core.jaxpr_as_fun(parameters["cond_jaxpr"])(*asked, *carried)[0]

    def goes_on(state: tuple[ArrayLike, list[Tree]]) -> Tree:
        return jnp.any(holds(state[1]))

    def advance(state: tuple[ArrayLike, list[Tree]]) -> tuple[ArrayLike, list[Tree]]:
        round_, carried = state
        found = _run(parameters["body_jaxpr"], [*consts, *carried], noise.turned(round_))
        going = holds(carried)
        if going.ndim:
            # What vmap makes of a loop has a condition for each entry: those that are done keep what they have.
            found = [jnp.where(_along_first(going, new), new, old) for new, old in zip(found, carried, strict=True)]
        return round_ + 1, found

    return jax.lax.while_loop(goes_on, advance, (0, first))[1]


def _along_first(condition: Array, leaf: Array) -> Array:
    """The condition of each entry along a leaf's first axes, as what goes with the whole leaf."""
    return jnp.reshape(condition, (*condition.shape, *(1,) * (leaf.ndim - condition.ndim)))


def _cond(equation: JaxprEqn, given: list[Tree], noise: _Noise) -> list[Tree]:
    index, *operands = given
    branches = [lambda *those, b=branch: _run(b, list(those), noise.apart()) for branch in equation.params["branches"]]
    return jax.lax.switch(index, branches, *operands)


CONTROL = {"scan": _scan, "while": _while, "cond": _cond}
"""Loops and branches: there is noise in every round, and in the branch that is taken."""


def _cut(values: list[Tree], first: int, second: int) -> tuple[list[Tree], list[Tree], list[Tree]]:
    return values[:first], values[first : first + second], values[first + second :]
