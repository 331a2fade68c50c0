"""Involutions: which simple elements are, and from which of them a probe draws one."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.groups import involutions
from eqprop.probes import SQUARED_ERROR, probes_of, sampling
from eqprop.properties.hypotheses import with_involutions


def pair_of(group: groups.Group) -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: x @ p, np.ones((2, 2)), np.ones((3, 2)))
    return eqprop.Pair(model, eqprop.Transformation(group, lambda g, p: p))


def drawn(group: groups.Group, count: int) -> eqprop.Probe:
    shapes = jax.ShapeDtypeStruct((3, 2), np.float64)
    rng = np.random.default_rng(0)
    return probes_of(pair_of(group), SQUARED_ERROR, shapes, frozenset({"involution"}), rng, count)


WITH_INVOLUTIONS = [
    groups.Permutation(2),
    groups.Permutation(4),
    groups.Sign(3),
    groups.SignedPermutation(3),
    groups.Orthogonal(1),
    groups.Orthogonal(3),
    groups.FixingOnes(3),
    groups.Product(groups.Sign(2), groups.Permutation(3)),
    groups.Product(groups.Scaling(2), groups.Sign(2)),
    groups.Product(groups.Orthogonal(2), groups.Translation(1)),
    groups.Power(groups.SignedPermutation(2), 2),
]
WITHOUT = [
    groups.Scaling(2),
    groups.GeneralLinear(1),
    groups.GeneralLinear(3),
    groups.Translation(2),
    groups.ComplexScaling(2),
    groups.Rotation(3),
    groups.Permutation(1),
    groups.Product(groups.Scaling(1), groups.Translation(1)),
]


def same_element(one: Any, other: Any) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


@pytest.mark.parametrize("group", WITH_INVOLUTIONS, ids=repr)
def test_involutions_are_their_own_inverses_and_not_the_identity(group: groups.Group):
    found = list(involutions(group))
    assert found
    for element in found:
        assert same_element(group.compose(element, element), group.identity())
        assert not same_element(element, group.identity())


@pytest.mark.parametrize("group", WITHOUT, ids=repr)
def test_groups_without_a_simple_involution_have_none(group: groups.Group):
    assert list(involutions(group)) == []


def test_of_many_involutions_no_more_are_made_than_are_asked_for(monkeypatch: pytest.MonkeyPatch):
    made, simple = list[int](), groups.Permutation.simple

    def counted(self: groups.Permutation) -> Any:
        return (made.append(1) or element for element in simple(self))

    monkeypatch.setattr(groups.Permutation, "simple", counted)
    group = groups.Permutation(1000)
    assert with_involutions(pair_of(group)) is None
    assert len(made) == 1


def test_turns_and_cycles_are_no_involutions():
    turns_too = groups.Orthogonal(3)
    assert len(list(turns_too.simple())) > len(list(involutions(turns_too))) == 3
    assert all(np.linalg.det(mirror) < 0 for mirror in involutions(turns_too))


def test_drawn_involutions_are_all_of_them_in_no_order():
    group = groups.SignedPermutation(3)
    probes = drawn(group, 200)
    rows = [jax.tree.map(lambda leaf, i=i: leaf[i], probes.involution) for i in range(200)]
    found = list(involutions(group))
    places = [next(i for i, element in enumerate(found) if same_element(row, element)) for row in rows]
    assert set(places) == set(range(len(found)))
    assert places != sorted(places)


def test_of_many_units_the_first_involutions_are_drawn_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "INVOLVED", 3 * 50)
    probes = drawn(groups.Permutation(50), 200)
    assert set(np.flatnonzero((probes.involution != np.arange(50)).any(axis=0))) == {0, 1, 2, 3}
