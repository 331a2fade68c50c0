"""Products of groups: different factors side by side, or several copies of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import short, whole_number
from eqprop.errors import InvalidInput
from eqprop.groups.base import Algebra, Element, Group, LieGroup, Tensor, resting


@dataclass(frozen=True)
class DiscreteProduct(Group):
    """G₁ × … × G_k: an element is the tuple of its components. Build it with ``Product``."""

    factors: tuple[Group, ...] = ()

    @property
    def trivial(self) -> bool:
        return all(f.trivial for f in self.factors)

    def identity(self) -> Element:
        return tuple(f.identity() for f in self.factors)

    def compose(self, first: Element, second: Element) -> Element:
        return tuple(f.compose(a, b) for f, a, b in zip(self.factors, first, second, strict=True))

    def inverse(self, element: Element) -> Element:
        return tuple(f.inverse(a) for f, a in zip(self.factors, element, strict=True))

    def expected(self, element: Element) -> str:
        return next(filter(None, (f.expected(a) for f, a in zip(self.factors, element, strict=True))), "")

    def sample(self, rng: np.random.Generator, reach: float) -> Element:
        return tuple(f.sample(rng, reach) for f in self.factors)

    def simple(self) -> Iterable[Element]:
        for i, factor in enumerate(self.factors):
            for element in factor.simple():
                yield tuple(element if i == j else f.identity() for j, f in enumerate(self.factors))


@dataclass(frozen=True)
class LieProduct(DiscreteProduct, LieGroup):
    """A product with factors that are Lie groups, all or some: its algebra is theirs.

    Algebra elements are tuples likewise, with nothing, ``()``, for a discrete factor: exp stays at its identity.
    """

    @property
    def discrete_factor(self) -> bool:
        return any(f.discrete_factor and not f.trivial for f in self.factors)

    def zero(self) -> Algebra:
        return tuple(f.zero() if isinstance(f, LieGroup) else () for f in self.factors)

    def sample_algebra(self, rng: np.random.Generator) -> Algebra:
        return tuple(f.sample_algebra(rng) if isinstance(f, LieGroup) else () for f in self.factors)

    def exp(self, algebra: Algebra) -> Element:
        pairs = zip(self.factors, algebra, strict=True)
        return tuple(f.exp(a) if isinstance(f, LieGroup) else f.identity() for f, a in pairs)

    def tangent(self, algebra: Algebra) -> Element:
        pairs = zip(self.factors, algebra, strict=True)
        return tuple(f.tangent(a) if isinstance(f, LieGroup) else resting(f.identity()) for f, a in pairs)

    def simple_algebra(self) -> Iterable[Algebra]:
        lie = {i: f for i, f in enumerate(self.factors) if isinstance(f, LieGroup)}
        zero = self.zero()
        for i, algebra in in_turn({i: f.simple_algebra() for i, f in lie.items()}):
            yield tuple(algebra if i == j else rest for j, rest in enumerate(zero))


def in_turn(sources: Mapping[int, Iterable[Algebra]]) -> Iterable[tuple[int, Algebra]]:
    """One item of each source, then the next of each, so that the first ones have equal parts of all."""
    left = {key: iter(source) for key, source in sources.items()}
    while left:
        for key in list(left):
            try:
                yield key, next(left[key])
            except StopIteration:
                del left[key]


def Product(*factors: Group) -> DiscreteProduct:  # noqa: N802 - used like the other groups
    """G₁ × … × G_k; a Lie group where a factor is one, whose generators then move the continuous factors only.

    Raises:
        InvalidInput: without factors, or with one that is no group.
    """
    if not factors or not all(isinstance(f, Group) for f in factors):
        msg = f"groups.Product: the factors are {short(factors)}; expected one or more groups, each as an argument."
        raise InvalidInput(msg)
    return (LieProduct if _continuous(factors) else DiscreteProduct)(factors)


def _continuous(factors: tuple[Group, ...]) -> bool:
    """Whether some factor has an algebra, which Lie groups of one element lack."""
    lie = [f for f in factors if isinstance(f, LieGroup)]
    return len(lie) == len(factors) or not all(f.trivial for f in lie)


@dataclass(frozen=True)
class DiscreteSum(DiscreteProduct):
    """A product whose factors act side by side, each on its own part of the units. Build it with ``DirectSum``."""

    @property
    def permutes(self) -> bool:
        return all(f.permutes for f in self.factors)

    @property
    def isometry(self) -> bool:
        return all(f.isometry for f in self.factors)

    @property
    def size(self) -> int:
        return sum(f.size or 0 for f in self.factors)

    def act(self, element: Element, array: Tensor, axis: int) -> Tensor:
        return self._side_by_side(element, array, axis, "act")

    def act_dual(self, element: Element, array: Tensor, axis: int) -> Tensor:
        return self._side_by_side(element, array, axis, "act_dual")

    def _side_by_side(self, element: Element, array: Tensor, axis: int, how: str) -> Tensor:
        starts = np.cumsum([f.size or 0 for f in self.factors])[:-1]
        parts = jnp.split(jnp.asarray(array), starts, axis=axis)
        moved = [getattr(f, how)(g, part, axis) for f, g, part in zip(self.factors, element, parts, strict=True)]
        return jnp.concatenate(moved, axis=axis)


@dataclass(frozen=True)
class LieSum(DiscreteSum, LieProduct):
    """A direct sum with factors that are Lie groups, all or some."""


def DirectSum(*factors: Group) -> DiscreteSum:  # noqa: N802 - used like the other groups
    """G₁ ⊕ … ⊕ G_k on the first n₁ units, the next n₂, and so on; a Lie group where a factor is one.

    Raises:
        InvalidInput: without factors, or with one that is no group or does not act on units.
    """
    if not factors or not all(isinstance(f, Group) and f.size is not None for f in factors):
        msg = f"groups.DirectSum: the factors are {short(factors)}; expected groups that act on hidden units."
        raise InvalidInput(msg)
    return (LieSum if _continuous(factors) else DiscreteSum)(factors)


def stacked(elements: list[Element]) -> Element:
    """Equal trees joined along a new leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *elements)


