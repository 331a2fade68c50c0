"""What groups are made of: sizes, layouts and factors, their algebras, and the arrays that they move."""

from __future__ import annotations

from itertools import islice
from typing import Any

import jax
import numpy as np
import pytest

from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.groups import DiscretePower, LieGroup
from tests.groups.every import ALL, SIZED


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


# -- acting -----------------------------------------------------------------------------------------------------------


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
