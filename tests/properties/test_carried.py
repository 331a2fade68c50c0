"""What conversions and stretching maps carry of a Hessian, against dense eigenvalues and determinants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop.evaluation import applicable
from eqprop.mutants import second_derivative
from eqprop.properties import by_name
from eqprop.properties.numerics import eliminated, orthonormalising
from tests.properties.judged import suspected
from tests.properties.library_pairs import X, rotated_units, split_unit, two_layers

NAMES = ("carried-inertia", "volume")


def hessian(model: eqprop.Model, params: Any) -> np.ndarray:
    flat, tree = ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda at: 0.5 * jnp.sum((model.apply(tree(at), X) - 0.7) ** 2)))(flat))


def signs(matrix: np.ndarray) -> tuple[int, int]:
    found = np.linalg.eigvalsh(matrix)
    clear = 1e-10 * np.abs(found).max()
    return int((found > clear).sum()), int((found < -clear).sum())


def test_a_larger_model_has_at_least_as_many_eigenvalues_of_each_sign_and_may_have_more(float64: None):
    pair, rng = split_unit(), np.random.default_rng(0)
    grown = []
    for _ in range(4):
        params = {name: rng.standard_normal(leaf.shape) for name, leaf in pair.model.params.items()}
        moved = pair.transformation.on_params((), params)
        here, there = signs(hessian(pair.model, params)), signs(hessian(pair.image, moved))
        assert all(a <= b for a, b in zip(here, there, strict=True))
        grown.append(here != there)
    assert any(grown)


def test_pivots_count_signs_and_multiply_to_the_determinant(float64: None):
    matrix = np.random.default_rng(3).standard_normal((4, 4))
    symmetric, gram = matrix + matrix.T, matrix @ matrix.T
    lower, pivots = eliminated(jnp.asarray(symmetric))
    np.testing.assert_allclose(lower @ jnp.diag(pivots) @ lower.T, symmetric, rtol=1e-9, atol=1e-9)
    assert (int((pivots > 0).sum()), int((pivots < 0).sum())) == signs(symmetric)
    np.testing.assert_allclose(jnp.prod(pivots), np.linalg.det(symmetric), rtol=1e-9)
    rows = orthonormalising(jnp.asarray(gram))
    np.testing.assert_allclose(rows @ gram @ rows.T, np.eye(4), atol=1e-9)


def test_signs_and_volumes_are_carried_into_another_model():
    assert suspected(split_unit(), NAMES) == dict.fromkeys(NAMES, False)


def test_within_one_model_a_stretching_map_changes_the_volume_by_its_own_and_a_rotation_has_nothing_to_change():
    assert suspected(two_layers(), NAMES) == {"volume": False}
    assert not applicable(rotated_units(), [by_name(name) for name in NAMES])


@pytest.mark.parametrize("share", [0.7 + 1e-6, 0.5])
def test_a_reader_that_is_shared_wrongly_is_seen_by_both(share: float):
    pair = split_unit()

    def wrong(element: Any, p: Any) -> Any:
        moved = pair.transformation.on_params(element, p)
        return {**moved, "a": moved["a"].at[-1].multiply(share / 0.7)}

    broken = pair.replaced(transformation=replace(pair.transformation, on_params=wrong))
    assert suspected(broken, NAMES) == dict.fromkeys(NAMES, True)


def test_a_second_derivative_that_is_wrong_in_the_source_is_seen_by_both():
    pair = second_derivative("w").broken(split_unit())
    assert isinstance(pair, eqprop.Pair)
    assert suspected(pair, NAMES) == dict.fromkeys(NAMES, True)
