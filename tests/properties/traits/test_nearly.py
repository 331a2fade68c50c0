"""What nearly has a trait, off by a millionth or by what float32 rounds, is not seen to have it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.properties.traits import action_traits_of, traits_of
from tests.properties.traits.trait_pairs import centred, pair, weight_norm


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
