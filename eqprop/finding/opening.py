"""A program with what it calls written out: only loops and branches stay programs of their own.

What a function is wrapped in (a jit, a rule for its derivative, another framework that has an outline) hides how its
operands are used: a tensor that is cut up inside is cut up.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from eqprop.engine import Array, Tree, aval_of, inner_programs, is_foreign

KEPT = ("scan", "while", "cond")


def opened(program: ClosedJaxpr) -> Jaxpr:
    """The program, written out. Its numbers do not matter: constants are zeros.

    Args:
        program: traced.
    """
    avals = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in program.in_avals]
    return jax.make_jaxpr(lambda *operands: _run(program.jaxpr, operands))(*avals).jaxpr


def _run(program: Jaxpr, operands: Sequence[Tree]) -> list[Tree]:
    known: dict[Var, Tree] = dict(zip(program.invars, operands, strict=True))
    known.update((v, jnp.zeros(aval_of(v).shape, aval_of(v).dtype)) for v in program.constvars)

    def value(atom: Var | Literal) -> Tree:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for equation in program.eqns:
        known.update(zip(equation.outvars, _step(equation, list(map(value, equation.invars))), strict=True))
    return list(map(value, program.outvars))


def _step(equation: JaxprEqn, given: Sequence[Tree]) -> Sequence[Tree]:
    called = _called(equation)
    if called is not None:
        return _run(called, given)
    if is_foreign(equation) and (outline := equation.params["function"].outline) is not None:
        return [_like(found, out) for found, out in zip(outline(*given), equation.outvars, strict=True)]
    bound = equation.primitive.get_bind_params(equation.params)
    functions, parameters = bound if isinstance(bound, tuple) else ((), bound)
    found = equation.primitive.bind(*functions, *given, **parameters)
    return found if equation.primitive.multiple_results else [found]


def _called(equation: JaxprEqn) -> Jaxpr | None:
    """The one program that an operation calls with its own operands, once."""
    inner = None if equation.primitive.name in KEPT else next(iter(inner_programs(equation)), None)
    fits = inner is not None and (len(inner.invars), len(inner.outvars)) == (
        len(equation.invars),
        len(equation.outvars),
    )
    return inner if fits else None


def _like(found: Array, variable: Var) -> Array:
    return found.astype(aval_of(variable).dtype)
