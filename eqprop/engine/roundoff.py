"""The unit in the last place: which floating precision the results of a traced program are of, and what set it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn
from jax.typing import DTypeLike

from eqprop.engine.jaxprs import Typed, inner_programs, is_foreign
from eqprop.engine.products import coarser_product
from eqprop.engine.sources import described


@dataclass(frozen=True)
class Roundoff:
    """A floating precision.

    Attributes:
        eps: the unit roundoff.
        name: of the type.
        origin: the operation that brought it into a program; empty where that began with it.
    """

    eps: float
    name: str
    origin: str = field(default="", compare=False)


FINEST = Roundoff(float(np.finfo(np.float64).eps), "float64")


def coarsest(units: Iterable[Roundoff]) -> Roundoff:
    """The lowest precision of several, the first one of those that are equally low."""
    return max(units, key=lambda unit: unit.eps, default=FINEST)


def lowest_precisions(jaxpr: jax.extend.core.ClosedJaxpr) -> list[Roundoff]:
    """For each output of a traced program, the lowest floating precision that it depends on.

    Operations that hold programs of their own (jit, loops, branches) count with everything in these. Integers have no
    precision; what is computed from them in floating point has.
    """
    program = jaxpr.jaxpr
    known = {variable: _Found(_unit(variable)) for variable in (*program.invars, *program.constvars)}
    met: _Met = {}
    for equation in program.eqns:
        read = [known[atom] for atom in equation.invars if not isinstance(atom, jax.extend.core.Literal)]
        lowest = _lowest([*read, *_inside(equation, met)])
        known.update((v, _lowest([lowest, _Found(_unit(v), equation)])) for v in equation.outvars)
    literal = jax.extend.core.Literal
    return [_Found(_unit(a)).named() if isinstance(a, literal) else known[a].named() for a in program.outvars]


@dataclass(frozen=True)
class _Found:
    """A precision and the operation whose result has it first; put into words only where it is asked for."""

    unit: Roundoff
    equation: JaxprEqn | None = None

    def named(self) -> Roundoff:
        if self.equation is None or self.unit.eps <= FINEST.eps:
            return self.unit
        return replace(self.unit, origin=described(self.equation))


def _lowest(found: Iterable[_Found]) -> _Found:
    return max(found, key=lambda each: (each.unit.eps, each.equation is not None), default=_Found(FINEST))


_Met = dict[int, _Found]
"""What was found in inner programs, by their identities: many operations hold the same one."""


def _inside(equation: JaxprEqn, met: _Met) -> Iterator[_Found]:
    """The precision of every variable in the programs that an operation holds, and of what is evaluated elsewhere."""
    if is_foreign(equation):
        yield _Found(equation.params["function"].lowest)
    yield from _products(equation)
    for inner in inner_programs(equation):
        if id(inner) not in met:
            met[id(inner)] = _lowest(_within(inner, met))
        yield met[id(inner)]


def _within(program: Jaxpr, met: _Met) -> Iterator[_Found]:
    yield from (_Found(_unit(variable)) for variable in (*program.invars, *program.constvars))
    for equation in program.eqns:
        yield from _inside(equation, met)
        yield from (_Found(_unit(variable), equation) for variable in equation.outvars)


def _products(equation: JaxprEqn) -> Iterator[_Found]:
    """The precision of a product whose factors may be rounded before it is taken."""
    coarser = coarser_product(equation)
    if coarser is not None:
        name, eps = coarser
        yield _Found(Roundoff(eps, name), equation)


def _unit(variable: Typed) -> Roundoff:
    return _unit_of(getattr(variable.aval, "dtype", None))


@cache
def _unit_of(dtype: DTypeLike | None) -> Roundoff:
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        return FINEST
    return Roundoff(float(jnp.finfo(dtype).eps), str(np.dtype(dtype)))
