"""Finite groups of units in a ring: turns, and reflections as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from eqprop.groups.base import Element, Rearranging, Tensor

Place = Int[Array | np.ndarray, ""]
"""A place in a ring."""


@dataclass(frozen=True)
class Cyclic(Rearranging):
    """Z/n: shifts of n places in a ring. Elements are integer arrays of shape (); act moves unit i to place i + s."""

    @property
    def trivial(self) -> bool:
        return self.n < 2

    def identity(self) -> Place:
        return np.zeros((), dtype=np.int32)

    def compose(self, first: Place, second: Place) -> Place:
        return (first + second) % max(self.n, 1)

    def inverse(self, element: Place) -> Place:
        return -element % max(self.n, 1)

    def expected(self, element: Element) -> str:
        return "" if 0 <= int(element) < max(self.n, 1) else f"a whole number from 0 to {max(self.n, 1) - 1}"

    def sample(self, rng: np.random.Generator, reach: float) -> Place:
        if self.trivial:
            return self.identity()
        farthest = max(1, round(reach * (self.n - 1)))
        return np.asarray(rng.integers(1, farthest + 1), dtype=np.int32)

    def simple(self) -> Iterable[Place]:
        for shift in range(1, self.n):
            yield np.asarray(shift, dtype=np.int32)

    def act(self, element: Place, array: Tensor, axis: int) -> Tensor:
        return jnp.roll(array, element, axis=axis)


@dataclass(frozen=True)
class Dihedral(Rearranging):
    """The turns and reflections of a regular polygon of n corners; an element is a pair (r, s) of whole numbers.

    Act: unit i moves to place r + s i (mod n), s = ±1. (r, s)·(r′, s′) = (r + s r′, s s′).
    """

    def identity(self) -> tuple[Place, Place]:
        return np.zeros((), dtype=np.int32), np.ones((), dtype=np.int32)

    def compose(self, first: tuple[Place, Place], second: tuple[Place, Place]) -> tuple[Place, Place]:
        turned, side = map(jnp.asarray, first)
        return (turned + side * second[0]) % max(self.n, 1), side * second[1]

    def inverse(self, element: tuple[Place, Place]) -> tuple[Place, Place]:
        turned, side = map(jnp.asarray, element)
        return -side * turned % max(self.n, 1), side

    def expected(self, element: Element) -> str:
        turned, side = (int(part) for part in element)
        fits = 0 <= turned < max(self.n, 1) and abs(side) == 1
        return "" if fits else f"a whole number from 0 to {max(self.n, 1) - 1}, and 1 or -1"

    def sample(self, rng: np.random.Generator, reach: float) -> tuple[Place, Place]:
        if self.n == 0:
            return self.identity()
        turned = rng.integers(0, self.n) if reach >= 0.5 else 0
        side = rng.choice([-1, 1]) if turned else -1
        return np.asarray(turned, dtype=np.int32), np.asarray(side, dtype=np.int32)

    def simple(self) -> Iterable[tuple[Place, Place]]:
        yield np.zeros((), dtype=np.int32), np.full((), -1, dtype=np.int32)
        for turned in range(1, self.n):
            yield np.asarray(turned, dtype=np.int32), np.ones((), dtype=np.int32)

    def act(self, element: tuple[Place, Place], array: Tensor, axis: int) -> Tensor:
        turned, side = self.inverse(element)
        return jnp.take(jnp.asarray(array), (turned + side * np.arange(self.n)) % max(self.n, 1), axis=axis)
