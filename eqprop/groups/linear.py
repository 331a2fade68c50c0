"""Matrix groups: orthogonal, rotation, general linear. Elements are n×n matrices, the algebra is their tangent at 1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from eqprop.engine import axis_in, inverse_matrix, scanned, shape_of
from eqprop.errors import InvalidInput
from eqprop.groups.base import Element, LieGroup, Matrix, SizedGroup, Tensor

FARTHEST_CONDITION = 1e6

TAYLOR_DEGREE = 18
MOST_HALVINGS = 16


def multiply_along(matrix: Shaped[Array | np.ndarray, "rows columns"], array: Tensor, axis: int) -> Array:
    """The matrix applied to the vectors that lie along one axis.

    Args:
        matrix: shape (rows, columns).
        array: with ``columns`` entries along the axis.
        axis: which has ``rows`` entries afterwards.

    Raises:
        InvalidInput: for what is no array, an axis that it has not, or a matrix of other columns.
    """
    lengths = shape_of(array, "groups.multiply_along: the array")
    axis = axis_in(lengths, axis, "groups.multiply_along: the axis is")
    shape = shape_of(matrix, "groups.multiply_along: the matrix")
    if len(shape) != 2 or shape[1] != lengths[axis]:
        msg = f"groups.multiply_along: the matrix has the shape {shape}; expected {lengths[axis]} columns."
        raise InvalidInput(msg)
    return jnp.moveaxis(jnp.tensordot(matrix, array, axes=((1,), (axis,))), 0, axis)


def matrix_exponential(matrix: Matrix) -> Float[Array, "n n"]:
    """exp by Taylor's series of degree 18 with scaling and squaring: matrix products only.

    The matrix is halved until its norm is at most 1, where the first term left out is 1/19! < 1e-17. In float64 it was
    measured to be as accurate as the Padé approximants of ``jax.scipy.linalg.expm``, whose linear solves and five
    degrees (all of them, under ``vmap``) take four times as long to compile.
    """
    matrix = jnp.asarray(matrix)
    one = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    largest = jax.lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(matrix), axis=0), initial=1.0))
    halvings = jnp.minimum(jnp.ceil(jnp.log2(largest)), MOST_HALVINGS)
    halved = matrix / 2.0**halvings

    def horner(series: Array, degree: Array) -> tuple[Array, None]:
        return one + halved @ series / degree.astype(series.dtype), None

    def square(power: Array, i: Array) -> tuple[Array, None]:
        return jnp.where(i < halvings, power @ power, power), None

    series = scanned(horner, one, jnp.arange(TAYLOR_DEGREE, 0, -1))[0]
    return scanned(square, series, jnp.arange(MOST_HALVINGS))[0]


def is_invertible(matrix: np.ndarray) -> bool:
    """Whether a real or complex matrix has an inverse, as far as its singular values tell."""
    return bool(np.isfinite(matrix).all() and np.linalg.matrix_rank(matrix) == len(matrix))


def cayley(skew: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The rotation (1 − S)⁻¹(1 + S), near the identity for small S."""
    one = np.eye(skew.shape[0])
    return np.linalg.solve(one - skew, one + skew)


def rotation(rng: np.random.Generator, n: int, reach: float) -> Float[np.ndarray, "{n} {n}"]:
    """A random rotation: near the identity for a small reach, uniform (Haar) from one half on.

    Args:
        rng: every number comes from it.
        n: the size of the matrix.
        reach: from 0 to 1.
    """
    gaussian = rng.standard_normal((n, n))
    if reach < 0.5:
        return cayley(reach * (gaussian - gaussian.T) / 2)
    q, r = np.linalg.qr(gaussian)
    q = q * np.sign(np.diag(r))
    if n and np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return q


def plane_turns(n: int) -> Iterable[Matrix]:
    """Quarter turns of neighbouring coordinates."""
    for i in range(n - 1):
        turn = np.eye(n)
        turn[i : i + 2, i : i + 2] = [[0, -1], [1, 0]]
        yield turn


def matrix_units(n: int, *, skew: bool) -> Iterable[Matrix]:
    """A basis of the algebra, one or two nonzero coordinates each; its first m² (or m(m−1)/2) are that of size m."""
    for last in range(n):
        edge = [(i, last) for i in range(last)]
        if not skew:
            edge += [(last, last), *((last, i) for i in range(last))]
        for i, j in edge:
            unit = np.zeros((n, n))
            unit[i, j] = 1.0
            yield unit - unit.T if skew else unit


UNWRITTEN = 1e-3
"""So far from orthogonal is no matrix that somebody wrote with four digits; less is judged as it is."""


