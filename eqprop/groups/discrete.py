"""Finite groups that act on hidden units: permutations, signs, and both at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import jax.numpy as jnp
import numpy as np

from eqprop.groups.base import Element, Group, Rearranging, SizedGroup, Tensor, Whole
from eqprop.groups.scaling import along, unit_vectors


@dataclass(frozen=True)
class Permutation(Rearranging):
    """The symmetric group on n units; an element s is the integer array with s[i] = image of i.

    (s·t)[i] = s[t[i]]. Act: unit i moves to place s[i], a left action (``w[:, s]`` is the inverse, a right action).
    """

    @property
    def trivial(self) -> bool:
        return self.n < 2

    def identity(self) -> Whole:
        return np.arange(self.n)

    def compose(self, first: Whole, second: Whole) -> Whole:
        return jnp.asarray(first)[second]

    def inverse(self, element: Whole) -> Whole:
        return jnp.argsort(element)

    def expected(self, element: Element) -> str:
        return "" if np.array_equal(np.sort(element), np.arange(self.n)) else f"each place from 0 to {self.n - 1} once"

    def sample(self, rng: np.random.Generator, reach: float) -> Whole:
        element = np.arange(self.n)
        if self.n < 2:
            return element
        if reach < 0.5:
            i, j = rng.choice(self.n, 2, replace=False)
            element[[i, j]] = element[[j, i]]
            return element
        while np.array_equal(element, np.arange(self.n)):
            element = rng.permutation(self.n)
        return element

    def simple(self) -> Iterable[Whole]:
        for i, j in pairwise(range(self.n)):
            element = np.arange(self.n)
            element[[i, j]] = element[[j, i]]
            yield element

    def act(self, element: Whole, array: Tensor, axis: int) -> Tensor:
        return jnp.take(array, self.inverse(element), axis=axis)


@dataclass(frozen=True)
class Sign(SizedGroup):
    """{+1, −1}ⁿ; an element is an integer array of signs. Act and dual: x ↦ s·x."""

    @property
    def isometry(self) -> bool:
        return True

    @property
    def size(self) -> int:
        return self.n

    def identity(self) -> Whole:
        return np.ones(self.n, dtype=np.int32)

    def compose(self, first: Whole, second: Whole) -> Whole:
        return first * second

    def inverse(self, element: Whole) -> Whole:
        return element

    def expected(self, element: Element) -> str:
        return "" if np.all(np.abs(np.asarray(element)) == 1) else "signs, each 1 or -1"

    def sample(self, rng: np.random.Generator, reach: float) -> Whole:
        element = self.identity()
        if self.n == 0:
            return element
        if reach >= 0.5:
            element = rng.choice(np.array([-1, 1], dtype=np.int32), self.n)
        element[rng.integers(self.n)] = -1
        return element

    def simple(self) -> Iterable[Whole]:
        for direction in unit_vectors(self.n):
            yield np.where(direction > 0, -1, 1).astype(np.int32)

    def act(self, element: Whole, array: Tensor, axis: int) -> Tensor:
        return array * along(element, array, axis)

    def act_dual(self, element: Whole, array: Tensor, axis: int) -> Tensor:
        return self.act(element, array, axis)


@dataclass(frozen=True)
class SignedPermutation(SizedGroup):
    """The hyperoctahedral group: a pair (permutation, signs); unit i moves to place s[i] and takes the sign there.

    (s, ε)·(t, δ) = (s·t, ε · (δ moved by s)).
    """

    @property
    def isometry(self) -> bool:
        return True

    @property
    def size(self) -> int:
        return self.n

    @property
    def _permutation(self) -> Permutation:
        return Permutation(self.n)

    @property
    def _sign(self) -> Sign:
        return Sign(self.n)

    def identity(self) -> tuple[Whole, Whole]:
        return (self._permutation.identity(), self._sign.identity())

    def compose(self, first: tuple[Whole, Whole], second: tuple[Whole, Whole]) -> tuple[Whole, Whole]:
        carried = self._permutation.act(first[0], jnp.asarray(second[1]), 0)
        return (self._permutation.compose(first[0], second[0]), first[1] * carried)

    def inverse(self, element: tuple[Whole, Whole]) -> tuple[Whole, Whole]:
        back = self._permutation.inverse(element[0])
        return (back, self._permutation.act(back, jnp.asarray(element[1]), 0))

    def expected(self, element: Element) -> str:
        return self._permutation.expected(element[0]) or self._sign.expected(element[1])

    def sample(self, rng: np.random.Generator, reach: float) -> tuple[Whole, Whole]:
        signs = self._sign.sample(rng, reach)
        if reach < 0.5 and self.n > 1 and rng.random() < 0.5:
            signs = self._sign.identity()
            return (self._permutation.sample(rng, reach), signs)
        return (self._permutation.sample(rng, reach) if reach >= 0.5 else self._permutation.identity(), signs)

    def simple(self) -> Iterable[tuple[Whole, Whole]]:
        for signs in self._sign.simple():
            yield (self._permutation.identity(), signs)
        for permutation in self._permutation.simple():
            yield (permutation, self._sign.identity())

    def act(self, element: tuple[Whole, Whole], array: Tensor, axis: int) -> Tensor:
        return self._sign.act(element[1], self._permutation.act(element[0], array, axis), axis)

    def act_dual(self, element: tuple[Whole, Whole], array: Tensor, axis: int) -> Tensor:
        return self.act(element, array, axis)


@dataclass(frozen=True)
class Integers(SizedGroup):
    """Zⁿ under addition: whole numbers of periods. Elements are integer arrays of n. No action on hidden units.

    Drawn numbers reach from ±1 in one coordinate to ±3 in all.
    """

    def identity(self) -> Whole:
        return np.zeros(self.n, dtype=np.int32)

    def compose(self, first: Whole, second: Whole) -> Whole:
        return first + second

    def inverse(self, element: Whole) -> Whole:
        return -element

    def expected(self, element: Element) -> str:
        return "" if np.array_equal(element, np.rint(element)) else "whole numbers"

    def sample(self, rng: np.random.Generator, reach: float) -> Whole:
        element = self.identity()
        if self.n == 0:
            return element
        if reach >= 0.5:
            element = rng.integers(-3, 4, self.n).astype(np.int32)
        element[rng.integers(self.n)] = rng.choice(np.array([-1, 1], dtype=np.int32))
        return element

    def simple(self) -> Iterable[Whole]:
        for direction in unit_vectors(self.n):
            yield direction.astype(np.int32)


@dataclass(frozen=True)
class Trivial(Group):
    """The group of one element, an empty array: for conversions between models that leave nothing to choose."""

    @property
    def trivial(self) -> bool:
        return True

    def identity(self) -> Whole:
        return np.zeros(0, dtype=np.int32)

    def compose(self, first: Whole, second: Whole) -> Whole:
        del second
        return first

    def inverse(self, element: Whole) -> Whole:
        return element

    def sample(self, rng: np.random.Generator, reach: float) -> Whole:
        del rng, reach
        return self.identity()
