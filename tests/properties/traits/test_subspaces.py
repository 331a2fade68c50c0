"""The constant, symmetric and antisymmetric generators, against dense derivatives of all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop.engine import compiler_options
from eqprop.groups import LieGroup
from eqprop.properties.traits import traits_of
from tests.properties.traits.seen import LIE, ROUNDING, subspaces
from tests.properties.traits.trait_pairs import general_linear, made, shift_and_scale


class DenseGenerators:
    """Dk_ξ at a point as a matrix, for a basis of the algebra and so for every ξ."""

    def __init__(self, one: eqprop.Pair) -> None:
        group = one.transformation.group
        assert isinstance(group, LieGroup)
        zero, self.unravel = ravel_pytree(group.zero())
        theta, tree = ravel_pytree(one.model.params)

        def moved(flat: Any, at: Any) -> Any:
            return ravel_pytree(one.transformation.on_params(group.exp(self.unravel(flat)), tree(at)))[0]

        mixed = jax.jit(jax.jacfwd(jax.jacfwd(moved), 1), compiler_options=compiler_options())
        self.mixed = np.asarray(mixed(zero, np.cos(1.0 + np.arange(theta.size))))  # numbers × coordinates × numbers
        drawn = group.sample_algebra_many(np.random.default_rng(3), 2 * zero.size)
        self.drawn = np.asarray(jax.vmap(lambda xi: ravel_pytree(xi)[0])(drawn))

    def matrix(self, flat: Any) -> np.ndarray:
        return np.einsum("iaj,a->ij", self.mixed, np.asarray(flat))


dense_of = cache(lambda make: DenseGenerators(made(make)))

OFF = {
    "constant": lambda m: m,
    "symmetric": lambda m: m - m.T,
    "antisymmetric": lambda m: m + m.T,
}


@pytest.mark.parametrize("trait", OFF)
@pytest.mark.parametrize("make", LIE)
def test_projections_have_the_trait_and_no_algebra_element_outside_has_it(
    make: Callable[[], eqprop.Pair], trait: str, float64: None
):
    dense, space = dense_of(make), getattr(traits_of(made(make)), trait)
    nearest = [np.asarray(ravel_pytree(space.nearest(dense.unravel(flat)))[0]) for flat in dense.drawn]
    off = [np.abs(OFF[trait](dense.matrix(flat))).max() for flat in nearest]
    # Products of a few numbers of size 1 to 10.
    assert max(off) <= 10 * ROUNDING
    assert np.linalg.matrix_rank(np.array(nearest), tol=1e-6) == space.dimension
    rows = np.array([OFF[trait](dense.matrix(flat)).ravel() for flat in dense.drawn])
    assert np.linalg.matrix_rank(rows, tol=1e-6) == space.size - space.dimension


@pytest.mark.parametrize("make", LIE)
def test_projections_leave_no_rounding_error_where_nothing_should_move(make: Callable[[], eqprop.Pair], float64: None):
    dense = dense_of(make)
    for space in subspaces(traits_of(made(make))):
        for flat in dense.drawn:
            nearest = np.abs(ravel_pytree(space.nearest(dense.unravel(flat)))[0])
            assert ((nearest == 0) | (nearest > 1e-9)).all()


def test_on_two_linear_layers_the_symmetric_matrices_have_symmetric_generators_and_no_others(float64: None):
    found = traits_of(made(general_linear))
    xi = np.random.default_rng(0).standard_normal((3, 3))
    np.testing.assert_allclose(found.symmetric.nearest(xi), (xi + xi.T) / 2, atol=ROUNDING)
    np.testing.assert_allclose(found.antisymmetric.nearest(xi), (xi - xi.T) / 2, atol=ROUNDING)
    np.testing.assert_array_equal(found.constant.nearest(xi), np.zeros((3, 3)))


def test_in_a_product_each_factor_has_its_own_trait(float64: None):
    found = traits_of(made(shift_and_scale))
    xi = (np.array([1.0, -2.0]), np.array([3.0, 4.0, -5.0]))
    for space in (found.constant, found.antisymmetric):
        shift, scale = space.nearest(xi)
        np.testing.assert_allclose(shift, xi[0], atol=10 * ROUNDING)
        np.testing.assert_allclose(scale, 0, atol=10 * ROUNDING)
    for given, kept in zip(xi, found.symmetric.nearest(xi), strict=True):
        np.testing.assert_array_equal(kept, given)


def test_a_projection_keeps_the_dtype_of_the_algebra_element():
    space = traits_of(made(general_linear)).symmetric
    assert space.nearest(np.eye(3, dtype=np.float32)).dtype == np.float32
