"""What a transformation is seen to be, for pairs written out by hand, against dense derivatives of their generators."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.engine import LARGE, compiler_options, rows
from eqprop.groups import LieGroup
from eqprop.properties import hypotheses
from eqprop.properties.traits import Traits, action_traits_of, actions, generators, traits_of
from eqprop.properties.traits import subspaces as parts
from eqprop.properties.traits.generators import Subspace
from tests.properties.traits.trait_pairs import (
    about_a_centre,
    centred,
    conversion,
    cubic,
    general_linear,
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
    sheared,
    shift_and_scale,
    stored_gain,
    translation,
    two_layers,
    weight_norm,
)

ROUNDING = 1e-12
"""Orthonormal rows from an SVD of some twenty rows of size 1: a few hundred units in the last place."""

FLAGS = {
    #                  K affine, orthogonal; k affine, linear
    rescaling: (True, False, True, True),
    general_linear: (True, False, True, True),
    rotation: (True, True, True, True),
    translation: (True, True, True, False),
    shift_and_scale: (True, False, True, False),
    weight_norm: (True, False, True, True),
    cubic: (True, False, True, True),
    margin: (True, True, True, False),
    sheared: (False, False, False, False),
    about_a_centre: (True, False, True, False),
    stored_gain: (True, False, True, False),
    log_scale: (True, False, True, False),
    idle_factor: (True, True, True, False),
    permutation: (True, True, False, False),
    conversion: (False, False, False, False),
}

DIMENSIONS = {
    #                  of the algebra; constant, symmetric, antisymmetric
    rescaling: (3, 0, 3, 0),
    general_linear: (9, 0, 6, 3),
    rotation: (3, 0, 0, 3),
    translation: (2, 2, 2, 2),
    shift_and_scale: (5, 2, 5, 2),
    weight_norm: (1, 0, 1, 0),
    cubic: (1, 0, 1, 0),
    margin: (1, 1, 1, 1),
    sheared: (2, 0, 0, 0),
    about_a_centre: (1, 0, 1, 0),
    stored_gain: (1, 0, 1, 0),
    log_scale: (1, 0, 1, 0),
    idle_factor: (1, 1, 1, 1),
    permutation: (0, 0, 0, 0),
    conversion: (0, 0, 0, 0),
}

SPECIAL = {
    weight_norm: [("some", 0.0)],
    cubic: [("all", 3.0)],
    margin: [("none", -1.0)],
    about_a_centre: [("all", 0.0)],
    stored_gain: [("all", 2.0)],
    log_scale: [("some", 0.0)],
    idle_factor: [("none", 0.0)],
    translation: [("none", 0.0)] * 3,
    # The simple elements of the factors in turn.
    shift_and_scale: [("none", 0.0), ("some", 0.0)] * 3 + [("some", 0.0)],
    rescaling: [("each", 0.0)] * 4,
    general_linear: [("each", 0.0)] * 3,
    rotation: [],
    sheared: [],
    permutation: [],
    conversion: [],
}

LIE = [make for make, (size, *_) in DIMENSIONS.items() if size]


def flags(here: eqprop.Pair) -> tuple[bool, ...]:
    action, found = action_traits_of(here), traits_of(here)
    return (action.affine_action, action.orthogonal_action, found.affine_generator, found.linear_generator)


def subspaces(found: Traits) -> tuple[Subspace, ...]:
    return (found.constant, found.symmetric, found.antisymmetric)


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


# -- the subspaces against dense derivatives --------------------------------------------------------------------------


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


# -- nearly ------------------------------------------------------------------------------------------------------------


def wobbling_rotation(error: float) -> eqprop.Pair:
    return pair(
        lambda p, x: x @ jnp.sum(p**2, axis=0),
        np.ones((3, 2)),
        groups.Rotation(3),
        lambda r, p: r @ p * (1 + error * r[0, 1]),
    )


def uneven_translation(error: float) -> eqprop.Pair:
    return pair(
        lambda b, x: x @ centred(b),
        np.ones((2, 3)),
        groups.Translation(2),
        lambda t, b: b + t[:, None] * (1 + error * jnp.sin(b)),
    )


def leaking_rescaling(error: float) -> eqprop.Pair:
    def act(a: Any, p: Any) -> Any:
        leak = jnp.zeros_like(p["w1"]).at[:, 1].set(error * (a[0] - 1) * p["w1"][:, 0])
        return {"w1": p["w1"] * a[None] + leak, "w2": p["w2"] / a[:, None]}

    params = {"w1": np.ones((2, 3)), "w2": np.ones((3, 2))}
    return pair(lambda p, x: jax.nn.relu(x @ p["w1"]) @ p["w2"], params, groups.Scaling(3), act)


def another_power(error: float) -> eqprop.Pair:
    here = weight_norm()
    act = lambda a, p: {**p, "v": p["v"] * a[0] ** (1 + error)}  # noqa: E731
    return here.replaced(transformation=eqprop.Transformation(groups.Scaling(1), act))


def moving_outputs(error: float) -> eqprop.Pair:
    here = weight_norm()
    moved = eqprop.Transformation(groups.Scaling(1), here.transformation.on_params, lambda a, y: y * a[0] ** error)
    return here.replaced(transformation=moved)


def curved_scaling(error: float) -> eqprop.Pair:
    return pair(
        lambda p, x: x @ (p / jnp.linalg.norm(p)),
        np.ones(2),
        groups.Scaling(1),
        lambda a, p: p * a[0] + error * (a[0] - 1) * p**2,
    )


NEARLY: list[tuple[Callable[[float], eqprop.Pair], Callable[[Any], object]]] = [
    (wobbling_rotation, lambda t: t.orthogonal_action),
    (wobbling_rotation, lambda t: t.antisymmetric.dimension == 3),
    (uneven_translation, lambda t: t.affine_action),
    (uneven_translation, lambda t: t.constant.dimension == 2),
    (leaking_rescaling, lambda t: t.symmetric.dimension == 3),
    (another_power, lambda t: t.scaling()),
    (moving_outputs, lambda t: t.scaling()),
    (curved_scaling, lambda t: t.affine_generator),
    (curved_scaling, lambda t: t.linear_generator),
]
NAMED = ["orthogonal", "antisymmetric", "affine K", "constant", "symmetric", "block", "rate", "affine k", "linear k"]


@pytest.mark.parametrize(("make", "has"), NEARLY, ids=NAMED)
def test_a_transformation_that_is_off_by_a_millionth_is_not_recognised(
    make: Callable[[float], eqprop.Pair], has: Callable[[Any], object]
):
    assert has(all_traits(make(0.0)))
    assert not has(all_traits(make(1e-6)))


def all_traits(here: eqprop.Pair) -> SimpleNamespace:
    found = traits_of(here)
    return SimpleNamespace(**vars(action_traits_of(here)), **vars(found), scaling=found.scaling)


def test_only_the_generators_that_are_off_lose_the_trait(float64: None):
    found = traits_of(leaking_rescaling(1e-6)).symmetric
    assert found.dimension == 2
    with jax.enable_x64(True):
        nearest = found.nearest(np.array([1.0, 2.0, -3.0]))
    # The one direction that is lost is seen at an error of 1e-6 in numbers of size 1.
    np.testing.assert_allclose(nearest, [0.0, 2.0, -3.0], atol=1e-8)


@pytest.mark.parametrize(("dtype", "orthogonal"), [(np.float64, True), (np.float32, False)], ids=["float64", "float32"])
def test_mirrors_through_a_table_of_float32_are_affine_and_not_orthogonal(dtype: Any, orthogonal: bool):
    table = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0].astype(dtype)
    here = pair(
        lambda p, x: x @ p,
        np.ones(4),
        groups.Sign(4),
        lambda s, p: table @ (s * (table.T @ p)),
        inputs=np.ones((3, 4)),
    )
    found = action_traits_of(here)
    assert found.affine_action
    assert found.orthogonal_action == orthogonal


@pytest.mark.parametrize(("slant", "block"), [(0.0, ["some"]), (1.0, [])], ids=["orthogonal", "oblique"])
def test_a_generator_that_projects_obliquely_scales_no_block(slant: float, block: list[str]):
    onto = np.array([[1.0, slant], [0.0, 0.0]])
    np.testing.assert_array_equal(onto @ onto, onto)
    oblique = pair(lambda p, x: x[:, 1] * p[1], np.ones(2), groups.Scaling(1), lambda a, p: p + (a[0] - 1) * (onto @ p))
    assert [special.block for special in traits_of(oblique).special] == block


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


# -- sizes ------------------------------------------------------------------------------------------------------------


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


# -- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1 / 3, np.log(2), 2.0, -1.5, 1 / 3 + 1e-11, 7 / 12, 1e-3])
def test_a_rate_is_the_number_that_it_is(degree: float):
    (special,) = traits_of(of_degree(degree)).special
    assert special.rate == pytest.approx(degree, rel=4e-16, abs=0.0)


def test_a_rate_that_is_a_simple_fraction_is_exactly_that():
    assert [traits_of(of_degree(p)).special[0].rate for p in (2.0, 0.5, 1 / 3)] == [2.0, 0.5, 1 / 3]


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