@dataclass(frozen=True)
class MatrixGroup(SizedGroup, LieGroup):
    """What the matrix groups share: g·h is the matrix product, exp the matrix exponential."""

    @property
    def size(self) -> int:
        return self.n

    def identity(self) -> Matrix:
        return np.eye(self.n)

    def compose(self, first: Matrix, second: Matrix) -> Matrix:
        return first @ second

    def act(self, element: Matrix, array: Tensor, axis: int) -> Tensor:
        return multiply_along(element, array, axis)

    def act_dual(self, element: Matrix, array: Tensor, axis: int) -> Tensor:
        return multiply_along(jnp.swapaxes(self.inverse(element), -1, -2), array, axis)

    def zero(self) -> Matrix:
        return np.zeros((self.n, self.n))

    def exp(self, algebra: Matrix) -> Matrix:
        return matrix_exponential(algebra)

    def tangent(self, algebra: Matrix) -> Matrix:
        return algebra


@dataclass(frozen=True)
class Rotation(MatrixGroup):
    """SO(n): rotations; the algebra are the antisymmetric matrices."""

    @property
    def trivial(self) -> bool:
        return self.n < 2

    @property
    def isometry(self) -> bool:
        return True

    def inverse(self, element: Matrix) -> Matrix:
        return jnp.swapaxes(element, -1, -2)

    def expected(self, element: Element) -> str:
        turned = np.linalg.det(np.asarray(element, dtype=float)) > 0
        return _expected_orthogonal(element) or ("" if turned else "a rotation, of determinant 1")

    def act_dual(self, element: Matrix, array: Tensor, axis: int) -> Tensor:
        return self.act(element, array, axis)

    def sample(self, rng: np.random.Generator, reach: float) -> Matrix:
        return rotation(rng, self.n, reach)

    def simple(self) -> Iterable[Matrix]:
        return plane_turns(self.n)

    def sample_algebra(self, rng: np.random.Generator) -> Matrix:
        gaussian = rng.standard_normal((self.n, self.n))
        return (gaussian - gaussian.T) / np.sqrt(2)

    def simple_algebra(self) -> Iterable[Matrix]:
        return matrix_units(self.n, skew=True)


def _expected_orthogonal(element: Element) -> str:
    matrix = np.asarray(element, dtype=float)
    off = np.abs(matrix.T @ matrix - np.eye(len(matrix))).max(initial=0.0)
    return "" if off <= UNWRITTEN else "an orthogonal matrix, AᵀA = 1"


@dataclass(frozen=True)
class Orthogonal(Rotation):
    """O(n): rotations and reflections. Drawn elements are reflections half of the time from a reach of one half on.

    O(1) = {±1} is discrete: −1 is always drawn.
    """

    def expected(self, element: Element) -> str:
        return _expected_orthogonal(element)

    @property
    def trivial(self) -> bool:
        return self.n == 0

    def sample(self, rng: np.random.Generator, reach: float) -> Matrix:
        element = rotation(rng, self.n, reach)
        if self.n == 1 or (self.n and reach >= 0.5 and rng.random() < 0.5):
            element[0] = -element[0]
        return element

    def simple(self) -> Iterable[Matrix]:
        for i in range(self.n):
            mirror = np.eye(self.n)
            mirror[i, i] = -1
            yield mirror
        yield from plane_turns(self.n)


@dataclass(frozen=True)
class GeneralLinear(MatrixGroup):
    """GL(n): invertible matrices, drawn with condition numbers from near 1 to 1e6 and either sign of determinant."""

    def inverse(self, element: Matrix) -> Matrix:
        return inverse_matrix(element)

    def expected(self, element: Element) -> str:
        return "" if is_invertible(np.asarray(element, dtype=float)) else "an invertible matrix"

    def sample(self, rng: np.random.Generator, reach: float) -> Matrix:
        left, right = rotation(rng, self.n, reach), rotation(rng, self.n, reach)
        if self.n and reach >= 0.5 and rng.random() < 0.5:
            left[0] = -left[0]
        spread = np.sqrt(FARTHEST_CONDITION) ** (reach * rng.uniform(-1, 1, self.n))
        return left @ (spread[:, None] * right)

    def simple(self) -> Iterable[Matrix]:
        for i in range(self.n):
            stretched = np.eye(self.n)
            stretched[i, i] = 2.0
            yield stretched
        for i in range(self.n):
            for j in range(self.n):
                if i != j:
                    shear = np.eye(self.n)
                    shear[i, j] = 1.0
                    yield shear

    def sample_algebra(self, rng: np.random.Generator) -> Matrix:
        return rng.standard_normal((self.n, self.n))

    def simple_algebra(self) -> Iterable[Matrix]:
        return matrix_units(self.n, skew=False)
