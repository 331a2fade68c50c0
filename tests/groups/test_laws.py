"""The laws of groups: every group keeps them, and a planted violator of each is refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop import groups
from eqprop.engine import watchdog
from eqprop.errors import InvalidInput, Stalled
from eqprop.groups import DiscretePower, Group, LieGroup, check_laws
from eqprop.groups.base import SizedGroup

SIZES = (0, 1, 3)
SIZED = tuple(kind for kind in vars(groups).values() if isinstance(kind, type) and issubclass(kind, SizedGroup))
"""Those that the door offers: a new group is asked as soon as it is exported."""
COMPOSITES = {
    "trivial": groups.Trivial(),
    "product-with-the-trivial-group": groups.Product(groups.Trivial(), groups.Sign(2)),
    "cyclic-4": groups.Cyclic(4),
    "dihedral-4": groups.Dihedral(4),
    "complex-linear-in-halves": groups.ComplexLinear(2, "halves"),
    "direct-sum-of-linear-groups": groups.DirectSum(groups.GeneralLinear(2), groups.Scaling(1)),
    "direct-sum-with-a-discrete-factor": groups.DirectSum(groups.Orthogonal(2), groups.Permutation(3)),
    "complex-scaling-in-halves": groups.ComplexScaling(3, "halves"),
    "product-of-lie-groups": groups.Product(groups.Scaling(2), groups.Translation(3)),
    "product-with-a-discrete-factor": groups.Product(groups.Scaling(2), groups.Permutation(3)),
    "nested-product-with-a-discrete-factor": groups.Product(
        groups.Product(groups.Sign(2), groups.GeneralLinear(2)), groups.Cyclic(3)
    ),
    "power-of-a-mixed-sum": groups.Power(groups.DirectSum(groups.Sign(2), groups.Scaling(1)), 2),
    "power-of-scaling": groups.Power(groups.Scaling(3), 2),
    "power-of-signed-permutation": groups.Power(groups.SignedPermutation(3), 2),
    "power-of-general-linear": groups.Power(groups.GeneralLinear(2), 3),
    "product-of-a-power-and-a-trivial-group": groups.Product(groups.Power(groups.Sign(2), 2), groups.Permutation(1)),
}
ALL = {f"{kind.__name__}-{n}": kind(n) for kind in SIZED for n in SIZES} | COMPOSITES


@pytest.mark.parametrize("name", ALL)
def test_every_group_keeps_the_laws(name: str) -> None:
    check_laws(ALL[name])


def test_the_check_leaves_the_configuration_of_jax_as_it_was() -> None:
    before = jnp.asarray(1.0).dtype
    check_laws(groups.Sign(2))
    assert jnp.asarray(1.0).dtype == before
    with pytest.raises(InvalidInput, match="AlwaysTheIdentity"):
        check_laws(AlwaysTheIdentity(2))
    assert jnp.asarray(1.0).dtype == before


def test_the_trivial_group_draws_its_one_element() -> None:
    group = groups.Trivial()
    rng = np.random.default_rng(0)
    assert group.trivial
    assert not list(group.simple())
    assert np.array_equal(group.sample(rng, 1.0), group.identity())


@pytest.mark.parametrize("seed", range(5))
def test_ill_conditioned_matrices_raise_no_false_alarm(seed: int) -> None:
    check_laws(groups.GeneralLinear(4), seed=seed)


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


@pytest.mark.parametrize("count", [0, 1, True, 2.0])
def test_a_count_below_two_is_refused(count: Any) -> None:
    with pytest.raises(InvalidInput, match="check_laws: count is"):
        check_laws(groups.Sign(1), count=count)


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(InvalidInput, match="check_laws: got 3; expected a Group"):
        check_laws(3)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Heisenberg(LieGroup):
    """A user's own group, without action, simple elements or tangent: (a, b, c)·(x, y, z) = (a+x, b+y, c+z+ay)."""

    def identity(self) -> Any:
        return {"ab": np.zeros(2), "c": np.zeros(())}

    def compose(self, first: Any, second: Any) -> Any:
        return {"ab": first["ab"] + second["ab"], "c": first["c"] + second["c"] + first["ab"][0] * second["ab"][1]}

    def inverse(self, element: Any) -> Any:
        return {"ab": -element["ab"], "c": element["ab"][0] * element["ab"][1] - element["c"]}

    def sample(self, rng: np.random.Generator, reach: float) -> Any:
        return {"ab": reach * rng.standard_normal(2), "c": reach * rng.standard_normal()}

    def zero(self) -> Any:
        return self.identity()

    def sample_algebra(self, rng: np.random.Generator) -> Any:
        return self.sample(rng, 1.0)

    def exp(self, algebra: Any) -> Any:
        return {"ab": algebra["ab"], "c": algebra["c"] + algebra["ab"][0] * algebra["ab"][1] / 2}


def test_a_group_of_the_users_own_passes() -> None:
    check_laws(Heisenberg())


@pytest.mark.parametrize("kind", SIZED)
@pytest.mark.parametrize("size", [-1, 1.0, True, "3", None])
def test_a_size_that_is_no_whole_number_is_refused(kind: Any, size: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"groups.{kind.__name__}: size is {size!r}; expected a whole number"):
        kind(size)


def test_a_numpy_size_is_an_ordinary_one() -> None:
    assert repr(groups.Scaling(np.int64(3))) == "Scaling(n=3)"  # pyright: ignore[reportArgumentType]


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(InvalidInput, match="layout is 'pairs'; expected 'interleaved' or 'halves'"):
        groups.ComplexScaling(2, "pairs")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("factors", [(), (3,)])
