"""Pairs in other coordinates: what the strategy generates and shrinks to, and that claims stay what they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.engine import Partition
from eqprop.errors import InvalidInput
from eqprop.evaluation import Program, climbed
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import LIBRARY
from eqprop.properties.traits import action_traits_of, traits_of
from eqprop.registry import entries
from eqprop.strategies.conjugates import CHARTS, chart, conjugate, conjugates
from tests.properties.traits.trait_pairs import (
    conversion,
    cubic,
    made,
    margin,
    masked,
    rescaling,
    rotation,
    translation,
    weight_norm,
)

LEAVES = Partition.of({"b": np.zeros(()), "n": np.arange(2), "w": np.zeros((2, 3))})
ROUNDING = 1e-12
"""Of a few operations on numbers up to 10, some of them subtracted from each other."""


def leaves_of(rng: np.random.Generator, *axes: int) -> tuple[Any, ...]:
    return tuple(3 * rng.standard_normal((*axes, *shape)) for shape in LEAVES.float_shapes)


@pytest.mark.parametrize("names", [*([name] for name in CHARTS), ["mirror", "exp asinh"]], ids=" then ".join)
def test_a_chart_is_undone_by_its_inverse_probe_by_probe(names: list[str], float64: None):
    phi, batch = chart(names, LEAVES, 5), leaves_of(np.random.default_rng(0), 4)
    moved = phi.forth(batch)
    for back, leaf in zip(phi.back(moved), batch, strict=True):
        np.testing.assert_allclose(back, leaf, atol=ROUNDING)
    alone = phi.forth(tuple(jnp.asarray(leaf[2]) for leaf in batch))
    for one, together in zip(alone, moved, strict=True):
        np.testing.assert_allclose(one, together[2], atol=ROUNDING)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_keeps_lengths_where_it_says_so(name: str, float64: None):
    phi = chart([name], LEAVES, 5)
    flat, unravel = ravel_pytree(leaves_of(np.random.default_rng(0)))
    jacobian = np.asarray(jax.jacfwd(lambda at: ravel_pytree(phi.forth(unravel(at)))[0])(flat))
    assert np.allclose(jacobian.T @ jacobian, np.eye(flat.size), atol=ROUNDING) == phi.keeps_lengths


@pytest.mark.parametrize("make", [rescaling, cubic, conversion, masked])
def test_outputs_and_actions_are_those_of_the_pair_in_its_own_coordinates(
    make: Callable[[], eqprop.Pair], float64: None
):
    here = made(make)
    there = conjugate(here, ["mirror", "exp asinh"], 3)
    x, group = jnp.asarray(here.model.inputs), here.transformation.group
    element = jax.tree.map(jnp.asarray, group.sample(np.random.default_rng(0), 0.3))
    np.testing.assert_allclose(
        there.model.apply(there.model.params, x), here.model.apply(here.model.params, x), atol=ROUNDING
    )
    moved, expected = (p.transformation.on_params(element, p.model.params) for p in (there, here))
    np.testing.assert_allclose(there.image.apply(moved, x), here.image.apply(expected, x), atol=ROUNDING)
    for a, b in zip(here.image.param_leaves.rest(expected), here.image.param_leaves.rest(moved), strict=True):
        np.testing.assert_array_equal(a, b)


def test_probes_are_those_of_the_pair_in_its_own_coordinates():
    positive = replace(rescaling().model, domain=lambda p: jax.tree.map(np.abs, p))
    there = conjugate(rescaling().replaced(model=positive), ["θ + c"], 1)
    assert there.model.domain is not None
    drawn = there.model.domain(jax.tree.map(lambda leaf: -np.ones((5, *np.shape(leaf))), positive.params))
    apart = conjugate(rescaling(), ["θ + c"], 1).model.domain
    assert apart is not None
    shifted = apart(jax.tree.map(lambda leaf: np.ones((5, *np.shape(leaf))), positive.params))
    jax.tree.map(np.testing.assert_allclose, drawn, shifted)


def test_special_cases_are_seen_in_other_coordinates_for_what_they_are_there():
    dilation = traits_of(conjugate(made(cubic), ["1 + θ"])).dilation()
    assert dilation is not None
    assert (dilation.rate, dilation.central) == (3.0, False)
    assert traits_of(conjugate(made(weight_norm), ["mirror"])).central_scaling()
    assert not traits_of(conjugate(made(weight_norm), ["θ + c"])).central_scaling()
    assert traits_of(conjugate(made(translation), ["mirror"])).constant.dimension == 2
    assert not traits_of(conjugate(made(translation), ["asinh"])).constant.dimension
    assert action_traits_of(conjugate(made(rotation), ["mirror", "θ + c"])).orthogonal_action
    assert not action_traits_of(conjugate(made(rotation), ["mirror", "factors"])).orthogonal_action


@pytest.mark.parametrize("names", [["exp asinh"], ["1 + θ", "exp asinh"]], ids=" then ".join)
def test_steps_that_leave_the_domain_falsify_nothing(names: list[str]):
    """Coordinates that are positive numbers: steps lead below 0, where K is no permutation any more."""
    tried = tuple(prop for prop in LIBRARY if prop.name in {"fixed-set", "learning-equivariance"})
    program = Program(conjugate(permuted(), names), tried, SQUARED_ERROR, probes=64)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 256)
    for name, judged in program.judge(probes, rng).items():
        assert not climbed(program, name, probes, judged, rng).violations.size
        assert 0 < judged.vacuous.sum() < 32


def permuted() -> eqprop.Pair:
    params = {"w": np.array([[1.0, 0.5], [2.0, 1.0]]), "o": np.array([1.0, 2.0])}
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["w"]) @ p["o"], params, np.ones((3, 2)), name="net")
    return eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(2), writes={"w": 1}, reads={"o": 0}))


@pytest.mark.slow
def test_a_strategy_of_conjugates_shrinks_to_one_chart_the_first_that_is_named():
    simplest = hypothesis.find(conjugates(rescaling()), lambda _: True)
    assert simplest.architecture["coordinates"] == "1 + θ"
    two = hypothesis.find(
        conjugates(rescaling(), ["asinh", "mirror"]), lambda p: "then" in p.architecture["coordinates"]
    )
    assert two.architecture["coordinates"] == "asinh then asinh"
    assert hypothesis.find(conjugates(entries()["relu-rescaling"]), lambda _: True).name == "relu-rescaling"


def test_what_cannot_be_conjugated_is_said():
    with pytest.raises(InvalidInput, match="expected an entry of the catalog, a Pair or a strategy of pairs"):
        conjugates("relu-rescaling")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidInput, match="expected some of: 1 \\+ θ, θ \\+ c"):
        conjugates(rescaling(), ["polar"])


# -- verified ---------------------------------------------------------------------------------------------------------


def outcomes(here: eqprop.Pair, *properties: str) -> set[str]:
    report = eqprop.run(here, properties=properties, profile="quick", save=None)
    assert {verdict.property.name for verdict in report.verdicts} == set(properties)
    return {str(verdict.outcome) for verdict in report.verdicts}


@pytest.mark.parametrize(
    ("make", "names", "properties"),
    [
        (cubic, ["1 + θ"], ("homogeneity", "norm-growth", "gradient-alignment")),
        (weight_norm, ["θ + c"], ("scale-invariance", "weight-decay-stationary")),
        (margin, ["mirror"], ("exponential-translation", "gradient-alignment")),
        (translation, ["mirror", "1 + θ"], ("flat-translation", "charge-decay")),
        pytest.param(
            rotation,
            ["mirror"],
            ("tangent-kernel-covariance", "equal-spectra", "angular-momentum"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_is_claimed_in_special_cases_holds_about_other_centres_and_in_mixed_tensors(
    make: Callable[[], eqprop.Pair], names: list[str], properties: tuple[str, ...]
):
    assert outcomes(conjugate(made(make), names, 2), *properties) == {"holds"}


def test_a_charge_is_declared_where_it_stays_one():
    here = made(weight_norm)
    claimed = replace(here.transformation, charge=lambda xi, p: xi[0] * jnp.sum(p["v"] ** 2) / 2)
    charged = here.replaced(transformation=claimed)
    assert outcomes(conjugate(charged, ["mirror", "θ + c"], 2), "charge-form") == {"holds"}
    assert outcomes(conjugate(charged, ["factors"], 2), "charge-form") == {"not applicable"}


def test_a_wrong_claim_is_wrong_in_other_coordinates():
    assert outcomes(conjugate(masked(mask=False), ["1 + θ"]), "equivariance") == {"falsified"}
