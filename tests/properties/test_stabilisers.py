"""Finite groups that fix a point, listed, and what the model does not see there: ranks, blocks, multiplicities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.evaluation import Program, applicable
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.properties.traits import stabiliser_of
from tests.properties.library_pairs import X, broken, like, model_of, rotated_units, tanh_units

EXACT = 1e-10
BOTH = tuple(by_name(name) for name in ("fixed-jacobian", "isotypic-blocks"))


def ring() -> eqprop.Pair:
    """Five units in a ring that see each other: shifts of the ring and nothing else."""

    def apply(p: Any, x: Any) -> Any:
        h = jnp.tanh(x @ p["w"])
        return (h + jnp.sin(jnp.roll(h, 1, axis=1) * jnp.roll(h, 3, axis=1))) @ p["a"]

    shift = groups.Cyclic(5)
    move = eqprop.Transformation(
        shift, lambda s, p: {"w": shift.act(s, p["w"], 1), "a": shift.act(s, p["a"], 0)}, name="shift"
    )
    return eqprop.Pair(model_of(apply, like(w=(2, 5), a=(5, 2))), move)


def bare(group: groups.Group) -> eqprop.Pair:
    return eqprop.Pair(model_of(lambda p, x: x @ p["w"], like(w=(2,))), eqprop.Transformation(group, lambda _, p: p))


class AtFixed:
    """f, J and H at the mean of K_gθ over the stabiliser, and all K_g, as whole matrices."""

    def __init__(self, pair: eqprop.Pair) -> None:
        found = stabiliser_of(pair)
        assert found is not None
        flat, tree = ravel_pytree(pair.model.params)
        elements = [jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf)[i], found.elements) for i in range(found.order)]
        move = pair.transformation.on_params
        self.matrices = np.stack(
            [np.stack([ravel_pytree(move(g, tree(row)))[0] for row in np.eye(flat.size)], axis=1) for g in elements]
        )
        self.mean = self.matrices.mean(0)
        theta = self.mean @ np.random.default_rng(0).standard_normal(flat.size)
        f = lambda at: jnp.ravel(pair.model.apply(tree(at), X))  # noqa: E731
        self.jacobian = np.asarray(jax.jacrev(f)(theta))
        self.hessian = np.asarray(jax.hessian(lambda at: jnp.sum(jnp.cosh(f(at) - 0.3)))(theta))
        self.elements = found.elements


@pytest.mark.parametrize(
    ("group", "order", "classes"),
    [
        (groups.Permutation(3), 6, 3),
        (groups.Permutation(7), 24, 5),  # of four units
        (groups.Cyclic(5), 5, 5),
        (groups.Dihedral(5), 10, 4),
        (groups.Dihedral(4), 8, 5),
        (groups.Sign(3), 8, 8),
        (groups.SignedPermutation(2), 8, 5),  # the symmetries of a square
        (groups.Product(groups.Permutation(3), groups.Sign(2)), 24, 12),
    ],
)
def test_finite_groups_are_listed_with_their_conjugacy_classes(group: groups.Group, order: int, classes: int):
    found = stabiliser_of(bare(group))
    assert found is not None
    assert (found.order, len(set(found.classes))) == (order, classes)


@pytest.mark.parametrize("group", [groups.Scaling(2), groups.Trivial(), groups.Integers(1), groups.Permutation(1)])
def test_a_group_without_small_finite_subgroups_has_none(group: groups.Group):
    assert stabiliser_of(bare(group)) is None


@pytest.mark.parametrize("make", [ring, tanh_units])
def test_the_ranks_of_jacobian_kernel_and_gauss_newton_matrix_are_bounded_by_what_is_fixed(make, float64: None):
    m = AtFixed(make())
    fixed = round(np.trace(m.mean))
    assert np.linalg.matrix_rank(m.mean) == fixed < m.jacobian.shape[1] / 2
    np.testing.assert_allclose(m.jacobian @ m.mean, m.jacobian, atol=EXACT)
    for matrix in (m.jacobian, m.jacobian @ m.jacobian.T, m.jacobian.T @ m.jacobian):
        assert np.linalg.matrix_rank(matrix, tol=EXACT) <= fixed


def test_the_hessian_of_a_ring_has_a_block_for_each_wave(float64: None):
    """Of the shifts of five places: P_j = ⅖ Σ cos(2πjk/5) K_k, real components of two waves each."""
    m = AtFixed(ring())
    waves = [np.cos(2 * np.pi * j * np.arange(5) / 5) * (1 if j == 0 else 2) / 5 for j in range(3)]
    projections = [np.tensordot(wave[m.elements], m.matrices, 1) for wave in waves]
    for i, one in enumerate(projections):
        for j, other in enumerate(projections):
            block = np.abs(one @ m.hessian @ other).max()
            assert (block > 1e-3) if i == j else (block < EXACT)


@pytest.mark.parametrize("make", [ring, tanh_units])
def test_what_a_finite_group_fixes_is_seen_and_what_breaks_it_too(make):
    for pair, good in ((make(), True), (broken(make()), False)):
        program = Program(pair, applicable(pair, BOTH), SQUARED_ERROR, probes=12)
        rng = np.random.default_rng(1)
        for name, found in program.judge(program.draw(rng, 12), rng).items():
            assert found.suspect.any() != good, name
            assert (~found.inconclusive & ~found.vacuous).all() or not good, name


def test_rotations_have_no_elements_of_whole_numbers():
    assert "no small finite group" in str(BOTH[0].reason_if_not_applicable(rotated_units()))
