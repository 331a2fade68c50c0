"""Functions that somebody else evaluates and differentiates, as operations of a traced program.

What is verified is f with its derivatives, whoever has them: another framework with a reverse mode, a solver with an
adjoint. Such a function says what it gives, what its cotangent map is, which is such a function again, and so on for
every order, what its lowest precision is, and what it gives where every operation inside of it rounds at random. To JAX
it is one operation with a reverse-only rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.custom_derivatives import CustomVJPPrimal, SymbolicZero
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.interpreters import batching, mlir
from jax.typing import DTypeLike

from eqprop.engine.jaxprs import FOREIGN, aval_of, each_written, is_foreign
from eqprop.engine.roundoff import Roundoff
from eqprop.engine.trees import Array, Tree, is_floating

Arrays = Sequence[np.ndarray]


class Foreign(Protocol):
    """A function of arrays, evaluated outside of JAX; deterministic, and the same object for the same function.

    Attributes:
        name: in reports.
        linear: in how many of its last operands it is linear: a cotangent map in the cotangents, nothing else in any.
    """

    name: str
    linear: int

    @property
    def results(self) -> Sequence[jax.ShapeDtypeStruct]:
        """Shapes and types of what it gives, of one row."""
        ...

    @property
    def cotangents(self) -> Foreign:
        """The cotangent map: of its operands, and then of a cotangent for each result.

        It gives the cotangent of each operand in floating point.

        Raises:
            NotDifferentiable: where there is none.
        """
        ...

    @property
    def transposed(self) -> Foreign:
        """Of a cotangent map its transpose: of its other operands, and then of a cotangent for each result.

        It gives the cotangents of the linear operands: the derivative J u of what the map is of, by the map alone.
        A derivative of the map is one of the next order, with rules of its own, which may be wrong or missing.
        """
        ...

    @property
    def lowest(self) -> Roundoff:
        """The lowest floating precision inside of it."""
        ...

    @property
    def opaque(self) -> str:
        """Why ``rounded`` does not show the rounding errors inside of it; empty where it does."""
        ...

    @property
    def outline(self) -> Callable[..., Sequence[Tree]] | None:
        """What JAX can trace in its place, of the same shapes: its axes move together as the function's own do.

        Its numbers do not matter. None where nobody can look inside.
        """
        ...

    def values(self, *operands: np.ndarray) -> Arrays:
        """What its own users get, row by row: the last word.

        Args:
            operands: each with a leading axis of rows.
        """
        ...

    def rounded(self, *operands: np.ndarray, signs: np.ndarray | None, start: int = 0) -> Arrays:
        """What it gives at all rows, with a factor 1 ± eps behind every operation inside of it that rounds.

        Args:
            operands: each with a leading axis of rows, or of 1 where it is the same for all.
            signs: of the errors, of shape (rows, signs of a row): 1, −1 or 0; None for no errors. Rows with signs of 0
                are what they are without.
            start: from which of a row's signs on they are taken; behind the last one comes the first.
        """
        ...


foreign_p = jax.extend.core.Primitive(FOREIGN)
"""With the parameters ``function``, ``axes`` (how many leading axes every operand has) and ``noisy`` (whether a table
of signs follows the operands)."""
foreign_p.multiple_results = True


def bridged(function: Foreign) -> Callable[..., tuple[Tree, ...]]:
    """The function as one that JAX traces, batches and differentiates, in reverse mode and as often as it can be."""

    def backward(operands: Sequence[Tree], moved: Sequence[bool], cotangents: Sequence[Tree]) -> Iterable[Tree]:
        others = len(operands) - function.linear
        if function.linear and not any(moved[:others]):
            return [None] * others + list(_transposed(function)(*operands[:others], *cotangents))
        return _in_floats(operands, bridged(function.cotangents)(*operands, *cotangents))

    return _reverse_only(function, backward)


def _transposed(function: Foreign) -> Callable[..., tuple[Tree, ...]]:
    """J u of the function whose cotangent map Jᵀw is given: its derivative is made of that map and of the map's."""

    def backward(operands: Sequence[Tree], moved: Sequence[bool], cotangents: Sequence[Tree]) -> Iterable[Tree]:
        count = len(operands) - len(function.results)
        first, tangents = operands[:count], operands[count:]
        found: list[Tree] = [None] * count
        if any(moved[:count]):
            of_map = bridged(function.cotangents)(*first, *cotangents, *tangents)
            found = list(_in_floats(first, of_map))
        return [*found, *bridged(function)(*first, *cotangents)]

    return _reverse_only(function.transposed, backward)


Backward = Callable[[Sequence[Tree], Sequence[bool], Sequence[Tree]], Iterable[Tree]]
"""From operands, which of them move, and cotangents of the results to cotangents of the operands, or None."""


def _reverse_only(function: Foreign, backward: Backward) -> Callable[..., tuple[Tree, ...]]:
    """The function with a rule in which those operands count that move: only of these are cotangents asked for."""

    @jax.custom_vjp
    def call(*operands: Array) -> tuple[Tree, ...]:
        return tuple(foreign_p.bind(*operands, function=function, axes=0, noisy=False))

    def forward(*operands: CustomVJPPrimal) -> tuple[Tree, Tree]:
        values = tuple(operand.value for operand in operands)
        # By shapes: under jit JAX takes the structure of what was kept last for that of all calls
        # (findings/gradients-by-the-last-forward.sh).
        return call(*values), (values, tuple(np.zeros(int(operand.perturbed)) for operand in operands))

    def pulled(kept: Tree, cotangents: Sequence[Tree]) -> tuple[Tree, ...]:
        operands, moved = kept
        given = [_zeros(aval_of(c)) if isinstance(c, SymbolicZero) else c for c in cotangents]
        return tuple(backward(operands, [len(mark) == 1 for mark in moved], given))

    call.defvjp(forward, pulled, symbolic_zeros=True)
    return call


