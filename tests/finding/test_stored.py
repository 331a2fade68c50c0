"""Gains that are stored less a number or as logarithms are found, written and counted like plain ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.finding import find
from tests.finding.networks import numbers


def gained(stored, *, shift=False):
    """A norm with gains as they are stored, and what reads it."""
    draw = numbers()
    params = {"g": draw(3), "u": draw(3, 2)} | ({"b": draw(3)} if shift else {})

    def apply(p, x):
        normed = x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 0.1)
        return jnp.tanh((normed * stored(p["g"]) + p.get("b", 0.0)) @ p["u"])

    return eqprop.Model(apply, params, draw(4, 3), name="gained")


@pytest.mark.parametrize(
    ("model", "group", "code"),
    [
        pytest.param(
            gained(lambda g: 1 + g),
            "R₊^3, powers 1 about -1, -1",
            "eqprop.scaled_units(3, {1: {'g': 0}, -1: {'u': 0}}, origins={'g': -1}, name='scaling')",
            id="less one",
        ),
        pytest.param(
            gained(lambda g: g - 0.5, shift=True),
            "R₊^3, powers 1, 1 about 0.5, -1",
            "eqprop.scaled_units(3, {1: {'b': 0, 'g': 0}, -1: {'u': 0}}, origins={'g': 0.5}, name='scaling')",
            id="more a half, beside a shift",
        ),
        pytest.param(
            gained(lambda g: jnp.exp(2 * g), shift=True),
            "R₊^3, powers 1, 0.5 as a logarithm, -1",
            "eqprop.scaled_units(3, {1: {'b': 0}, -1: {'u': 0}}, logarithms={0.5: {'g': 0}}, name='scaling')",
            id="half a logarithm, beside a shift",
        ),
        pytest.param(
            gained(jnp.exp),
            "R^3, exponential",
            "eqprop.exponential_shift(3, bias='g', reads={'u': 0}, name='exponential')",
            id="a logarithm alone",
        ),
    ],
)
def test_gains_are_scaled_however_they_are_stored(model, group, code):
    symmetries = find(model, prove=False)
    (scaling,) = (one.found for one in symmetries.found if one.found.kind in ("scaling", "exponential"))
    assert (scaling.group, scaling.call.code()) == (group, code)
    assert symmetries.dimension == symmetries.charges == 3


@pytest.mark.slow
def test_what_is_found_of_a_stored_gain_is_proven():
    verdicts = {one.found.kind: one.verdict for one in find(gained(lambda g: 1 + g)).found}
    assert verdicts["scaling"] == "proven"


def test_a_gain_of_which_only_a_clipped_part_counts_is_not_scaled():
    assert not find(gained(lambda g: jnp.clip(1 + g, -1, 1)), prove=False).found


def test_the_charges_of_stored_gains_are_constant_along_the_flow():
    model = gained(lambda g: 1 + g)
    with jax.enable_x64(True):
        p = model.params
        slope = jax.grad(lambda p: jnp.sum(jnp.sin(model.apply(p, model.inputs))))(p)
        along = (p["g"] + 1) * slope["g"] - jnp.sum(p["u"] * slope["u"], 1)
    np.testing.assert_allclose(along, 0, atol=1e-14)  # sums of a dozen products of size one
