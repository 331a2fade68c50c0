"""What a transformation is seen to be, for pairs written out by hand, and for how long that is kept."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.properties import hypotheses
from eqprop.properties.traits import action_traits_of, generators, traits_of
from tests.properties.traits.seen import DIMENSIONS, FLAGS, ROUNDING, SPECIAL, flags, subspaces
from tests.properties.traits.trait_pairs import (
    about_a_centre,
    cubic,
    idle_factor,
    isometric_embedding,
    log_scale,
    made,
    margin,
    masked,
    of_degree,
    pair,
    permutation,
    reflected_sphere,
    rescaling,
    rotation,
    translation,
    two_layers,
    weight_norm,
)


@pytest.mark.parametrize("make", FLAGS)
def test_whether_the_action_and_the_generators_are_affine_orthogonal_and_linear(make: Callable[[], eqprop.Pair]):
    assert flags(made(make)) == FLAGS[make]


@pytest.mark.parametrize("make", DIMENSIONS)
def test_how_many_generators_are_constant_symmetric_and_antisymmetric(make: Callable[[], eqprop.Pair]):
    found = subspaces(traits_of(made(make)))
    size, *dimensions = DIMENSIONS[make]
    assert [space.size for space in found] == [size] * 3
    assert [space.dimension for space in found] == dimensions


@pytest.mark.parametrize("make", SPECIAL)
def test_which_simple_generators_translate_or_scale_and_what_they_do_to_outputs(make: Callable[[], eqprop.Pair]):
    assert [(special.block, special.rate) for special in traits_of(made(make)).special] == SPECIAL[make]


def test_the_special_generators_of_each_kind_are_found_by_what_they_do():
    found = {
        make: traits_of(made(make)) for make in (weight_norm, cubic, margin, about_a_centre, translation, rescaling)
    }
    assert [make for make, t in found.items() if t.scaling()] == [weight_norm, about_a_centre]
    assert [make for make, t in found.items() if t.dilation()] == [cubic]
    assert [make for make, t in found.items() if t.translation()] == [margin]
    assert [make for make, t in found.items() if t.central_scaling()] == [weight_norm]
    np.testing.assert_array_equal(found[weight_norm].scaling().algebra, [1.0])


# -- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1 / 3, np.log(2), 2.0, -1.5, 1 / 3 + 1e-11, 7 / 12, 1e-3])
def test_a_rate_is_the_number_that_it_is(degree: float):
    (special,) = traits_of(of_degree(degree)).special
    assert special.rate == pytest.approx(degree, rel=4e-16, abs=0.0)


def test_a_rate_that_is_a_simple_fraction_is_exactly_that():
    assert [traits_of(of_degree(p)).special[0].rate for p in (2.0, 0.5, 1 / 3)] == [2.0, 0.5, 1 / 3]


# -- outputs of one number --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 3])
def test_a_shift_of_the_outputs_multiplies_no_output_be_it_a_single_number(samples: int):
    here = pair(
        lambda p, x: x @ p["w"] + jnp.broadcast_to(p["b"], samples),
        {"b": np.ones(()), "w": np.ones(2)},
        groups.Translation(1),
        lambda t, p: {**p, "b": p["b"] + t[0]},
        lambda t, y: y + t[0],
        inputs=np.ones((samples, 2)),
    )
    assert [(special.block, special.rate) for special in traits_of(here).special] == [("none", None)]
    assert hypotheses.exponential(here)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_power_of_the_outputs_multiplies_no_output_be_it_a_single_number(samples: int):
    here = pair(
        lambda p, x: jnp.exp(x @ p),
        np.ones(2),
        groups.Scaling(1),
        lambda a, p: p * a[0],
        lambda a, y: jnp.sign(y) * jnp.abs(y) ** a[0],
        inputs=np.ones((samples, 2)),
    )
    assert [(special.block, special.rate) for special in traits_of(here).special] == [("all", None)]
    assert hypotheses.homogeneous(here)


# -- what is near to a special case -----------------------------------------------------------------------------------


def test_a_generator_whose_derivative_projects_scales_a_block_where_it_lies_in_it():
    within = {make: traits_of(made(make)).special[0].within for make in (weight_norm, about_a_centre, log_scale)}
    assert within == {weight_norm: True, about_a_centre: True, log_scale: False}
    assert traits_of(made(log_scale)).projection()
    assert not traits_of(made(log_scale)).scaling()


def test_elements_that_move_nothing_are_neither_translations_nor_charges(float64: None):
    found = traits_of(made(idle_factor))
    xi = (np.ones((3, 3)), np.array([2.0]))
    for space in subspaces(found):
        matrix, shift = space.nearest(xi)
        np.testing.assert_allclose(matrix, 0, atol=ROUNDING)
        np.testing.assert_allclose(shift, 2, atol=ROUNDING)


def test_a_group_that_moves_nothing_at_all_has_no_traits():
    still = traits_of(pair(lambda p, x: x @ p, np.ones(2), groups.Scaling(3), lambda a, p: p))
    assert [space.dimension for space in subspaces(still)] == [0, 0, 0]
    assert hypotheses.changing_generator(pair(lambda p, x: x @ p, np.ones(2), groups.Scaling(3), lambda a, p: p))


@pytest.mark.parametrize(
    ("make", "seen"),
    [(rotation, True), (permutation, True), (reflected_sphere, True), (isometric_embedding, False), (rescaling, False)],
)
def test_a_coisometry_is_seen_of_the_transposed_derivative(make: Callable[[], eqprop.Pair], *, seen: bool):
    assert action_traits_of(made(make)).coisometric_action == seen


def test_moved_integers_are_seen():
    assert not action_traits_of(masked()).keeps_integers
    assert action_traits_of(masked(mask=False)).keeps_integers


def test_a_group_with_one_element_has_no_algebra_to_speak_of():
    found = traits_of(two_layers(groups.Rotation(1), n=1))
    assert [space.size for space in subspaces(found)] == [0, 0, 0]


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_traits_are_worked_out_once_for_each_pair_object(monkeypatch: pytest.MonkeyPatch):
    here = rescaling()
    first = traits_of(here)
    monkeypatch.setattr(generators, "GeneratorSurvey", None)
    assert traits_of(here) is first


def test_pairs_with_equal_keys_keep_traits_of_their_own():
    named = {"name": "net", "architecture": {"n": 3}}
    one, other = (make().replaced(**named) for make in (rescaling, rotation))
    assert one.key == other.key
    assert (traits_of(one).antisymmetric.dimension, traits_of(other).antisymmetric.dimension) == (0, 3)
    assert (traits_of(one).symmetric.dimension, traits_of(other).symmetric.dimension) == (3, 0)


def test_what_is_kept_does_not_keep_the_pair():
    here = translation()
    traits_of(here)
    gone = weakref.ref(here)
    del here
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("before", [False, True])
def test_the_users_precision_is_the_same_afterwards(before: bool):
    with jax.enable_x64(before):
        traits_of(rescaling())
        assert jax.config.values["jax_enable_x64"] == before


@pytest.mark.parametrize("far", [1e200, 1e300])
def test_an_action_that_goes_out_of_range_is_looked_at_without_a_warning(far: float):
    def act(a: Any, p: Any) -> Any:
        return {"w": far * a[0] * p["w"] * far}

    huge = pair(lambda p, x: x @ p["w"], {"w": np.ones((2, 1))}, groups.Scaling(1), act)
    assert not action_traits_of(huge).orthogonal_action
