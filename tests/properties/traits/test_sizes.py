"""Large models and algebras have the traits of small ones, seen at fewer numbers, or at one after the other."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import LARGE, rows
from eqprop.groups import LieGroup
from eqprop.properties.traits import actions, generators, traits_of
from eqprop.properties.traits import subspaces as parts
from tests.properties.traits.seen import DIMENSIONS, FLAGS, ROUNDING, SPECIAL, flags, subspaces
from tests.properties.traits.trait_pairs import (
    cubic,
    general_linear,
    made,
    pair,
    rescaling,
    rotation,
    shift_and_scale,
    translation,
    two_layers,
)


def test_a_large_model_has_the_traits_of_a_small_one(float64: None):
    group = groups.GeneralLinear(3)
    small, large = (two_layers(group, d_in=d, d_out=d) for d in (2, 400))
    assert large.model.param_leaves.size >= LARGE > small.model.param_leaves.size
    assert flags(large) == flags(small)
    xi = np.random.default_rng(0).standard_normal((3, 3))
    for one, other in zip(subspaces(traits_of(small)), subspaces(traits_of(large)), strict=True):
        assert one.dimension == other.dimension
        np.testing.assert_allclose(one.nearest(xi), other.nearest(xi), atol=ROUNDING)


@pytest.mark.parametrize("make", FLAGS)
def test_rows_taken_one_after_the_other_say_what_they_say_together(
    make: Callable[[], eqprop.Pair], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rows, "AT_ONCE", 1)
    here = make()
    found = traits_of(here)
    assert flags(here) == FLAGS[make]
    assert [space.dimension for space in subspaces(found)] == list(DIMENSIONS[make][1:])
    assert [(special.block, special.rate) for special in found.special] == SPECIAL[make]


SMALL = 30
"""In place of ``MOST_COORDINATES``, so that algebras of a few hundred elements are large ones."""


def halves(xi: np.ndarray, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """The symmetric and the antisymmetric part of a block of a matrix."""
    block = np.zeros_like(xi)
    block[part, part] = xi[part, part]
    return (block + block.T) / 2, (block - block.T) / 2


def test_the_algebra_of_seventeen_units_has_as_many_charges_and_momenta_as_it_should(float64: None):
    found = traits_of(two_layers(groups.GeneralLinear(17), n=17))
    assert [space.dimension for space in subspaces(found)] == [0, 17 * 18 / 2, 17 * 16 / 2]


@pytest.mark.parametrize(
    ("make", "whole"),
    [
        (lambda: two_layers(groups.Scaling(100), jax.nn.relu, n=100), (False, True, False)),
        (lambda: two_layers(groups.Scaling(20), jax.nn.relu, n=20), (False, True, False)),
        (lambda: two_layers(groups.Rotation(12), n=12), (False, False, True)),
    ],
    ids=["scaling", "small scaling", "rotation"],
)
def test_in_a_large_algebra_a_trait_that_every_element_has_is_seen(
    make: Callable[[], eqprop.Pair], whole: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parts, "MOST_COORDINATES", SMALL)
    here = make()
    group = here.transformation.group
    assert isinstance(group, LieGroup)
    xi = group.sample_algebra(np.random.default_rng(0))
    for space, every in zip(subspaces(traits_of(here)), whole, strict=True):
        assert space.dimension == (space.size if every else 0)
        np.testing.assert_array_equal(space.nearest(xi), xi if every else np.zeros_like(xi))


def test_of_a_large_algebra_the_traits_within_its_first_simple_elements_are_found(
    float64: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parts, "MOST_COORDINATES", SMALL)  # gl(5) within gl(9), and 5 more matrices
    found = traits_of(two_layers(groups.GeneralLinear(9), n=9))
    xi = np.random.default_rng(0).standard_normal((9, 9))
    even, odd = halves(xi, slice(0, 5))
    np.testing.assert_allclose(found.symmetric.nearest(xi), even, atol=ROUNDING)
    np.testing.assert_allclose(found.antisymmetric.nearest(xi), odd, atol=ROUNDING)
    assert [space.dimension for space in subspaces(found)] == [0, 15, 10]
    assert found.symmetric.size > SMALL


def test_of_many_large_factors_each_has_its_part(float64: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "MOST_COORDINATES", SMALL)
    here = pair(
        lambda p, x: jnp.sum(x) * jnp.einsum("hio,hok->ik", p["u"], p["v"]),
        {"u": np.ones((3, 2, 4)), "v": np.ones((3, 4, 2))},
        groups.Power(groups.GeneralLinear(4), 3),
        lambda g, p: {"u": p["u"] @ jnp.linalg.inv(g), "v": g @ p["v"]},
    )
    xi = np.random.default_rng(0).standard_normal((3, 4, 4))
    seen = np.asarray(traits_of(here).symmetric.nearest(xi))
    for kept, whole in zip(seen, xi, strict=True):
        np.testing.assert_allclose(kept, halves(whole, slice(0, 3))[0], atol=ROUNDING)


@pytest.mark.parametrize("make", [rescaling, general_linear, rotation, translation, cubic, shift_and_scale])
def test_of_a_large_model_traits_are_seen_at_one_point_after_the_other(
    make: Callable[[], eqprop.Pair], float64: None, monkeypatch: pytest.MonkeyPatch
):
    def seen(of: eqprop.Pair) -> tuple[object, ...]:
        found = traits_of(of)
        spaces = [(space.size, space.dimension) for space in subspaces(found)]
        return flags(of), spaces, [(special.block, special.rate, special.still) for special in found.special]

    here = made(make)
    expected, points, drawn = seen(here), actions.Survey.points, set[int]()
    monkeypatch.setattr(actions, "AT_ONCE", 1)
    monkeypatch.setattr(actions.Survey, "points", lambda self, count: drawn.add(count) or points(self, count))
    assert seen(here.replaced(name="taken apart")) == expected
    assert drawn == {1}


def test_of_a_large_model_few_coordinates_are_looked_at(float64: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(generators, "MOST_NUMBERS", 1)
    found = traits_of(two_layers(groups.GeneralLinear(9), n=9))
    xi = np.random.default_rng(0).standard_normal((9, 9))
    np.testing.assert_allclose(found.symmetric.nearest(xi), halves(xi, slice(0, 3))[0], atol=ROUNDING)
    assert found.symmetric.size == generators.FEWEST + parts.SPARE_ROWS
