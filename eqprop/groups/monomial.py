"""Permutations together with scalings: a product in which the one turns the other, so no ``Product``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from eqprop.groups.base import Element, LieGroup, SizedGroup, Tensor, Vector, Whole, resting
from eqprop.groups.discrete import Permutation
from eqprop.groups.scaling import Scaling


@dataclass(frozen=True)
class Monomial(SizedGroup, LieGroup):
    """R₊ⁿ ⋊ Sₙ, positive monomial matrices: the whole symmetry of a layer of ReLU units.

    An element is a pair (permutation, factors); unit i moves to place s[i] and takes the factor there. As scaling does
    not commute with permuting, it is no ``Product(Permutation(n), Scaling(n))``: (s, a)·(t, b) = (s·t, a · (b moved by
    s)). The algebra is that of the scalings, Rⁿ.
    """

    @property
    def discrete_factor(self) -> bool:
        return not self._permutation.trivial

    @property
    def size(self) -> int:
        return self.n

    @property
    def _permutation(self) -> Permutation:
        return Permutation(self.n)

    @property
    def _scaling(self) -> Scaling:
        return Scaling(self.n)

    def identity(self) -> tuple[Whole, Vector]:
        return (self._permutation.identity(), self._scaling.identity())

    def compose(self, first: tuple[Whole, Vector], second: tuple[Whole, Vector]) -> tuple[Whole, Vector]:
        carried = self._permutation.act(first[0], jnp.asarray(second[1]), 0)
        return (self._permutation.compose(first[0], second[0]), first[1] * carried)

    def inverse(self, element: tuple[Whole, Vector]) -> tuple[Whole, Vector]:
        back = self._permutation.inverse(element[0])
        return (back, self._permutation.act(back, 1 / jnp.asarray(element[1]), 0))

    def expected(self, element: Element) -> str:
        return self._permutation.expected(element[0]) or self._scaling.expected(element[1])

    def sample(self, rng: np.random.Generator, reach: float) -> tuple[Whole, Vector]:
        return (self._permutation.sample(rng, reach), self._scaling.sample(rng, reach))

    def simple(self) -> Iterable[tuple[Whole, Vector]]:
        for permutation in self._permutation.simple():
            yield (permutation, self._scaling.identity())
        for factors in self._scaling.simple():
            yield (self._permutation.identity(), factors)

    def act(self, element: tuple[Whole, Vector], array: Tensor, axis: int) -> Tensor:
        return self._scaling.act(element[1], self._permutation.act(element[0], array, axis), axis)

    def act_dual(self, element: tuple[Whole, Vector], array: Tensor, axis: int) -> Tensor:
        return self._scaling.act_dual(element[1], self._permutation.act(element[0], array, axis), axis)

    def zero(self) -> Vector:
        return self._scaling.zero()

    def sample_algebra(self, rng: np.random.Generator) -> Vector:
        return self._scaling.sample_algebra(rng)

    def exp(self, algebra: Vector) -> tuple[Whole, Vector]:
        return (self._permutation.identity(), self._scaling.exp(algebra))

    def tangent(self, algebra: Vector) -> tuple[Vector, Vector]:
        return (resting(self._permutation.identity()), algebra)

    def simple_algebra(self) -> Iterable[Vector]:
        return self._scaling.simple_algebra()
