"""The inverse without LAPACK: as accurate as LAPACK's, and differentiated as often as one likes in either mode."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop import groups
from eqprop.engine import primitives
from eqprop.evaluation.traced_programs import keepable
from eqprop.groups import inverse_matrix

A = np.random.default_rng(0).standard_normal((4, 4))
B, C = np.random.default_rng(1).standard_normal((2, 4, 4))


@pytest.mark.parametrize("reach", [0.1, 1.0])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_the_error_is_some_units_in_the_last_place_times_the_condition(n: int, reach: float, float64: None):
    for seed in range(5):
        matrix = groups.GeneralLinear(n).sample(np.random.default_rng(seed), reach)
        found = np.asarray(inverse_matrix(matrix))
        floor = np.finfo(float).eps * np.linalg.cond(matrix)
        # LAPACK's own are at 3 of these.
        assert np.abs(found @ matrix - np.eye(n)).max() < 8 * floor
        assert np.abs(matrix @ found - np.eye(n)).max() < 8 * floor


@pytest.mark.parametrize("group", [groups.GeneralLinear(3), groups.Permutation(3), groups.Orthogonal(3)])
def test_simple_elements_are_inverted_exactly(group: groups.Group, float64: None):
    for element in group.simple():
        matrix = np.asarray(group.act(element, np.eye(3), 0))
        np.testing.assert_array_equal(inverse_matrix(matrix) @ matrix, np.eye(3))


def test_a_vanishing_pivot_is_passed_over(float64: None):
    matrix = np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    np.testing.assert_array_equal(inverse_matrix(matrix), [[0, 1, 0], [1, 0, -1], [-1, 0, 2]])


def test_a_singular_matrix_has_no_finite_inverse():
    assert not np.isfinite(inverse_matrix(np.ones((2, 2)))).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_type_stays(dtype: jnp.dtype):
    assert inverse_matrix(2 * jnp.eye(2, dtype=dtype)).dtype == dtype


def test_an_integer_matrix_has_an_inverse_in_floating_point():
    np.testing.assert_array_equal(inverse_matrix(np.array([[0, 1], [2, 0]])), [[0, 0.5], [1, 0]])


def test_a_batch_is_each_matrix_alone(float64: None):
    batch = np.stack([A, B, C])
    alone = [np.asarray(inverse_matrix(matrix)) for matrix in batch]
    # Compiled apart, products and sums may be joined differently.
    np.testing.assert_allclose(jax.vmap(inverse_matrix)(batch), alone, rtol=1e-12)


MODES = {"forward": jax.jacfwd, "reverse": jax.jacrev}


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_first_and_second_derivatives_are_those_of_the_inverse(inner: str, outer: str, float64: None):
    def along(s: jnp.ndarray) -> jnp.ndarray:
        return inverse_matrix(A + s[0] * B + s[1] * C)

    x = np.linalg.inv(A)
    at = np.zeros(2)
    bound = 1e-11 * np.abs(x).max() ** 3  # of products of three inverses
    first = MODES[inner](along)
    np.testing.assert_allclose(first(at), np.stack([-x @ B @ x, -x @ C @ x], -1), rtol=0, atol=bound)
    mixed = x @ B @ x @ C @ x + x @ C @ x @ B @ x
    np.testing.assert_allclose(MODES[outer](first)(at)[:, :, 0, 1], mixed, rtol=0, atol=bound)


GROUPS = [
    groups.GeneralLinear(3),
    groups.ComplexLinear(2),
    groups.Power(groups.GeneralLinear(2), 3),
    groups.DirectSum(groups.GeneralLinear(2), groups.Scaling(1)),
    groups.Orthogonal(3),
]


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_the_inverse_of_no_group_calls_lapack(group: groups.Group):
    def pairing(element: Any) -> Any:
        return sum(
            jnp.sum(a * b) for a, b in zip(*map(jax.tree.leaves, (group.inverse(element), element)), strict=True)
        )

    assert keepable(jax.make_jaxpr(jax.grad(pairing))(group.identity()))


def test_the_elimination_is_not_differentiated():
    def loops(function: object) -> int:
        return list(primitives(jax.make_jaxpr(function)(A))).count("scan")

    assert loops(inverse_matrix) == 1
    assert loops(jax.jacfwd(inverse_matrix)) == 1
    assert loops(jax.grad(lambda m: jnp.sum(inverse_matrix(m)))) == 1
