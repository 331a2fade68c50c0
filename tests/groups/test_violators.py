"""A planted violator of each law of groups is refused by name, and so is what tests nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.groups import Group, check_laws


class WrongInverse(groups.Scaling):
    def inverse(self, element: Any) -> Any:
        return 1 / element + 1e-12


class ForgottenInverse(groups.Permutation):
    def inverse(self, element: Any) -> Any:
        return element


class WrongOrder(groups.SignedPermutation):
    """Forgets to carry the second signs: no longer associative with its inverse."""

    def compose(self, first: Any, second: Any) -> Any:
        return (jnp.asarray(first[0])[second[0]], first[1] * second[1])


class NotAssociative(groups.Translation):
    def compose(self, first: Any, second: Any) -> Any:
        return first + second + 1e-9 * first**2 * second * (first + second)

    def inverse(self, element: Any) -> Any:
        return -element


class WrongIdentity(groups.Scaling):
    def identity(self) -> Any:
        return np.full(self.n, 1 + 1e-12)


class TwiceTooFast(groups.Scaling):
    def exp(self, algebra: Any) -> Any:
        return jnp.exp(2 * algebra)


class FirstOrderOnly(groups.Scaling):
    def exp(self, algebra: Any) -> Any:
        return 1 + algebra


class ShiftedExponential(groups.Translation):
    def exp(self, algebra: Any) -> Any:
        return algebra + 1e-9


class SkewForgotten(groups.Rotation):
    def sample_algebra(self, rng: np.random.Generator) -> Any:
        return rng.standard_normal((self.n, self.n))


class DualWithoutInverse(groups.GeneralLinear):
    def act_dual(self, element: Any, array: Any, axis: int) -> Any:
        return self.act(element, array, axis)


class RightAction(groups.Permutation):
    def act(self, element: Any, array: Any, axis: int) -> Any:
        return jnp.take(array, element, axis=axis)


class ActOffset(groups.Scaling):
    def act(self, element: Any, array: Any, axis: int) -> Any:
        return super().act(element, array, axis) + 1e-9


class NonlinearInvolution(groups.Sign):
    """A left action with act(e) = id all the same: −1 maps x > 0 to −2x and x < 0 to −x/2."""

    def act(self, element: Any, array: Any, axis: int) -> Any:
        flipped = -array * jnp.where(array > 0, 2.0, 0.5)
        return jnp.where(super().act(element, jnp.ones_like(array), axis) > 0, array, flipped)


class LastAxisOnly(groups.Sign):
    def act(self, element: Any, array: Any, axis: int) -> Any:
        del axis
        return super().act(element, array, array.ndim - 1)


class ClaimedIsometry(groups.Scaling):
    @property
    def isometry(self) -> bool:
        return True


class NotANumber(groups.Scaling):
    def inverse(self, element: Any) -> Any:
        return jnp.log(-element)


class SimpleOutsideTheGroup(groups.Rotation):
    def simple(self) -> Iterable[Any]:
        return [np.full((self.n, self.n), 2.0)]


@pytest.mark.parametrize(
    ("group", "law"),
    [
        (WrongInverse(3), "g⁻¹ · g = e fails at g ="),
        (ForgottenInverse(3), "g⁻¹ · g = e fails at g ="),
        (WrongOrder(3), "g⁻¹ · g = e fails at g ="),
        (NotAssociative(2), r"\(g · h\) · k = g · \(h · k\) fails at g = .*, h = .*, k ="),
        (WrongIdentity(2), "e · g = g fails at g ="),
        (
            TwiceTooFast(2),
            r"d/dt exp\(t ξ\) at t = 0 is tangent\(ξ\) fails at ξ = \[1.0, 0.0\]: \[2.0, 0.0\] is not \[1.0, 0.0\]",
        ),
        (FirstOrderOnly(1), r"exp\(\(s \+ t\) ξ\) = exp\(s ξ\) · exp\(t ξ\) fails at ξ = \[1.0\], s ="),
        (ShiftedExponential(1), r"exp\(0\) = e fails"),
        (SkewForgotten(3), r"exp\(ξ\)⁻¹ = exp\(−ξ\) fails"),
        (DualWithoutInverse(2), r"⟨act_dual\(g\) x, act\(g\) y⟩ = ⟨x, y⟩ fails at g = \[\[2.0, 0.0\], \[0.0, 1.0\]\]"),
        (RightAction(3), r"act\(g · h\) = act\(g\) act\(h\) fails at .* acts? by the inverse"),
        (ActOffset(2), r"act\(e\) = identity fails"),
        (NonlinearInvolution(2), r"act\(g\) \(s x \+ t y\) = s act\(g\) x \+ t act\(g\) y fails"),
        (LastAxisOnly(2), "act along the first axis = act along the last axis fails"),
        (ClaimedIsometry(2), r"‖act\(g\) x‖ = ‖x‖ fails at g = \[2.0, 1.0\]"),
        (NotANumber(1), "g⁻¹ · g = e fails at g = .*nan"),
        (SimpleOutsideTheGroup(2), "g⁻¹ · g = e fails at g = .*2.0"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Group) else None,
)
def test_a_violator_is_refused_with_the_law_named(group: Group, law: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{type(group).__name__}\(n=\d\): {law}"):
        check_laws(group)


# -- what tests nothing -----------------------------------------------------------------------------------------------


class AlwaysTheIdentity(groups.Scaling):
    def sample(self, rng: np.random.Generator, reach: float) -> Any:
        del rng, reach
        return self.identity()


class AlwaysZero(groups.Scaling):
    def sample_algebra(self, rng: np.random.Generator) -> Any:
        del rng
        return self.zero()


class OwnRandomness(groups.Scaling):
    def sample(self, rng: np.random.Generator, reach: float) -> Any:
        del rng, reach
        return np.random.default_rng().uniform(1, 2, self.n)


class SimpleIdentity(groups.Scaling):
    def simple(self) -> Iterable[Any]:
        return [self.identity()]


class SimpleZero(groups.Scaling):
    def simple_algebra(self) -> Iterable[Any]:
        return [self.zero()]


class WrongShape(groups.Scaling):
    def sample(self, rng: np.random.Generator, reach: float) -> Any:
        del reach
        return rng.uniform(1, 2, self.n + 1)


class FalselyTrivial(groups.Sign):
    @property
    def trivial(self) -> bool:
        return True


class InverseOfAnotherShape(groups.Scaling):
    def compose(self, first: Any, second: Any) -> Any:
        return jnp.sum(first * second)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (AlwaysTheIdentity(2), "all 16 elements that sample drew are the identity"),
        (AlwaysZero(2), "every algebra element that sample_algebra drew is 0"),
        (OwnRandomness(2), "drew different elements from equal generators"),
        (SimpleIdentity(2), r"simple\(\) gives the identity \[1.0, 1.0\] at position 0"),
        (SimpleZero(2), r"simple_algebra\(\) gives the algebra element 0"),
        (WrongShape(2), "sample gives .*; expected the structure, shapes and kinds of"),
        (FalselyTrivial(2), "claims to be trivial"),
        (InverseOfAnotherShape(2), r"compose\(g, h\) gives shapes \(\); expected what is like identity"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Group) else None,
)
def test_elements_that_test_nothing_or_do_not_fit_are_refused(group: Group, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        check_laws(group)


def test_the_check_leaves_the_configuration_of_jax_as_it_was() -> None:
    before = jnp.asarray(1.0).dtype
    check_laws(groups.Sign(2))
    assert jnp.asarray(1.0).dtype == before
    with pytest.raises(InvalidInput, match="AlwaysTheIdentity"):
        check_laws(AlwaysTheIdentity(2))
    assert jnp.asarray(1.0).dtype == before
