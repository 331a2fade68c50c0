"""What a group is to eqprop: elements that compose, and a way to draw them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.dtypes import float0
from jaxtyping import Array, Float, Int, Shaped

from eqprop.arguments import short, whole_number
from eqprop.engine import value_and_derivative
from eqprop.errors import InvalidInput

Element = Any
Algebra = Any
"""Of a group, or of a Lie algebra: an array or a pytree of arrays. Each group says of which shape."""

Tensor = Shaped[Array | np.ndarray, "..."]
"""What units lie in, along one axis."""

Vector = Float[Array | np.ndarray, " n"]
Matrix = Float[Array | np.ndarray, "n n"]
Whole = Int[Array | np.ndarray, " n"]
"""Elements, and algebra elements, of the groups that are made of n numbers, of n×n or of n whole ones."""


class Group(ABC):
    """Elements g with g·h, g⁻¹ and e. Elements are arrays or pytrees of arrays; integer arrays are never perturbed.

    The laws are (gh)k = g(hk), eg = g = ge and g⁻¹g = e. ``eqprop.groups.check_laws`` tests them for any group, yours
    included, up to the rounding floor of each example.

    A group that acts linearly on hidden units also implements ``act`` and ``act_dual``; ``hidden_units`` needs them.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
    def identity(self) -> Element:
        """e."""

    @abstractmethod
    def compose(self, first: Element, second: Element) -> Element:
        """first · second."""

    @abstractmethod
    def inverse(self, element: Element) -> Element:
        """The element with element⁻¹ · element = e."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, reach: float) -> Element:
        """A random element, from near the identity (``reach`` → 0) to as far from it as the group goes (``reach`` = 1).

        A discrete group takes its simplest elements (one transposition, one sign) where the reach is small, and never
        the identity. Every number comes from ``rng``. Return NumPy arrays, float64 for real coordinates.
        """

    def simple(self) -> Iterable[Element]:
        """Elements with coordinates that a person can read, simplest first: what a counterexample shrinks to.

        Each differs from the identity. None by default: counterexamples then keep the element that was drawn.
        """
        return ()

    def expected(self, element: Element) -> str:
        """What an element of this group is, in words, where the given one is none; empty where it is, or is not known.

        Asked of elements that somebody wrote (``eqprop.check``): of numbers of the identity's shapes and types.
        """
        del element
        return ""

    @property
    def trivial(self) -> bool:
        """Whether e is the only element: there is nothing to verify then, but for a conversion between two models."""
        return False

    @property
    def discrete_factor(self) -> bool:
        """Whether the group is discrete, or has a factor that is: elements that no generator leads to."""
        return True

    @property
    def permutes(self) -> bool:
        """Whether ``act`` puts units in other places and does nothing else, so that integers and masks can be moved."""
        return False

    @property
    def isometry(self) -> bool:
        """Whether ``act`` preserves the Euclidean norm for every element."""
        return False

    @property
    def size(self) -> int | None:
        """The length of the axis that ``act`` acts on; None for a group without such an action."""
        return None

    def act(self, element: Element, array: Tensor, axis: int) -> Tensor:
        """The element applied to the vectors that lie along one axis of an array.

        Args:
            element: g.
            array: of any shape with ``size`` entries along the axis.
            axis: along which the units lie.
        """
        del element, array, axis
        msg = f"{self!r} has no linear action on hidden units; write on_params yourself."
        raise InvalidInput(msg)

    def act_dual(self, element: Element, array: Tensor, axis: int) -> Tensor:
        """The contragredient action: ⟨act_dual(g, a), act(g, b)⟩ = ⟨a, b⟩ along the axis.

        Args:
            element: g.
            array: as for ``act``.
            axis: likewise.
        """
        del element, array, axis
        msg = f"{self!r} has no linear action on hidden units; write on_params yourself."
        raise InvalidInput(msg)

    def power(self, element: Element, exponent: float) -> Element:
        """element^exponent, where the group has real powers."""
        del element, exponent
        msg = f"{self!r} has no real powers; only groups.Scaling takes power=."
        raise InvalidInput(msg)

    def sample_many(self, rng: np.random.Generator, reaches: np.ndarray) -> Element:
        """One element for each reach, stacked along a leading axis."""
        drawn = [self.sample(rng, float(reach)) for reach in reaches]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)


class LieGroup(Group):
    """A group with a Lie algebra: ξ ↦ exp(ξ) and its derivative at 0.

    The laws are exp(0) = e, exp((s+t)ξ) = exp(sξ) exp(tξ), and d/dt exp(tξ) at t = 0 equals ``tangent(ξ)``. Integers in
    an element (of a discrete factor) stay at the identity's along exp(tξ).
    """

    @property
    def discrete_factor(self) -> bool:
        return False

    @abstractmethod
    def sample_algebra(self, rng: np.random.Generator) -> Algebra:
        """A random algebra element of unit order of magnitude, no coordinate favoured."""

    @abstractmethod
    def exp(self, algebra: Algebra) -> Element:
        """The element at parameter 1 of the one-parameter subgroup that the algebra element generates."""

    @abstractmethod
    def zero(self) -> Algebra:
        """The algebra element 0."""

    def tangent(self, algebra: Algebra) -> Element:
        """d/dt exp(tξ) at t = 0, in the coordinates of the elements; by automatic differentiation of ``exp``.

        Matrix groups override it by the identity map, which is cheaper; the conformance check compares the two.
        """
        return resting(*value_and_derivative(self.exp, self.zero(), algebra))

    def simple_algebra(self) -> Iterable[Algebra]:
        """Readable algebra elements, simplest first; none by default."""
        return ()

    def sample_algebra_many(self, rng: np.random.Generator, count: int) -> Algebra:
        """``count`` algebra elements, stacked along a leading axis."""
        drawn = [self.sample_algebra(rng) for _ in range(count)]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)


def resting(element: Element, velocity: Element = None) -> Element:
    """A velocity like an element, zeros by default and in place of what JAX says of integers, which do not move."""
    velocity = jax.tree.map(lambda leaf: np.zeros(np.shape(leaf), float0), element) if velocity is None else velocity
    return jax.tree.map(lambda v, leaf: np.zeros(np.shape(leaf)) if v.dtype == float0 else v, velocity, element)


def involutions(group: Group) -> Iterator[Element]:
    """The simple elements that are their own inverses: transpositions, signs, mirrors. Simplest first.

    One by one: of n units there are about n, and each is as large as n.
    """
    if not isinstance(group, Group):
        msg = f"involutions: got {short(group)}; expected a Group such as groups.Permutation(3)."
        raise InvalidInput(msg)
    identity = jax.tree.map(np.asarray, group.identity())

    def is_identity(element: Element) -> bool:
        pairs = zip(jax.tree.leaves(element), jax.tree.leaves(identity), strict=True)
        return all(np.array_equal(a, b) for a, b in pairs)

    return (element for element in group.simple() if is_identity(group.compose(element, element)))


@dataclass(frozen=True)
class SizedGroup(Group):
    """A group given by one whole number n, 0 or more.

    Raises:
        InvalidInput: where n is anything else.
    """

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", whole_number(self.n, f"groups.{type(self).__name__}: size is"))

    @property
    def trivial(self) -> bool:
        return self.n == 0


@dataclass(frozen=True)
class Rearranging(SizedGroup):
    """A group that puts n units in other places, and does nothing else to them: its action is its own dual."""

    @property
    def permutes(self) -> bool:
        return True

    @property
    def isometry(self) -> bool:
        return True

    @property
    def size(self) -> int:
        return self.n

    def act_dual(self, element: Element, array: Tensor, axis: int) -> Tensor:
        return self.act(element, array, axis)