def test_a_product_without_groups_is_refused(factors: Any) -> None:
    with pytest.raises(InvalidInput, match=r"groups\.Product: the factors are"):
        groups.Product(*factors)


@pytest.mark.parametrize(
    ("factor", "count", "message"), [(3, 2, "the factor is 3; expected a group"), (groups.Sign(1), 0, "count is 0")]
)
def test_a_power_of_nothing_is_refused(factor: Any, count: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=rf"groups\.Power: {message}"):
        groups.Power(factor, count)


def test_products_and_powers_of_lie_groups_are_lie_groups() -> None:
    assert isinstance(groups.Product(groups.Scaling(1), groups.Translation(1)), LieGroup)
    assert isinstance(groups.Power(groups.Scaling(1), 2), LieGroup)
    assert isinstance(groups.Product(groups.Scaling(1), groups.Sign(1)), LieGroup)
    assert isinstance(groups.DirectSum(groups.Sign(1), groups.Scaling(1)), LieGroup)
    assert not isinstance(groups.Product(groups.Rotation(1), groups.Sign(1)), LieGroup)
    assert not isinstance(groups.Power(groups.Sign(1), 2), LieGroup)


def test_the_algebra_of_a_mixed_product_is_that_of_its_continuous_factors() -> None:
    group = groups.Product(groups.Permutation(3), groups.Scaling(2), groups.Product(groups.Sign(1), groups.Rotation(2)))
    assert isinstance(group, LieGroup)
    zero = group.zero()
    assert [leaf.shape for leaf in jax.tree.leaves(zero)] == [(2,), (2, 2)]
    permutation, factors, (sign, turn) = group.exp(((), np.log([2.0, 3.0]), ((), zero[2][1])))
    np.testing.assert_array_equal(permutation, [0, 1, 2])
    np.testing.assert_array_equal(sign, [1])
    np.testing.assert_allclose(factors, [2.0, 3.0], rtol=1e-6)  # float32
    np.testing.assert_array_equal(turn, np.eye(2))
    assert group.discrete_factor
    assert not groups.Product(groups.Scaling(2), groups.Permutation(1)).discrete_factor


def test_simple_algebra_elements_of_factors_take_turns_and_matrices_grow_by_an_edge() -> None:
    group = groups.Product(groups.Scaling(1), groups.Permutation(2), groups.Translation(2))
    assert isinstance(group, LieGroup)
    moved = [[leaf.tolist() for leaf in jax.tree.leaves(xi)] for xi in group.simple_algebra()]
    assert moved == [[[1], [0, 0]], [[0], [1, 0]], [[0], [0, 1]], [[0], [1, 1]]]
    first = np.sum(list(islice(groups.GeneralLinear(4).simple_algebra(), 9)), axis=0)
    np.testing.assert_array_equal(first, np.pad(np.ones((3, 3)), (0, 1)))


def test_permutations_do_not_commute_with_scalings_and_their_group_is_no_product() -> None:
    group = groups.Monomial(2)
    swap, stretch = (np.array([1, 0]), np.ones(2)), (np.arange(2), np.array([2.0, 1.0]))
    one, other = group.compose(swap, stretch), group.compose(stretch, swap)
    np.testing.assert_array_equal(one[1], [1.0, 2.0])
    np.testing.assert_array_equal(other[1], [2.0, 1.0])


@pytest.mark.parametrize("act", ["act", "act_dual"])
def test_a_group_without_an_action_on_units_says_so(act: str) -> None:
    with pytest.raises(InvalidInput, match=r"Translation\(n=2\) has no linear action on hidden units"):
        getattr(groups.Translation(2), act)(np.ones(2), np.ones(2), 0)


ACTING = {name: g for name, g in ALL.items() if g.size and not isinstance(g, DiscretePower)}


@pytest.mark.parametrize("name", ACTING)
def test_float32_elements_stay_float32_in_float64_mode(name: str) -> None:
    group = ACTING[name]
    lowered = jax.tree.map(
        lambda leaf: leaf.astype(np.float32) if leaf.dtype == np.float64 else leaf,
        group.sample(np.random.default_rng(0), 0.7),
    )
    array = np.ones((2, group.size or 0), np.float32)

    def results(g: Any, x: Any) -> Any:
        return group.compose(g, g), group.inverse(g), group.act(g, x, 1), group.act_dual(g, x, 1)

    with jax.enable_x64(True):
        dtypes = {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(results, lowered, array))}
    assert np.dtype(np.float64) not in dtypes
    assert np.dtype(np.float32) in dtypes


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint32, np.float16, np.float32, np.complex64])
def test_a_permutation_moves_arrays_of_any_dtype(dtype: Any) -> None:
    array = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    moved = groups.Permutation(3).act(np.array([2, 0, 1]), array, 1)
    assert moved.dtype == dtype
    np.testing.assert_array_equal(moved, array[:, [1, 2, 0]])


def test_a_group_that_stands_still_is_given_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LIMIT", 1.0)
    monkeypatch.setattr(watchdog, "POLL", 0.2)
    never = Event()

    class Waiting(groups.Scaling):
        def compose(self, first: Any, second: Any) -> Any:
            def wait(element: Any) -> Any:
                never.wait()
                return np.asarray(element)

            promised = jax.ShapeDtypeStruct((self.n,), np.float64)
            return jax.pure_callback(wait, promised, first * second, vmap_method="sequential")

    with pytest.raises(Stalled, match=r"the program of the laws of .*Waiting\(n=2\) stood still"):
        check_laws(Waiting(2))
    never.set()
