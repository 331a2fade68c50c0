"""What drawing group elements generates, measured over reaches from 0 to 1."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from eqprop import groups
from eqprop.groups import Group, LieGroup

REACHES = (np.arange(400) + 0.5) / 400
CONTINUOUS = (
    groups.Scaling(3),
    groups.Translation(3),
    groups.Orthogonal(3),
    groups.Rotation(3),
    groups.FixingOnes(4),
    groups.GeneralLinear(3),
    groups.ComplexScaling(3),
    groups.ComplexLinear(2),
    groups.DirectSum(groups.GeneralLinear(2), groups.Scaling(1)),
    groups.Power(groups.GeneralLinear(2), 2),
    groups.Product(groups.Scaling(2), groups.Rotation(2)),
)


def drawn(group: Group, reaches: np.ndarray = REACHES) -> Any:
    return group.sample_many(np.random.default_rng(0), reaches)


def distance_to_identity(group: Group, element: Any) -> float:
    return max(
        float(np.abs(np.asarray(a) - np.asarray(e)).max())
        for a, e in zip(jax.tree.leaves(element), jax.tree.leaves(group.identity()), strict=True)
    )


@pytest.mark.parametrize("n", [2, 3, 5])
def test_condition_numbers_of_general_linear_reach_from_below_2_to_beyond_1e5(n: int) -> None:
    conditions = np.linalg.cond(drawn(groups.GeneralLinear(n)))
    assert conditions.min() < 2
    assert 1e5 < conditions.max() < 1.01e6


def test_singular_values_of_general_linear_stay_within_a_thousandth_and_a_thousand() -> None:
    values = np.linalg.svd(drawn(groups.GeneralLinear(4), np.ones(400)), compute_uv=False)
    assert values.min() > 0.999e-3
    assert values.max() < 1.001e3


def test_general_linear_draws_both_signs_of_the_determinant() -> None:
    determinants = np.linalg.det(drawn(groups.GeneralLinear(3)))
    assert 0.1 < np.mean(determinants < 0) < 0.9


def test_shifts_of_a_ring_reach_every_place() -> None:
    assert set(drawn(groups.Cyclic(5)).tolist()) >= {1, 2, 3, 4}


def test_whole_numbers_of_periods_reach_from_one_in_one_coordinate_to_three_in_all() -> None:
    elements = np.abs(drawn(groups.Integers(3)))
    assert elements.max() == 3
    assert (elements.sum(axis=1) == 1).any()
    assert (elements > 0).all(axis=1).any()


@pytest.mark.parametrize("kind", [groups.Scaling, groups.ComplexScaling])
def test_factors_spread_from_e_to_the_minus_10_to_e_to_the_10(kind: Any) -> None:
    elements = drawn(kind(3))
    moduli = np.linalg.norm(elements, axis=-1) if kind is groups.ComplexScaling else elements
    assert np.log(moduli).min() < -10
    assert np.log(moduli).max() > 10
    assert np.abs(np.log(moduli)).max() <= 12


def test_angles_of_complex_factors_spread_almost_to_a_half_turn_either_way() -> None:
    elements = drawn(groups.ComplexScaling(3))
    angles = np.arctan2(elements[..., 1], elements[..., 0])
    assert angles.min() < -2.8
    assert angles.max() > 2.8


@pytest.mark.parametrize(
    "group",
    [groups.Permutation(n) for n in (2, 3, 8)]
    + [groups.Sign(n) for n in (1, 2, 8)]
    + [groups.SignedPermutation(n) for n in (1, 2, 3)]
    + [groups.Orthogonal(1), groups.FixingOnes(2)],
    ids=repr,
)
def test_discrete_groups_never_draw_the_identity(group: Group) -> None:
    elements = drawn(group)
    assert all(
        distance_to_identity(group, jax.tree.map(lambda leaf, i=i: leaf[i], elements)) > 0 for i in range(len(REACHES))
    )


def test_a_small_reach_draws_one_transposition_and_one_sign() -> None:
    near = np.full(100, 0.1)
    assert set((drawn(groups.Permutation(6), near) != np.arange(6)).sum(1).tolist()) == {2}
    assert set((drawn(groups.Sign(6), near) == -1).sum(1).tolist()) == {1}


def test_a_large_reach_draws_every_permutation_but_the_identity_and_many_signs() -> None:
    far = np.full(400, 0.9)
    assert len(np.unique(drawn(groups.Permutation(4), far), axis=0)) == 23
    assert len(np.unique(drawn(groups.Sign(4), far), axis=0)) == 15


def test_signed_permutations_draw_pure_permutations_pure_signs_and_both() -> None:
    permutations, signs = drawn(groups.SignedPermutation(4))
    permuted, flipped = (permutations != np.arange(4)).any(1), (signs == -1).any(1)
    kinds = [np.mean(kind) for kind in (permuted & ~flipped, ~permuted & flipped, permuted & flipped)]
    assert min(kinds) > 0.1


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_orthogonal_draws_both_determinants_where_it_can(n: int) -> None:
    determinants = np.linalg.det(drawn(groups.Orthogonal(n)))
    np.testing.assert_allclose(np.abs(determinants), 1, rtol=1e-12)  # n! products of n entries at most 1, n ≤ 5
    assert (determinants < 0).any()
    assert (determinants > 0).any() == (n > 1)


def test_what_fixes_the_ones_turns_and_reflects_all_that_sums_to_zero() -> None:
    elements = drawn(groups.FixingOnes(3))
    np.testing.assert_allclose(elements.sum(2), 1, rtol=0, atol=1e-15)  # three terms that are 1 at most
    determinants = np.linalg.det(elements)
    np.testing.assert_allclose(np.abs(determinants), 1, rtol=1e-12)
    cosines = (np.trace(elements, axis1=1, axis2=2)[determinants > 0] - 1) / 2
    assert 0.1 < np.mean(determinants < 0) < 0.9
    assert cosines.min() < -0.9
    assert cosines.max() > 0.9


def test_what_fixes_the_ones_of_two_exchanges_them() -> None:
    np.testing.assert_allclose(drawn(groups.FixingOnes(2))[0], [[0, 1], [1, 0]], rtol=0, atol=1e-15)
    assert groups.FixingOnes(1).trivial
    assert not groups.FixingOnes(2).trivial


@pytest.mark.parametrize("n", [3, 4, 6])
def test_simple_generators_of_what_fixes_the_ones_are_a_basis(n: int) -> None:
    basis = np.array([turn.ravel() for turn in groups.FixingOnes(n).simple_algebra()])
    assert len(basis) == np.linalg.matrix_rank(basis) == (n - 1) * (n - 2) // 2
    assert not basis.reshape(-1, n, n).sum(2).any()


def test_rotations_have_determinant_one_and_turn_by_every_angle() -> None:
    elements = drawn(groups.Rotation(2))
    np.testing.assert_allclose(np.linalg.det(elements), 1, rtol=1e-12)
    angles = np.arctan2(elements[:, 1, 0], elements[:, 0, 0])
    assert angles.min() < -3
    assert angles.max() > 3


@pytest.mark.parametrize("group", CONTINUOUS, ids=repr)
def test_the_distance_to_the_identity_vanishes_with_the_reach(group: Group) -> None:
    """Measured: at most 60 times the reach (factors e^±12 to first order are 12 times it, products of them more)."""
    for reach in (1e-3, 1e-4, 1e-5):
        elements = drawn(group, np.full(50, reach))
        distances = [distance_to_identity(group, jax.tree.map(lambda leaf, i=i: leaf[i], elements)) for i in range(50)]
        assert 0 < max(distances) < 60 * reach


@pytest.mark.parametrize("group", CONTINUOUS, ids=repr)
def test_algebra_elements_are_of_unit_order_in_every_coordinate_and_none_is_favoured(group: Group) -> None:
    assert isinstance(group, LieGroup)
    for leaf, zero in zip(
        jax.tree.leaves(group.sample_algebra_many(np.random.default_rng(0), 400)),
        jax.tree.leaves(group.zero()),
        strict=True,
    ):
        assert leaf.shape == (400, *zero.shape)
        spread = leaf.reshape(400, -1).std(0)
        spread = spread[spread > 0]  # the diagonal of an antisymmetric matrix
        assert 0.8 < spread.min() <= spread.max() < 1.2


@pytest.mark.parametrize(
    "group", [*CONTINUOUS, groups.Permutation(4), groups.Sign(3), groups.SignedPermutation(3)], ids=repr
)
def test_simple_elements_are_made_of_numbers_that_a_person_can_read(group: Group) -> None:
    elements = list(group.simple())
    assert elements
    for element in elements:
        for leaf in jax.tree.leaves(element):
            assert np.issubdtype(leaf.dtype, np.integer) or set(np.abs(leaf).ravel()) <= {0.0, 0.5, 1.0, 2.0, 3.0}


@pytest.mark.parametrize("group", [*CONTINUOUS, groups.Permutation(4), groups.SignedPermutation(3)], ids=repr)
def test_what_is_drawn_depends_on_the_seed_alone(group: Group) -> None:
    jax.tree.map(np.testing.assert_array_equal, drawn(group), drawn(group))
