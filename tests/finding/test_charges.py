"""Charges in closed form: what the findings say, and that gradients are orthogonal to the gradients of these."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop import groups
from eqprop.finding.charges import charge_of
from eqprop.finding.writing import EXAMPLE, Call
from tests.finding.networks import layered

UNITS = {"writes": {"w": 1, "b": 0}, "reads": {"a": 0}}


@pytest.mark.parametrize(
    ("call", "charge"),
    [
        pytest.param(
            Call("hidden_units", (groups.Scaling(3),), UNITS), "‖w‖² + ‖b‖² − ‖a‖² of each unit", id="scaling"
        ),
        pytest.param(
            Call("hidden_units", (groups.Power(groups.Scaling(3), 2),), UNITS | {"power": 2}),
            "‖w‖² + ‖b‖² − 2 ‖a‖² of each unit",
            id="of squares",
        ),
        pytest.param(
            Call("hidden_units", (groups.GeneralLinear(3),), UNITS),
            "⟨w, w⟩ + ⟨b, b⟩ − ⟨a, a⟩ of each two units",
            id="matrices",
        ),
        pytest.param(
            Call("scaled_units", (3, {2: {"v": 0}, -1: {"g": 0}}), {}), "2 ‖v‖² − ‖g‖² of each unit", id="powers"
        ),
        pytest.param(
            Call("joint_shift", (3, {1: {"e": 1}, -1: {"p": 1}}), {}), "Σ e − Σ p of each unit", id="joint shift"
        ),
        pytest.param(
            Call("translations", (EXAMPLE, {"b": 0, "c": None}), {}), "Σ b along 0; each entry of c", id="shifts"
        ),
        pytest.param(Call("hidden_units", (groups.Orthogonal(3),), UNITS), "", id="rotations have none"),
        pytest.param(Call("bias_shift", (3,), {}), "", id="shears have none"),
        pytest.param(
            Call("combined", (Call("hidden_units", (groups.Scaling(3),), UNITS),) * 2, {}),
            "‖w‖² + ‖b‖² − ‖a‖² of each unit",
            id="said once",
        ),
    ],
)
def test_a_finding_says_what_gradient_flow_conserves(call, charge):
    assert charge_of(call) == charge


def test_gradients_are_orthogonal_to_that_of_the_charge():
    model = layered((3, 4, 2), jax.nn.relu, bias=True)
    own = jax.grad(lambda p: jnp.sum(jnp.sin(model.apply(p, model.inputs))))(model.params)
    first, second = model.params
    of_charge = first["w"] * own[0]["w"], first["b"] * own[0]["b"], second["w"] * own[1]["w"]
    products = of_charge[0].sum(0) + of_charge[1] - of_charge[2].sum(1)
    # A dozen products of size one, in float32: rounding of each is 6e-8.
    np.testing.assert_allclose(products, 0, atol=1e-5)
