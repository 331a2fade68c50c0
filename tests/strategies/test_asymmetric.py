"""Asymmetric networks: what tells their units apart is out of reach of the parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import find, settings

from eqprop.strategies.activations import IDENTITY, TANH, Activation
from eqprop.strategies.asymmetric import Kind, asymmetric_layers

pytestmark = pytest.mark.usefixtures("float64")


class Drawn(NamedTuple):
    """A network that is nothing but an asymmetric layer, with its block's parameters."""

    apply: Any
    block: dict[str, np.ndarray]

    def __call__(self, x: Any, **changed: Any) -> Any:
        return self.apply({"before": [], "block": {**self.block, **changed}, "after": []}, x)


def alone(kind: Kind, activation: Activation = TANH, d_in: int = 2) -> Drawn:
    def wanted(drawn: Any) -> bool:
        params = drawn[1].params
        return not params["before"] and not params["after"] and params["block"]["w_in"].shape == (d_in, 3)

    strategy = asymmetric_layers(kind, activation)
    _, net = find(strategy, wanted, settings=settings(database=None, max_examples=5000))
    return Drawn(net.apply, net.params["block"])


X = np.random.default_rng(0).standard_normal((5, 2))


@pytest.mark.parametrize("d_in", [1, 2, 4])
def test_one_weight_of_every_unit_is_a_constant_that_no_parameter_moves(d_in: int):
    net = alone("weights", d_in=d_in)
    x = np.random.default_rng(1).standard_normal((5, d_in))
    sensitivity = jax.jacobian(lambda w: net(x, w_in=w))(jnp.asarray(net.block["w_in"]))
    unmoved = np.all(np.asarray(sensitivity) == 0, axis=(0, 1))
    np.testing.assert_array_equal(unmoved.sum(axis=0), 1)


def effective_weights(net: Drawn) -> np.ndarray:
    """The weights that the units have, from small inputs: the bias is taken away, and one unit is read at a time."""
    basis = np.eye(net.block["w_in"].shape[0])
    zeros = np.zeros_like(net.block["b_in"])
    each = [net(basis * 1e-3, b_in=zeros, w_out=np.eye(3)[:, [j]])[:, 0] for j in range(3)]
    return np.stack(each, axis=1) / 1e-3


def test_the_constants_differ_from_unit_to_unit():
    """So that no other values of the trained weights permute, rescale or flip the units."""
    net = alone("weights", IDENTITY, d_in=1)
    constants = effective_weights(net)[0]
    assert np.min(np.abs(np.abs(constants[:, None]) - np.abs(constants)) + np.eye(3)) > 1e-2
    np.testing.assert_allclose(
        effective_weights(Drawn(net.apply, {**net.block, "w_in": np.full((1, 3), 9.0)}))[0], constants
    )


@pytest.mark.parametrize("kind", ["activations", "gate"])
def test_units_with_the_same_weights_do_not_do_the_same(kind: Kind):
    net = alone(kind)
    alike = {"w_in": np.ones((2, 3)), "b_in": np.full(3, 0.3)}
    each = np.stack([net(X, **alike, w_out=np.eye(3)[:, [j]])[:, 0] for j in range(3)])
    assert np.min(np.abs(each[:, None] - each[None]).max(axis=-1) + np.eye(3)) > 1e-2