def _zeros(aval: ShapedArray) -> Tree:
    return jnp.zeros(aval.shape, aval.dtype)


def _in_floats(operands: Sequence[Tree], found: Iterable[Tree]) -> Iterator[Tree]:
    """What was found for the operands in floating point, and None for the others."""
    given = iter(found)
    return (next(given) if is_floating(operand) else None for operand in operands)


def foreign_functions(program: Jaxpr | ClosedJaxpr) -> Iterator[Foreign]:
    """Those that a traced program calls."""
    return (equation.params["function"] for equation in each_written(program) if is_foreign(equation))


def opaque_inside(program: Jaxpr | ClosedJaxpr) -> str:
    """Why not all rounding inside of a traced program can be shown; empty where it can."""
    return next((why for function in foreign_functions(program) if (why := function.opaque)), "")


def noisily(equation: JaxprEqn, given: Sequence[Tree], signs: Array) -> list[Tree]:
    """The operation at these operands, with rounding inside."""
    return foreign_p.bind(*given, signs, **{**equation.params, "noisy": True})


def _avals(*operands: Array, function: Foreign, axes: int, noisy: bool) -> list[ShapedArray]:
    del noisy
    leading = operands[0].shape[:axes] if operands else ()
    return [ShapedArray((*leading, *result.shape), result.dtype) for result in function.results]


def _evaluated(function: Foreign, axes: int, noisy: bool, operands: Arrays) -> list[np.ndarray]:
    """The results, given operands with so many leading axes, which are the rows."""
    leading = operands[0].shape[:axes]
    rows = [np.reshape(operand, (math.prod(operand.shape[:axes]), *operand.shape[axes:])) for operand in operands]
    found = function.rounded(*rows[:-1], signs=rows[-1]) if noisy else function.values(*rows)
    return [np.reshape(leaf, (*leading, *leaf.shape[1:])) for leaf in found]


def _at_once(*operands: Array, function: Foreign, axes: int, noisy: bool) -> list[Tree]:
    return [jnp.asarray(leaf) for leaf in _evaluated(function, axes, noisy, [np.asarray(o) for o in operands])]


def _batched(operands: Sequence[Tree], axes_of: Sequence[Tree], **params: Tree) -> tuple[list[Tree], list[int]]:
    size = next(o.shape[axis] for o, axis in zip(operands, axes_of, strict=True) if axis is not None)
    whole = [
        jnp.broadcast_to(operand, (size, *operand.shape)) if axis is None else jnp.moveaxis(operand, axis, 0)
        for operand, axis in zip(operands, axes_of, strict=True)
    ]
    found = foreign_p.bind(*whole, **{**params, "axes": params["axes"] + 1})
    return found, [0] * len(found)


def _by_callback(*operands: Array, function: Foreign, axes: int, noisy: bool) -> list[Tree]:
    """The operation in a compiled program: Python is called.

    XLA does so in threads of its own, where numbers of 64 bits arrive with 32 if float64 was switched on in a scope:
    they travel as pairs of 32 bits.
    """
    avals = _avals(*operands, function=function, axes=axes, noisy=noisy)
    types = [np.dtype(operand.dtype) for operand in operands]

    def host(*packed: Array) -> tuple[np.ndarray, ...]:
        given = [_unpacked(np.asarray(array), dtype) for array, dtype in zip(packed, types, strict=True)]
        return tuple(map(_packed, _evaluated(function, axes, noisy, given)))

    shapes = [_packed_shape(aval) for aval in avals]
    found = jax.pure_callback(host, tuple(shapes), *map(_words, operands))
    return [_joined(array, aval.dtype) for array, aval in zip(found, avals, strict=True)]


def _is_wide(dtype: DTypeLike) -> bool:
    return np.dtype(dtype).itemsize == 8


def _words(operand: Array) -> Tree:
    return jax.lax.bitcast_convert_type(operand, jnp.uint32) if _is_wide(operand.dtype) else operand


def _joined(array: Array, dtype: DTypeLike) -> Tree:
    return jax.lax.bitcast_convert_type(array, dtype) if _is_wide(dtype) else array


def _packed_shape(aval: ShapedArray) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(*((*aval.shape, 2), np.uint32) if _is_wide(aval.dtype) else (aval.shape, aval.dtype))


def _packed(array: np.ndarray) -> np.ndarray:
    if not _is_wide(array.dtype):
        return array
    return np.ascontiguousarray(array).view(np.uint32).reshape(*array.shape, 2)


def _unpacked(array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.dtype(dtype))[..., 0] if _is_wide(dtype) else array


foreign_p.def_abstract_eval(_avals)
foreign_p.def_impl(_at_once)
batching.primitive_batchers[foreign_p] = _batched
mlir.register_lowering(foreign_p, mlir.lower_fun(_by_callback, multiple_results=True))
