"""Copies of a probe have every number moved by a unit in its last place, and nothing else."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eqprop.probes import Probe
from eqprop.rounding import perturbed

EPS = float(np.finfo(np.float64).eps)
NORMAL = st.floats(1e-100, 1e100) | st.floats(-1e100, -1e-100)


def copies_of(leaf: np.ndarray, eps: float = EPS, copies: int = 6) -> np.ndarray:
    rows = perturbed(Probe(inputs=leaf), copies, eps, np.random.default_rng(0)).inputs
    assert rows.dtype == leaf.dtype
    return rows.reshape(leaf.shape[0], 1 + copies, *leaf.shape[1:])


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=NORMAL))
def test_every_number_moves_by_one_unit_in_its_last_place_and_the_probe_itself_stays(leaf: np.ndarray):
    rows = copies_of(leaf)
    np.testing.assert_array_equal(rows[:, 0], leaf)
    units = np.abs(rows[:, 1:] - leaf[:, None]) / np.spacing(np.abs(leaf))[:, None]
    # The unit is relative to the number: between one and two spacings of its binade.
    assert np.isin(units, [1.0, 2.0]).all()


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_lower_precisions_move_by_their_own_unit(dtype: Any):
    leaf = np.array([[1.0, -1.5, 3.0]]).astype(dtype)
    eps = float(jnp.finfo(dtype).eps)
    moved = np.abs(copies_of(leaf, eps)[:, 1:].astype(float) / leaf[:, None].astype(float) - 1)
    assert (moved >= eps / 2).all()
    assert (moved <= eps * 2).all()


def test_numbers_move_in_both_directions_independently_of_each_other():
    rows = copies_of(np.ones((1, 50)), copies=50)[0, 1:]
    assert 0.4 < (rows > 1).mean() < 0.6
    assert (rows > 1).mean(axis=0).min() > 0
    assert (rows > 1).mean(axis=0).max() < 1


def test_a_zero_moves_by_a_unit_of_the_largest_number_of_its_leaf_and_probe():
    rows = copies_of(np.array([[0.0, 8.0], [0.0, -0.25], [0.0, 0.0]]))
    np.testing.assert_array_equal(np.abs(rows[:, 1:, 0]), np.array([8.0, 0.25, 1.0])[:, None] * EPS * np.ones(6))


def test_a_leaf_of_one_zero_per_probe_moves_as_if_it_were_one():
    np.testing.assert_array_equal(np.abs(copies_of(np.zeros(2))[:, 1:]), EPS)


@pytest.mark.parametrize("leaf", [np.arange(6).reshape(2, 3), np.ones((2, 3), bool)], ids=["integers", "booleans"])
def test_integers_and_booleans_never_move(leaf: np.ndarray):
    assert (copies_of(leaf) == leaf[:, None]).all()


def test_empty_leaves_and_absent_fields_stay_as_they_are():
    probe = perturbed(Probe(params=(np.ones((2, 0)),), inputs=np.ones((2, 1))), 3, EPS, np.random.default_rng(0))
    assert probe.params[0].shape == (8, 0)
    assert probe.tangent is None


def test_infinities_and_the_largest_numbers_are_perturbed_without_a_warning():
    rows = copies_of(np.array([[np.inf, np.nan, 1e308, np.finfo(float).max]]))
    assert rows[0, 0, 2] == 1e308
