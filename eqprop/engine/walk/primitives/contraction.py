"""Products of tensors, summed over the axes that they share.

Each row is a product of matrices of its own, by BLAS, on copies that are laid out alike whatever came in: so neither
the layout of the operands nor the other rows have a part in how it rounds. Of products with few terms NumPy multiplies
and adds all rows at once. Which way is taken is decided by the shapes of one row alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex, is_inexact
from eqprop.engine.walk.primitives.conversion import converted
from eqprop.engine.walk.primitives.folding import fold
from eqprop.engine.walk.primitives.operand import (
    NARROW,
    TINY,
    Array,
    DType,
    Rule,
    Step,
    apart,
    dtype_of,
    require,
    rows_ahead,
    rows_behind,
    shape_of,
)

FEW = 64
"""Up to so many products in a row, multiplying all rows at once takes less time than calling BLAS for each."""


@dataclass(frozen=True)
class Sides:
    """Two tensors of one row, and which of their axes belong together.

    Attributes:
        shapes: of both.
        contracted: the axes that are summed over, of both in the same order.
        shared: the axes that are kept and belong together, likewise.
    """

    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    contracted: tuple[tuple[int, ...], tuple[int, ...]]
    shared: tuple[tuple[int, ...], tuple[int, ...]]

    def free(self, side: int) -> tuple[int, ...]:
        """The axes that only this side has."""
        taken = {*self.contracted[side], *self.shared[side]}
        return tuple(axis for axis in range(len(self.shapes[side])) if axis not in taken)

    def lengths(self, side: int, axes: Sequence[int]) -> tuple[int, ...]:
        """How long axes of a side are."""
        return tuple(self.shapes[side][axis] for axis in axes)

    @property
    def terms(self) -> int:
        """How many products are summed for each entry of the result."""
        return math.prod(self.lengths(0, self.contracted[0]))

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of the result: shared axes, then those of the first side, then of the second."""
        kept = (self.lengths(side, self.free(side)) for side in (0, 1))
        return (*self.lengths(0, self.shared[0]), *(length for lengths in kept for length in lengths))


def contraction(sides: Sides, *, joint: bool = False) -> Step:
    """The step that takes both tensors to their product.

    Args:
        sides: of the product.
        joint: whether numbers are complex: how NumPy rounds their products depends on where in memory they lie.
    """
    if sides.terms == 0 or math.prod(sides.result) == 0:
        shape = sides.result
        return lambda x, y: np.zeros((*shape, *np.broadcast_shapes(x.shape[-1:], y.shape[-1:])), x.dtype)
    if joint or sides.terms * math.prod(sides.result) > FEW:
        return _by_matrices(sides)
    return _multiplied(sides)


def _multiplied(sides: Sides) -> Step:
    """All products of all rows, summed over their first axis."""
    (one, across), (other, along) = (_laid_out(sides, side) for side in (0, 1))
    terms, shape = sides.terms, sides.result

    def multiply(x: Array, y: Array) -> Array:
        products = np.multiply(x.transpose(one)[across], y.transpose(other)[along], order="C")
        return fold(np.add, products.reshape((terms, *shape, products.shape[-1])))

    return multiply


def _laid_out(sides: Sides, side: int) -> tuple[tuple[int, ...], tuple[slice | None, ...]]:
    """How a side's axes are ordered, contracted ones first, and where it has none of the other side's."""
    free, other = sides.free(side), sides.free(1 - side)
    common = (*sides.contracted[side], *sides.shared[side])
    mine, theirs = (slice(None),) * len(free), (None,) * len(other)
    axes = (*mine, *theirs) if side == 0 else (*theirs, *mine)
    return (*common, *free, len(sides.shapes[side])), ((slice(None),) * len(common) + axes)


def _by_matrices(sides: Sides) -> Step:
    """For each row a product of matrices, or of stacks of them."""
    left, right = _as_matrices(sides, 0), _as_matrices(sides, 1)
    shape = sides.result

    def multiply(x: Array, y: Array) -> Array:
        matrices = np.matmul(left(x), right(y))
        product = rows_behind(matrices.reshape((len(matrices), *shape)))
        return product if apart(x, y) else np.ascontiguousarray(product)

    return multiply


def _as_matrices(sides: Sides, side: int) -> Step:
    """One side as a matrix for each row, or a stack of them, whose memory its shape in one row decides.

    It is row-major as it is or, where its axes come in another order, once they are put in order. A matrix that comes
    transposed is one to BLAS as well.
    """
    common, own, over = _axes(sides, side)
    shared, free, summed = (math.prod(sides.lengths(side, axes)) for axes in (common, own, over))
    stacks = (shared,) if common else ()
    height, width = (free, summed) if side == 0 else (summed, free)
    order, turned = (*common, *own, *over), (*common, *over, *own)
    if side == 1:
        order, turned = turned, order
    if turned == tuple(range(len(turned))):
        matrices = (*stacks, width, height)
        return lambda x: np.ascontiguousarray(rows_ahead(x)).reshape((x.shape[-1], *matrices)).swapaxes(-1, -2)
    axes = (len(order), *order)
    return lambda x: np.ascontiguousarray(x.transpose(axes)).reshape((x.shape[-1], *stacks, height, width))


def _axes(sides: Sides, side: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Its axes that are shared, its own, and those that are summed over."""
    return sides.shared[side], sides.free(side), sides.contracted[side]


def precisely(equation: JaxprEqn, step: Step) -> Step:
    """The step in the type that XLA accumulates in: float32 for the small floats, and what is asked for.

    Operands of two types are first brought to that of the result, as JAX has it on a CPU.
    """
    given, wanted = [dtype_of(v) for v in equation.invars], dtype_of(equation.outvars[0])
    algorithm = equation.params["precision"]
    require(not isinstance(algorithm, (lax.DotAlgorithm, lax.DotAlgorithmPreset)), f"a product by {algorithm}")
    if len(set(given)) > 1:
        require(not TINY.issuperset(given), "a product of two types of eight bits")
        one, other = (converted(dtype, wanted) for dtype in given)
        product = _within(wanted, wanted, step)
        return lambda x, y: product(one(x), other(y))
    return _within(given[0], wanted, step)


def _within(dtype: DType, wanted: DType, step: Step) -> Step:
    """The step on operands of one type, whose result is of another."""
    within = np.dtype(np.float32) if dtype in NARROW or dtype in TINY else dtype
    if wanted.itemsize > within.itemsize or not is_inexact(wanted):
        within = wanted
    if within == dtype == wanted:
        return step
    return lambda x, y: step(x.astype(within), y.astype(within)).astype(wanted, copy=False)


def dot(equation: JaxprEqn) -> Step:
    """``lax.dot_general``."""
    contracted, shared = equation.params["dimension_numbers"]
    shapes = (shape_of(equation.invars[0]), shape_of(equation.invars[1]))
    joint = is_complex(dtype_of(equation.outvars[0]))
    return precisely(equation, contraction(Sides(shapes, _pair(contracted), _pair(shared)), joint=joint))


def _pair(axes: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(axes[0]), tuple(axes[1])


RULES: dict[str, Rule] = {"dot_general": dot}
