"""Near-symmetries, against derivatives and trajectories written out; and what is claimed of them wrongly."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.catalog.near import ScaledNorm
from eqprop.evaluation import Program, applicable
from eqprop.mutants import slides_along_orbit, understates_defect
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import LIBRARY, by_name
from eqprop.properties.base import INEXACT
from eqprop.registry import entries
from eqprop.search import simplest
from eqprop.strategies.conjugates import conjugate
from eqprop.strategies.norms import Normalised
from eqprop.validation import check_pair
from tests.properties.judged import suspected
from tests.properties.library_pairs import EPSILON, X, broken, nearly_normalised, normalised

NEAR = ("near-equivariance", "defect", "defect-curvature", "defect-drift")
EXACT = ("derivative", "group-laws", "hessian-symmetry")


def suspects(pair: eqprop.Pair, names: tuple[str, ...] = NEAR) -> set[str]:
    """The properties of which some probe is a suspect."""
    return {name for name, found in suspected(pair, names).items() if found}


def bound_of(pair: eqprop.Pair) -> Callable[..., Any]:
    """B."""
    assert pair.transformation.defect is not None
    return pair.transformation.defect


@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
def test_the_bound_of_a_scaled_layer_norm_is_the_derivative_in_the_scale(epsilon: float, float64: None):
    norm = Normalised(d_in=2, groups=2, group_width=3, bias=True, affine=True, epsilon=epsilon)
    rng = np.random.default_rng(1)
    params = {name: rng.standard_normal(shape) for name, shape in norm.block().shapes.items()}
    bound = ScaledNorm(norm, _Head())

    def scaled(rates: Any) -> Any:
        c = jnp.repeat(jnp.exp(rates), 3)
        return norm.block().apply({**params, "w": params["w"] * c[None], "b": params["b"] * c}, X)

    moved = jax.jacfwd(scaled)(jnp.zeros(2))
    for rates in np.array([[1.0, 0.0], [-0.3, 2.0]]):
        expected = np.abs(moved @ rates).max()
        np.testing.assert_allclose(bound(rates, params, X), expected, rtol=1e-9)


class _Head:
    """Nothing around the block."""

    def around(self, apply: Any) -> Any:
        return apply


@pytest.mark.slow
def test_the_hessian_of_a_near_symmetry_is_off_by_the_gradient_of_what_the_defect_makes_of_the_loss(float64: None):
    pair = nearly_normalised()
    start, tree = ravel_pytree(pair.model.params)
    theta = np.random.default_rng(2).standard_normal(start.size)
    k = ravel_pytree({"v": np.zeros(()), "w": tree(theta)["w"]})[0]
    project = np.asarray(k != 0, float)

    def loss(at: Any) -> Any:
        return 0.5 * jnp.sum((pair.model.apply(tree(at), X) - 0.7) ** 2)

    def excess(at: Any) -> Any:
        return jax.jvp(loss, (at,), (project * at,))[1]

    gradient, hessian = jax.grad(loss)(theta), jax.hessian(loss)(theta)
    off = hessian @ k + project * gradient
    np.testing.assert_allclose(off, jax.grad(excess)(theta), rtol=1e-9, atol=1e-12)
    assert np.abs(off).max() > 1e-6


def test_the_sides_are_those_of_dense_derivatives(float64: None):
    pair, names = nearly_normalised(), NEAR[:3]
    program = Program(pair, [by_name(name) for name in names], SQUARED_ERROR, probes=3)
    probes = program.draw(np.random.default_rng(3), 3)
    found = program.evaluate(probes)
    for i in range(3):
        probe = jax.tree.map(lambda leaf, i=i: leaf[i], probes)
        z, tree = ravel_pytree((probe.params, probe.inputs))

        def f(at: Any, tree: Any = tree) -> Any:
            params, inputs = tree(at)
            return pair.model.apply(dict(zip("vw", params, strict=True)), inputs).ravel()

        def loss(at: Any, f: Any = f, probe: Any = probe) -> Any:
            return SQUARED_ERROR(f(at), probe.targets.ravel())

        rate = np.concatenate([np.zeros(1), np.full(2, probe.algebra[0]), np.zeros(X.size)])  # of v, w and the inputs
        gradient, hessian = jax.grad(loss)(z), jax.hessian(loss)(z)
        expected = {
            "near-equivariance": f(z * np.exp(rate)) - f(z),
            "defect": np.append(jax.jacfwd(f)(z) @ (rate * z), gradient @ (rate * z)),
            "defect-curvature": hessian @ (rate * z) + rate * gradient,
        }
        for name in names:  # sums of some ten terms in float64
            np.testing.assert_allclose(
                found[name][0][i].ravel(), expected[name], rtol=0, atol=1e-11 * np.abs(expected[name]).max(initial=1.0)
            )


def test_the_length_of_a_nearly_normalised_block_drifts_within_the_bound(float64: None):
    """½‖w‖² grows by ½η²‖g‖² in a step, and beyond that by no more than η‖∇ℓ‖₁ B: 100 steps of each of 2 sizes."""
    pair = nearly_normalised()
    bound, params = bound_of(pair), {"w": np.array([0.6, -0.3]), "v": np.array(1.4)}

    def loss_of(y: Any) -> Any:
        return 0.5 * jnp.sum((y - 0.7) ** 2)

    step = jax.jit(jax.grad(lambda p: loss_of(pair.model.apply(p, X))))
    for size in (0.01, 0.3):
        at, largest = params, 0.0
        for _ in range(100):
            slope = step(at)
            after = {name: leaf - size * slope[name] for name, leaf in at.items()}
            grown = 0.5 * np.sum(after["w"] ** 2 - at["w"] ** 2 - size**2 * slope["w"] ** 2)
            allowed = size * np.abs(jax.grad(loss_of)(pair.model.apply(at, X))).sum() * bound(np.ones(1), at, X)
            assert abs(grown) <= allowed * (1 + 1e-9)  # rounding of numbers of the size of 1
            at, largest = after, max(largest, float(abs(grown) / allowed))
        assert largest > 0.05


def test_near_symmetries_hold_up_to_their_bound_and_are_asked_for_nothing_that_rests_on_the_premise():
    pair = nearly_normalised()
    applies = {prop.name for prop in applicable(pair, LIBRARY)}
    assert applies >= set(NEAR)
    assert not any(prop.exact for prop in LIBRARY if prop.name in applies)
    assert next(p for p in LIBRARY if p.name == "noether").reason_if_not_applicable(pair) == INEXACT
    assert suspects(pair) == set()


def test_exact_symmetries_are_not_asked_for_a_defect():
    assert not {prop.name for prop in applicable(normalised(), LIBRARY)} & set(NEAR)


def test_a_bound_that_is_too_small_is_seen_by_what_bounds_alone():
    pair = understates_defect().broken(nearly_normalised())
    assert isinstance(pair, eqprop.Pair)
    assert suspects(pair) == {"near-equivariance", "defect", "defect-drift"}


@pytest.mark.slow
def test_a_generator_that_is_no_derivative_of_the_action_is_seen_by_the_defect_and_what_follows():
    pair = slides_along_orbit().broken(simplest(entries()["layernorm-scale-near"].pairs.filter(_of_two_groups)))
    assert isinstance(pair, eqprop.Pair)
    found = suspects(pair, (*EXACT, *NEAR))
    assert "defect" in found
    assert not found & {"near-equivariance", *EXACT}


def _of_two_groups(pair: eqprop.Pair) -> bool:
    return pair.architecture["groups"] == 2


def test_a_model_that_is_no_near_symmetry_falsifies_each_bound():
    assert suspects(broken(nearly_normalised())) >= {"near-equivariance", "defect", "defect-drift"}


@pytest.mark.parametrize("chart", ["mirror", "asinh"])
def test_a_near_symmetry_is_one_in_other_coordinates(chart: str):
    assert suspects(conjugate(nearly_normalised(), [chart], seed=3)) == set()


def test_together_near_symmetries_have_the_sum_of_their_bounds():
    move = nearly_normalised().transformation
    exact = replace(normalised().transformation, name="exact")
    both = eqprop.combined(move, exact, move)
    rates = tuple(np.array([rate]) for rate in (1.0, 5.0, -2.0))
    params = {"w": np.array([0.4, -0.1]), "v": np.array(2.0)}
    one = bound_of(nearly_normalised())(np.ones(1), params, X)
    assert both.defect is not None
    np.testing.assert_allclose(both.defect(rates, params, X), 3 * one, rtol=1e-12)
    assert eqprop.combined(exact, exact).defect is None


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda a, p, x: -jnp.ones(()), "returned -1.0; expected one floating-point number, 0 or larger"),
        (lambda a, p, x: jnp.ones(2), "expected one floating-point number, 0 or larger"),
        (lambda a, p, x: jnp.nan * a[0], "returned nan; expected one floating-point number, 0 or larger"),
        (lambda a, p, x: None, "returned None"),
    ],
)
def test_a_bound_is_one_number_that_is_not_negative(returned: Any, said: str):
    pair = nearly_normalised()
    wrong = pair.replaced(transformation=replace(pair.transformation, defect=returned))
    with pytest.raises(eqprop.InvalidInput, match=re.escape(said)):
        check_pair(wrong, "float64")


def test_a_bound_along_generators_is_refused_where_there_are_none():
    with pytest.raises(eqprop.InvalidInput, match="defect is a bound along generators; Permutation"):
        eqprop.Transformation(groups.Permutation(3), lambda g, p: p, defect=lambda a, p, x: 0.0)
    pair = nearly_normalised()
    with pytest.raises(eqprop.InvalidInput, match="defect=, which is a bound for one model, and there is a target="):
        eqprop.Pair(pair.model, pair.transformation, target=pair.model)


def test_a_model_with_the_textbook_epsilon_has_a_bound_of_its_size():
    """ε = 1e-5 beside a mean square of 1: the outputs move by 1e-5 of themselves for each unit of log c."""
    params = {"w": np.array([1.0, 0.0]), "v": np.array(1.0)}
    bound = float(bound_of(nearly_normalised())(np.ones(1), params, X))
    assert 0.1 * EPSILON < bound < 10 * EPSILON
