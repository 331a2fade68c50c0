"""Lanczos' matrix against the dense one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from eqprop.engine import compiler_options
from eqprop.properties.numerics import depth_for, lanczos
from eqprop.properties.numerics.krylov import DEPTH, Lanczos

pytestmark = pytest.mark.usefixtures("float64")

START = {"a": np.array([1.0, -0.4]), "b": np.array([[0.3, 0.8], [-0.7, 0.2]])}
SIZE = 6
ROUNDING = 1e-13
"""Orthogonalised sums of some ten products: a few hundred units in the last place."""


def symmetric(eigenvalues: Any, seed: int = 0) -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((SIZE, SIZE)))[0]
    return basis @ np.diag(eigenvalues) @ basis.T


def product_with(matrix: np.ndarray) -> Callable[[Any], Any]:
    def product(v: Any) -> Any:
        flat, unravel = ravel_pytree(v)
        return unravel(matrix @ flat)

    return product


def found(matrix: np.ndarray, start: Any, depth: int) -> Lanczos:
    return jax.jit(lambda at: lanczos(product_with(matrix), at, depth), compiler_options=compiler_options())(start)


def tridiagonal(of: Lanczos) -> np.ndarray:
    return np.diag(of.diagonal) + np.diag(of.beside, 1) + np.diag(of.beside, -1)


def rows(of: Lanczos) -> np.ndarray:
    return np.asarray(jax.vmap(lambda row: ravel_pytree(row)[0])(of.basis))


SPECTRUM = np.array([4.0, -3.0, 1.5, 0.7, -0.2, 0.05])


def test_at_full_depth_the_ritz_values_are_all_eigenvalues():
    matrix = symmetric(SPECTRUM)
    whole = found(matrix, START, SIZE)
    np.testing.assert_allclose(np.linalg.eigvalsh(tridiagonal(whole)), np.sort(SPECTRUM), atol=4 * ROUNDING)
    assert whole.whole


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_the_ritz_values_are_those_of_the_dense_matrix_on_the_krylov_space(depth: int):
    matrix, start = symmetric(SPECTRUM), np.asarray(ravel_pytree(START)[0])
    powers = np.stack([np.linalg.matrix_power(matrix, k) @ start for k in range(depth)], axis=1)
    space = np.linalg.qr(powers)[0]
    at = found(matrix, START, depth)
    assert at.whole
    expected = np.linalg.eigvalsh(space.T @ matrix @ space)
    # The powers' condition is below 1e4; a wrong coefficient is of size 1.
    np.testing.assert_allclose(np.linalg.eigvalsh(tridiagonal(at)), expected, atol=1e4 * ROUNDING)


@pytest.mark.parametrize("depth", [1, 4, 6])
def test_the_basis_is_orthonormal_like_the_start_and_makes_the_matrix_tridiagonal(depth: int):
    matrix = symmetric(SPECTRUM)
    at = found(matrix, START, depth)
    assert jax.tree.map(jnp.shape, at.basis) == {"a": (depth, 2), "b": (depth, 2, 2)}
    basis, start = rows(at), np.asarray(ravel_pytree(START)[0])
    np.testing.assert_allclose(basis[0], start / np.linalg.norm(start), atol=ROUNDING)
    np.testing.assert_allclose(basis @ basis.T, np.eye(depth), atol=ROUNDING)
    np.testing.assert_allclose(basis @ matrix @ basis.T, tridiagonal(at), atol=10 * ROUNDING)


@pytest.mark.parametrize("factor", [1e-3, -1.0, 1e5])
def test_the_length_of_the_start_does_not_matter(factor: float):
    matrix = symmetric(SPECTRUM)
    one, other = (found(matrix, jax.tree.map(lambda x, f=f: f * x, START), 4) for f in (1.0, factor))
    np.testing.assert_allclose(one.diagonal, other.diagonal, atol=10 * ROUNDING)
    np.testing.assert_allclose(one.beside, other.beside, atol=10 * ROUNDING)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_matrix_of_low_rank_ends_the_space_early(rank: int, size: float):
    matrix = size * symmetric(np.concatenate([[2.0, -1.0, 0.5][:rank], np.zeros(SIZE - rank)]))
    # The null space is one dimension more.
    assert found(matrix, START, rank + 1).whole
    assert not found(matrix, START, rank + 2).whole


def test_an_eigenvector_ends_the_space_at_once():
    values, vectors = np.linalg.eigh(symmetric(SPECTRUM))
    start = {"a": vectors[:2, 1], "b": vectors[2:, 1].reshape(2, 2)}
    at = found(symmetric(SPECTRUM), start, 3)
    assert not at.whole
    np.testing.assert_allclose(at.diagonal[0], values[1], atol=4 * ROUNDING)


def test_equal_eigenvalues_end_the_space_early():
    assert not found(symmetric([2.0, 2.0, 2.0, -1.0, -1.0, -1.0]), START, 3).whole
    assert found(symmetric([2.0, 2.0, 2.0, -1.0, -1.0, -1.0]), START, 2).whole


@pytest.mark.parametrize("depth", [1, 3])
def test_the_zero_map_has_no_space_that_is_whole(depth: int):
    assert not found(np.zeros((SIZE, SIZE)), START, depth).whole


@pytest.mark.parametrize(("shapes", "depth"), [([()], 1), ([(2,)], 1), ([(2,), (2,)], 3), ([(3, 4), (5,)], DEPTH)])
def test_the_space_is_never_all_of_the_parameters(shapes: list[tuple[int, ...]], depth: int):
    assert depth_for([np.zeros(shape) for shape in shapes]) == depth


def test_fewer_steps_may_be_asked_for():
    assert depth_for([np.zeros(10)], most=2) == 2
