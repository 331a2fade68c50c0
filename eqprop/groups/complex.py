"""Complex matrices that act on pairs of real units: what commutes with a rotation of several planes by one angle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqprop.arguments import one_of
from eqprop.engine import inverse_matrix
from eqprop.groups.base import Element, LieGroup, Matrix, SizedGroup, Tensor
from eqprop.groups.linear import GeneralLinear, is_invertible, matrix_exponential, multiply_along

Layout = Literal["interleaved", "halves"]

Complex = Float[Array | np.ndarray, "2 n n"]
"""A complex matrix as its real and its imaginary part."""


@dataclass(frozen=True)
class ComplexLinear(SizedGroup, LieGroup):
    """GL(n, C): invertible complex matrices, stored as real and imaginary part (2, n, n); acts on 2n real units.

    Attributes:
        n: complex units.
        layout: which real units form the complex unit j: ``"interleaved"`` (2j, 2j+1) or ``"halves"`` (j, n+j).

    The dual of M is the inverse of its conjugate transpose: Re⟨q, k⟩ keeps its value.
    """

    layout: Layout = "interleaved"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.layout, ("interleaved", "halves"), "groups.ComplexLinear: layout")

    @property
    def size(self) -> int:
        return 2 * self.n

    def identity(self) -> Complex:
        return np.stack([np.eye(self.n), np.zeros((self.n, self.n))])

    def compose(self, first: Complex, second: Complex) -> Complex:
        (a, b), (c, d) = first, second
        return jnp.stack([a @ c - b @ d, a @ d + b @ c])

    def inverse(self, element: Complex) -> Complex:
        return _parts(inverse_matrix(_real_form(element)))

    def expected(self, element: Element) -> str:
        whole = np.asarray(element[0], dtype=float) + 1j * np.asarray(element[1], dtype=float)
        return "" if is_invertible(whole) else "real and imaginary part of an invertible complex matrix"

    def sample(self, rng: np.random.Generator, reach: float) -> Complex:
        # A real matrix of moderate condition, with an imaginary part that leaves it invertible.
        real = GeneralLinear(self.n).sample(rng, reach)
        turn = reach * np.pi * rng.uniform(-1, 1)
        return np.stack([np.cos(turn) * real, np.sin(turn) * real]) if self.n else self.identity()

    def simple(self) -> Iterable[Complex]:
        zero, one = np.zeros((self.n, self.n)), np.eye(self.n)
        if self.n:
            yield np.stack([zero, one])
        for matrix in GeneralLinear(self.n).simple():
            yield np.stack([matrix, zero])

    def act(self, element: Complex, array: Tensor, axis: int) -> Tensor:
        return multiply_along(self._matrix(_real_form(element)), array, axis)

    def act_dual(self, element: Complex, array: Tensor, axis: int) -> Tensor:
        dual = jnp.swapaxes(inverse_matrix(_real_form(element)), -1, -2)
        return multiply_along(self._matrix(dual), array, axis)

    def _matrix(self, real_form: Matrix) -> Matrix:
        """The matrix on units laid out as real parts, then imaginary ones, on units as they are laid out here."""
        if self.layout == "halves":
            return real_form
        order = np.arange(2 * self.n).reshape(2, self.n).T.ravel()
        return real_form[order][:, order]

    def zero(self) -> Complex:
        return np.zeros((2, self.n, self.n))

    def sample_algebra(self, rng: np.random.Generator) -> Complex:
        return rng.standard_normal((2, self.n, self.n))

    def exp(self, algebra: Complex) -> Complex:
        return _parts(matrix_exponential(_real_form(algebra)))

    def tangent(self, algebra: Complex) -> Complex:
        return algebra

    def simple_algebra(self) -> Iterable[Complex]:
        for part in range(2):
            for matrix in GeneralLinear(self.n).simple_algebra():
                yield np.stack([matrix if part == i else np.zeros_like(matrix) for i in range(2)])


def _real_form(element: Complex) -> Float[Array, "2*n 2*n"]:
    """[[A, −B], [B, A]] of A + iB."""
    a, b = element[0], element[1]
    return jnp.concatenate([jnp.concatenate([a, -b], -1), jnp.concatenate([b, a], -1)], -2)


def _parts(real_form: Float[Array, "m m"]) -> Complex:
    """A and B of [[A, −B], [B, A]]."""
    n = real_form.shape[-1] // 2
    return jnp.stack([real_form[:n, :n], real_form[n:, :n]])