@dataclass(frozen=True)
class DiscretePower(Group):
    """Gᵏ: k independent copies (one per attention head, say), stacked along a leading axis. Build it with ``Power``.

    Act takes the axis of the copies and the axis of the units, in this order.
    """

    factor: Group
    count: int = 1

    @property
    def trivial(self) -> bool:
        return self.factor.trivial

    @property
    def permutes(self) -> bool:
        return self.factor.permutes

    @property
    def isometry(self) -> bool:
        return self.factor.isometry

    @property
    def size(self) -> int | None:
        return None if isinstance(self.factor, DiscretePower) else self.factor.size

    def identity(self) -> Element:
        return stacked([self.factor.identity()] * self.count)

    def compose(self, first: Element, second: Element) -> Element:
        return jax.vmap(self.factor.compose)(first, second)

    def inverse(self, element: Element) -> Element:
        return jax.vmap(self.factor.inverse)(element)

    def expected(self, element: Element) -> str:
        copies = (jax.tree.map(lambda leaf, i=i: leaf[i], element) for i in range(self.count))
        return next(filter(None, map(self.factor.expected, copies)), "")

    def sample(self, rng: np.random.Generator, reach: float) -> Element:
        return stacked([self.factor.sample(rng, reach) for _ in range(self.count)])

    def simple(self) -> Iterable[Element]:
        for i in range(self.count):
            for element in self.factor.simple():
                yield stacked([element if i == j else self.factor.identity() for j in range(self.count)])

    def power(self, element: Element, exponent: float) -> Element:
        return jax.vmap(lambda one: self.factor.power(one, exponent))(element)

    def act_copies(self, element: Element, array: Tensor, axes: tuple[int, int], *, dual: bool) -> Tensor:
        """Each copy applied to its own slice.

        Args:
            element: one of the factor for each copy, stacked.
            array: with an axis of ``count`` copies and one of units.
            axes: the axis of the copies and the axis of the units.
            dual: whether the contragredient acts.
        """
        copies, units = (a % array.ndim for a in axes)
        inner = units - (units > copies)
        act = self.factor.act_dual if dual else self.factor.act
        return jax.vmap(lambda e, x: act(e, x, inner), in_axes=(0, copies), out_axes=copies)(
            element, jnp.asarray(array)
        )


@dataclass(frozen=True)
class LiePower(DiscretePower, LieGroup):
    """Copies of a Lie group."""

    factor: LieGroup  # pyright: ignore[reportIncompatibleVariableOverride]
    count: int = 1

    def zero(self) -> Algebra:
        return stacked([self.factor.zero()] * self.count)

    def sample_algebra(self, rng: np.random.Generator) -> Algebra:
        return stacked([self.factor.sample_algebra(rng) for _ in range(self.count)])

    def exp(self, algebra: Algebra) -> Element:
        return jax.vmap(self.factor.exp)(algebra)

    def tangent(self, algebra: Algebra) -> Element:
        return jax.vmap(self.factor.tangent)(algebra)

    @property
    def discrete_factor(self) -> bool:
        return self.factor.discrete_factor

    def simple_algebra(self) -> Iterable[Algebra]:
        zero = self.factor.zero()
        for i, algebra in in_turn({i: self.factor.simple_algebra() for i in range(self.count)}):
            yield stacked([algebra if i == j else zero for j in range(self.count)])


def Power(factor: Group, count: int) -> DiscretePower:  # noqa: N802 - used like the other groups
    """``count`` independent copies of one group.

    Raises:
        InvalidInput: where the factor is no group or the count is not at least 1.
    """
    if not isinstance(factor, Group):
        msg = f"groups.Power: the factor is {short(factor)}; expected a group, and how many copies: Power(Sign(3), 2)."
        raise InvalidInput(msg)
    count = whole_number(count, "groups.Power: count is", least=1)
    return LiePower(factor, count) if isinstance(factor, LieGroup) else DiscretePower(factor, count)
