"""What is said of elements, where T leaves the loss or the outputs for a part of a group: it is said of that part."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop.evaluation import Program, applicable
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import LIBRARY, by_name
from eqprop.results import Outcome
from tests.properties.judged import suspected
from tests.properties.library_pairs import two_layers as symmetric
from tests.properties.still_pairs import (
    ALONG,
    X,
    cross_entropy,
    length_in_a_plane,
    permuted_and_rescaled,
    rescaled_and_scaled,
    shifted,
    turned,
    turned_and_scaled,
    two_layers,
)

OF_ELEMENTS = ["critical-orbit", "inertia", "noise-covariance", "sharpness", "volume"]

ON_A_PART = [
    (rescaled_and_scaled, OF_ELEMENTS),
    (permuted_and_rescaled, OF_ELEMENTS),
    (lambda: shifted(ALONG, cross_entropy), ["equal-spectra", "inertia", "sharpness"]),
    (lambda: turned(length_in_a_plane), ["equal-spectra", "inertia", "sharpness"]),
    (turned_and_scaled, ["critical-orbit", "equal-spectra", "inertia", "noise-covariance", "sharpness"]),
]
IDS = ["product", "discrete factor", "translations", "plane", "turn beside a scale"]


@pytest.mark.parametrize(("make", "names"), ON_A_PART, ids=IDS)
def test_it_holds_for_the_elements_that_the_part_generates(make: Any, names: list[str]):
    assert suspected(make(), names) == dict.fromkeys(names, False)


@pytest.mark.parametrize(("make", "names"), ON_A_PART, ids=IDS)
def test_no_other_statement_takes_its_elements_from_the_part(make: Any, names: list[str]):
    pair = make()
    taken = [prop.name for prop in applicable(pair, LIBRARY) if prop.reads(pair) != prop.needs]
    assert sorted(taken) == names


def test_of_a_symmetry_every_element_is_asked_as_before():
    pair = symmetric()
    of_parts = [prop for prop in applicable(pair, LIBRARY) if prop.subgroup is not None]
    assert {prop.name for prop in of_parts} == set(OF_ELEMENTS)
    assert all(prop.reads(pair) == prop.needs for prop in of_parts)


@pytest.mark.parametrize(
    ("make", "names", "reason"),
    [
        (lambda: shifted(ALONG[1:], cross_entropy), ["equal-spectra", "inertia"], "the loss sees it"),
        (lambda: turned(None), ["critical-orbit", "noise-covariance"], "stated for T = identity"),
        (rescaled_and_scaled, ["equal-spectra"], "the loss sees it"),
    ],
    ids=["seen direction", "every turn seen", "nothing turns"],
)
def test_it_does_not_apply_where_no_part_does(make: Any, names: list[str], reason: str):
    pair = make()
    for name in names:
        assert reason in str(by_name(name).reason_if_not_applicable(pair))


@pytest.mark.parametrize("name", OF_ELEMENTS)
def test_a_network_that_lacks_the_part_is_falsified(name: str):
    assert suspected(rescaled_and_scaled(exponent=-1.01), [name]) == {name: True}


def test_elements_of_the_part_leave_the_outputs_and_carry_the_hessian_and_others_do_not(float64: None):
    """Dense, of L = ½‖f − 0.7‖²: T_g y is y, and K_gᵀ H(K_gθ) K_g is H(θ), for what the program draws."""
    pair = rescaled_and_scaled()
    prop = by_name("inertia")
    program = Program(pair, [prop], SQUARED_ERROR)
    drawn = program.draw(np.random.default_rng(0), 4)
    assert drawn.element is None
    part = prop.part_of_algebra(pair)
    assert part is not None
    y = np.ones((4, 2))
    for i in range(4):
        whole = jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), drawn.algebra)
        off = {}
        for name, xi in {"part": part.nearest(whole), "whole": whole}.items():
            g = pair.transformation.group.exp(xi)
            moved = np.abs(pair.transformation.on_outputs(g, y) - y).max()
            off[name] = (moved, _change_of_inertia(pair, g))
        assert max(off["part"]) < 1e-9
        assert min(off["whole"]) > 1e-3


def _change_of_inertia(pair: eqprop.Pair, g: Any) -> float:
    theta, tree = ravel_pytree(pair.model.params)
    act = lambda at: ravel_pytree(pair.transformation.on_params(g, tree(at)))[0]  # noqa: E731
    hessian = jax.hessian(lambda at: 0.5 * jnp.sum((two_layers(tree(at), X) - 0.7) ** 2))
    linear, here = jax.jacfwd(act)(theta), hessian(theta)
    return float(jnp.abs(linear.T @ hessian(act(theta)) @ linear - here).max() / jnp.abs(here).max())


def test_a_counterexample_shows_the_algebra_element_and_says_what_g_is_made_of_it():
    pair = rescaled_and_scaled(exponent=-1.01)
    (verdict,) = eqprop.run(pair, profile="quick", properties=["inertia"]).verdicts
    assert verdict.outcome is Outcome.FALSIFIED
    found = verdict.counterexample
    assert found is not None
    assert {"algebra", "params"} <= set(found.recipe["probe"])
    assert "element" not in found.recipe["probe"]
    assert "g is exp of what of ξ leaves the loss" in found.notes


def test_a_check_at_given_numbers_asks_for_the_algebra_element():
    pair = rescaled_and_scaled()
    with pytest.raises(eqprop.InvalidInput, match=r"inertia reads algebra, inputs, .*unknown: none, missing: algebra"):
        eqprop.check(pair, "inertia", params=[], inputs=X, tangent=[], targets=[])
