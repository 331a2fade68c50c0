"""A derivative that breaks a symmetry of f is found without a claim, at its order."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from eqprop.finding import find
from tests.finding.networks import layered


def test_a_broken_derivative_is_found_without_a_claim():
    @jax.custom_vjp
    def relu(z):
        return jnp.maximum(z, 0)

    relu.defvjp(lambda z: (relu(z), z), lambda z, g: (jnp.where(z > 0, g * (1 + 0.1 * z / (1 + z**2)), 0),))
    symmetries = find(layered((2, 3, 2), relu))
    permuting = [one for one in symmetries.found if one.found.kind == "permutation"]
    assert [one.verdict for one in permuting] == ["defect"]
    assert "derivative" in permuting[0].why
    assert permuting[0].why.startswith("falsified at order 1")
    assert symmetries.exit_code == 1
    assert "a symmetry of f that its derivatives break" in symmetries.text()


@pytest.mark.slow
def test_a_gradient_that_is_off_by_a_millionth_is_found_without_a_claim_at_its_order():
    @jax.custom_vjp
    def tanh(z):
        return jnp.tanh(z)

    tanh.defvjp(lambda z: (tanh(z), z), lambda z, g: ((1 + 1e-6) * g * (1 - jnp.tanh(z) ** 2),))
    symmetries = find(layered((2, 3, 2), tanh, bias=True))
    assert {one.found.kind for one in symmetries.found} == {"permutation", "sign"}
    assert all(one.verdict == "defect" for one in symmetries.found)
    assert all(one.why.startswith("falsified at order 1: derivative") for one in symmetries.found)


@pytest.mark.slow
def test_a_broken_second_derivative_is_found_without_a_claim_at_its_order():
    @jax.custom_vjp
    def slope(z):
        return 1 - jnp.tanh(z) ** 2

    @jax.custom_vjp
    def tanh(z):
        return jnp.tanh(z)

    # Right values and gradients; the derivative of the slope is a tenth too small.
    slope.defvjp(lambda z: (slope(z), z), lambda z, g: (-1.8 * g * jnp.tanh(z) * slope(z),))
    tanh.defvjp(lambda z: (tanh(z), z), lambda z, g: (g * slope(z),))
    symmetries = find(layered((2, 3, 2), tanh))
    assert {one.found.kind for one in symmetries.found} == {"permutation", "sign"}
    assert all(one.verdict == "defect" for one in symmetries.found)
    assert all(one.why.startswith("falsified at order 2") for one in symmetries.found)
