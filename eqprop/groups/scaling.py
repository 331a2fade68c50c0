"""Scalings and translations: the abelian groups R₊ⁿ, Cⁿ without zeros, and Rⁿ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from eqprop.arguments import one_of
from eqprop.engine import axis_in, shape_of
from eqprop.errors import InvalidInput
from eqprop.groups.base import Element, LieGroup, SizedGroup, Tensor, Vector

Pairs = Float[Array | np.ndarray, "n 2"]
"""Complex numbers as real and imaginary parts."""

FARTHEST_LOG_FACTOR = 12.0
FARTHEST_SHIFT = 10.0


def along(vector: Shaped[Array | np.ndarray, " units"], array: Tensor, axis: int) -> Array:
    """The vector reshaped so that it broadcasts along one axis of the array.

    Args:
        vector: shape (units,).
        array: with as many entries along the axis.
        axis: of the units.

    Raises:
        InvalidInput: for what is no array, an axis that it has not, or a vector of another length.
    """
    lengths = shape_of(array, "groups.along: the array")
    axis = axis_in(lengths, axis, "groups.along: the axis is")
    if shape_of(vector, "groups.along: the vector") != (lengths[axis],):
        msg = f"groups.along: the vector has the shape {np.shape(vector)}; expected {(lengths[axis],)}."
        raise InvalidInput(msg)
    return jnp.reshape(vector, [size if at == axis else 1 for at, size in enumerate(lengths)])


def unit_vectors(size: int) -> Iterable[Vector]:
    """The coordinate directions, then their sum."""
    yield from np.eye(size)
    if size > 1:
        yield np.ones(size)


@dataclass(frozen=True)
class Scaling(SizedGroup, LieGroup):
    """R₊ⁿ under multiplication: one positive factor a per coordinate. The algebra is Rⁿ, exp(ξ) = e^ξ.

    Drawn factors reach from near 1 to e^±12. Act: x ↦ a·x; dual: x ↦ x/a.
    """

    @property
    def size(self) -> int:
        return self.n

    def identity(self) -> Vector:
        return np.ones(self.n)

    def compose(self, first: Vector, second: Vector) -> Vector:
        return first * second

    def inverse(self, element: Vector) -> Vector:
        return 1 / element

    def expected(self, element: Element) -> str:
        return "" if np.all(np.asarray(element) > 0) else "factors above 0"

    def sample(self, rng: np.random.Generator, reach: float) -> Vector:
        return np.exp(rng.uniform(-1, 1, self.n) * reach * FARTHEST_LOG_FACTOR)

    def simple(self) -> Iterable[Vector]:
        for factor in (2.0, 0.5, 3.0):
            for direction in unit_vectors(self.n):
                yield np.where(direction > 0, factor, 1.0)

    def act(self, element: Vector, array: Tensor, axis: int) -> Tensor:
        return array * along(element, array, axis)

    def act_dual(self, element: Vector, array: Tensor, axis: int) -> Tensor:
        return array / along(element, array, axis)

    def power(self, element: Vector, exponent: float) -> Vector:
        return element**exponent

    def zero(self) -> Vector:
        return np.zeros(self.n)

    def sample_algebra(self, rng: np.random.Generator) -> Vector:
        return rng.standard_normal(self.n)

    def exp(self, algebra: Vector) -> Vector:
        return jnp.exp(algebra)

    def tangent(self, algebra: Vector) -> Vector:
        return algebra

    def simple_algebra(self) -> Iterable[Vector]:
        return unit_vectors(self.n)


@dataclass(frozen=True)
class Translation(SizedGroup, LieGroup):
    """Rⁿ under addition. The algebra is Rⁿ and exp the identity map. No action on hidden units: it is affine.

    Drawn shifts reach from near 0 to normal numbers times 10.
    """

    def identity(self) -> Vector:
        return np.zeros(self.n)

    def compose(self, first: Vector, second: Vector) -> Vector:
        return first + second

    def inverse(self, element: Vector) -> Vector:
        return -element

    def sample(self, rng: np.random.Generator, reach: float) -> Vector:
        return rng.standard_normal(self.n) * FARTHEST_SHIFT * reach**2

    def simple(self) -> Iterable[Vector]:
        for shift in (1.0, -1.0, 2.0):
            for direction in unit_vectors(self.n):
                yield shift * direction

    def zero(self) -> Vector:
        return np.zeros(self.n)

    def sample_algebra(self, rng: np.random.Generator) -> Vector:
        return rng.standard_normal(self.n)

    def exp(self, algebra: Vector) -> Vector:
        return jnp.asarray(algebra)

    def tangent(self, algebra: Vector) -> Vector:
        return algebra

    def simple_algebra(self) -> Iterable[Vector]:
        return unit_vectors(self.n)


@dataclass(frozen=True)
class ComplexScaling(SizedGroup, LieGroup):
    """(C without 0)ⁿ: one complex factor per frequency, stored as real pairs of shape (n, 2); acts on 2n real units.

    Attributes:
        n: the number of frequencies.
        layout: which real units form the complex number j: ``"interleaved"`` (2j, 2j+1) or ``"halves"`` (j, n+j).

    The dual of multiplication by c is multiplication by 1/conj(c): a rotary score Re(q·conj(k)) keeps its value.
    """

    layout: Literal["interleaved", "halves"] = "interleaved"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.layout, ("interleaved", "halves"), "groups.ComplexScaling: layout")

    @property
    def size(self) -> int:
        return 2 * self.n

    def identity(self) -> Pairs:
        return np.stack([np.ones(self.n), np.zeros(self.n)], -1)

    def compose(self, first: Pairs, second: Pairs) -> Pairs:
        a, b, c, d = first[..., 0], first[..., 1], second[..., 0], second[..., 1]
        return jnp.stack([a * c - b * d, a * d + b * c], -1)

    def inverse(self, element: Pairs) -> Pairs:
        return jnp.stack([element[..., 0], -element[..., 1]], -1) / jnp.sum(element**2, -1, keepdims=True)

    def expected(self, element: Element) -> str:
        return "" if np.all(np.sum(np.asarray(element) ** 2, -1) > 0) else "complex factors other than 0"

    def sample(self, rng: np.random.Generator, reach: float) -> Pairs:
        modulus = np.exp(rng.uniform(-1, 1, self.n) * reach * FARTHEST_LOG_FACTOR)
        angle = rng.uniform(-1, 1, self.n) * reach * np.pi
        return np.stack([modulus * np.cos(angle), modulus * np.sin(angle)], -1)

    def simple(self) -> Iterable[Pairs]:
        for factor in ((0.0, 1.0), (2.0, 0.0), (1.0, 1.0)):
            for direction in unit_vectors(self.n):
                yield np.where(direction[:, None] > 0, np.array(factor), self.identity())

    def act(self, element: Pairs, array: Tensor, axis: int) -> Tensor:
        moved = jnp.moveaxis(array, axis, -1)
        real, imag = self._parts(moved)
        a, b = (along(part, real, real.ndim - 1) for part in (element[..., 0], element[..., 1]))
        return jnp.moveaxis(self._joined(a * real - b * imag, a * imag + b * real), -1, axis)

    def act_dual(self, element: Pairs, array: Tensor, axis: int) -> Tensor:
        return self.act(element / jnp.sum(element**2, -1, keepdims=True), array, axis)

    def _parts(self, array: Tensor) -> tuple[Tensor, Tensor]:
        if self.layout == "interleaved":
            return array[..., 0::2], array[..., 1::2]
        return array[..., : self.n], array[..., self.n :]

    def _joined(self, real: Tensor, imag: Tensor) -> Array:
        if self.layout == "interleaved":
            return jnp.reshape(jnp.stack([real, imag], -1), (*real.shape[:-1], 2 * self.n))
        return jnp.concatenate([real, imag], -1)

    def zero(self) -> Pairs:
        return np.zeros((self.n, 2))

    def sample_algebra(self, rng: np.random.Generator) -> Pairs:
        return rng.standard_normal((self.n, 2))

    def exp(self, algebra: Pairs) -> Pairs:
        modulus = jnp.exp(algebra[..., 0])
        return jnp.stack([modulus * jnp.cos(algebra[..., 1]), modulus * jnp.sin(algebra[..., 1])], -1)

    def tangent(self, algebra: Pairs) -> Pairs:
        return algebra

    def simple_algebra(self) -> Iterable[Pairs]:
        for direction in unit_vectors(2 * self.n):
            yield direction.reshape(self.n, 2)
