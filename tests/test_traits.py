"""What a transformation is seen to be, for pairs written out by hand, against dense derivatives of their generators."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups, traits
from eqprop.compiling import LARGE, compiler_options
from eqprop.groups.base import LieGroup
from eqprop.properties import hypotheses
from eqprop.traits import Subspace, Traits, traits_of
from tests.trait_pairs import (
    about_a_centre,
    centred,
    conversion,
    cubic,
    general_linear,
    made,
    margin,
    pair,
    permutation,
    rescaling,
    rotation,
    sheared,
    shift_and_scale,
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
    permutation: (0, 0, 0, 0),
    conversion: (0, 0, 0, 0),
}

SPECIAL = {
    weight_norm: [("some", 0.0)],
    cubic: [("all", 3.0)],
    margin: [("none", -1.0)],
    about_a_centre: [("all", 0.0)],
    translation: [("none", 0.0)] * 3,
    shift_and_scale: [("none", 0.0)] * 3 + [("some", 0.0)] * 4,
    rescaling: [],
    general_linear: [],
    rotation: [],
    sheared: [],
    permutation: [],
    conversion: [],
}

LIE = [make for make, (size, *_) in DIMENSIONS.items() if size]


def flags(found: Traits) -> tuple[bool, ...]:
    return (found.affine_action, found.orthogonal_action, found.affine_generator, found.linear_generator)


def subspaces(found: Traits) -> tuple[Subspace, ...]:
    return (found.constant, found.symmetric, found.antisymmetric)


@pytest.mark.parametrize("make", FLAGS)
def test_whether_the_action_and_the_generators_are_affine_orthogonal_and_linear(make: Callable[[], eqprop.Pair]):
    assert flags(traits_of(made(make))) == FLAGS[make]


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


NEARLY: list[tuple[Callable[[float], eqprop.Pair], Callable[[Traits], object]]] = [
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
    make: Callable[[float], eqprop.Pair], has: Callable[[Traits], object]
):
    assert has(traits_of(make(0.0)))
    assert not has(traits_of(make(1e-6)))


def test_only_the_generators_that_are_off_lose_the_trait():
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
    found = traits_of(here)
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
    assert flags(traits_of(large)) == flags(traits_of(small))
    xi = np.random.default_rng(0).standard_normal((3, 3))
    for one, other in zip(subspaces(traits_of(small)), subspaces(traits_of(large)), strict=True):
        assert one.dimension == other.dimension
        np.testing.assert_allclose(one.nearest(xi), other.nearest(xi), atol=ROUNDING)


@pytest.mark.parametrize("make", FLAGS)
def test_rows_taken_one_after_the_other_say_what_they_say_together(
    make: Callable[[], eqprop.Pair], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(traits, "LARGE", 1)
    found = traits_of(make())
    assert flags(found) == FLAGS[make]
    assert [space.dimension for space in subspaces(found)] == list(DIMENSIONS[make][1:])
    assert [(special.block, special.rate) for special in found.special] == SPECIAL[make]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: two_layers(groups.Scaling(300), jax.nn.relu, n=300), (False, True, False)),
        (lambda: two_layers(groups.Rotation(17), n=17), (False, False, True)),
        (lambda: two_layers(groups.GeneralLinear(17), n=17), (False, False, False)),
    ],
    ids=["scaling", "rotation", "general linear"],
)
def test_in_a_large_algebra_a_trait_is_had_by_every_element_or_by_none(
    make: Callable[[], eqprop.Pair], expected: tuple[bool, ...]
):
    here = make()
    group = here.transformation.group
    assert isinstance(group, LieGroup)
    xi = group.sample_algebra(np.random.default_rng(0))
    assert xi.size > traits.MOST_COORDINATES
    for space, whole in zip(subspaces(traits_of(here)), expected, strict=True):
        assert (space.dimension == space.size) == whole
        assert space.dimension in (0, space.size)
        np.testing.assert_array_equal(space.nearest(xi), xi if whole else np.zeros_like(xi))


def test_a_group_with_one_element_has_no_algebra_to_speak_of():
    found = traits_of(two_layers(groups.Rotation(1), n=1))
    assert [space.size for space in subspaces(found)] == [0, 0, 0]


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_traits_are_worked_out_once_for_each_pair_object(monkeypatch: pytest.MonkeyPatch):
    here = rescaling()
    first = traits_of(here)
    monkeypatch.setattr(traits, "_Survey", None)
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
