"""Pairs whose T leaves the loss, or the outputs, for a part of the group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
CLASSES = np.eye(3)[[0, 2, 1, 1]]

ALONG = [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
"""Two directions of a shift: the first is the one that a cross-entropy does not see."""


def two_layers(params: Any, x: Any) -> Any:
    return jax.nn.relu(x @ params["u"]) @ params["v"]


def rescaled_and_scaled(*, exponent: float = -1.0, outputs: bool = True) -> eqprop.Pair:
    """Two hidden units are rescaled, and the outputs are scaled beside it: ξ = (ξ₁, ξ₂; ξ₃) with τ = ξ₃ y."""
    params = {"u": RNG.standard_normal((3, 2)), "v": RNG.standard_normal((2, 2))}

    def move(element: Any, p: Any) -> Any:
        units, whole = element
        return {"u": p["u"] * units[None], "v": p["v"] * units[:, None] ** exponent * whole[0]}

    group = groups.Product(groups.Scaling(2), groups.Scaling(1))
    moved = {"on_outputs": lambda element, y: y * element[1][0]} if outputs else {}
    act = eqprop.Transformation(group, move, **moved, name="both")
    return eqprop.Pair(eqprop.Model(two_layers, params, X), act)


def shifted(directions: list[list[float]], loss: Callable[[Any], Any] | None) -> eqprop.Pair:
    """Logits are shifted along several directions, one for each number of ξ; a cross-entropy does not see (1, 1, 1)."""
    rows = np.array(directions)
    params = {"b": RNG.standard_normal(3), "w": RNG.standard_normal((3, 3))}
    model = eqprop.Model(lambda p, x: x @ p["w"] + p["b"][None], params, X, loss=loss)
    act = eqprop.Transformation(
        groups.Translation(len(rows)),
        lambda t, p: {**p, "b": p["b"] + t @ rows},
        lambda t, y: y + (t @ rows)[None],
        name="shift",
    )
    return eqprop.Pair(model, act)


def cross_entropy(y: Any) -> Any:
    return jnp.sum(jax.nn.logsumexp(y, axis=1)) - jnp.sum(CLASSES * y)


def of_positive(y: Any) -> Any:
    """Is not a number at most outputs."""
    return jnp.sum(jnp.sqrt(y - jnp.mean(y)))


def turned(loss: Callable[[Any], Any] | None) -> eqprop.Pair:
    """The last layer is turned in three dimensions, and the outputs with it."""
    params = {"v": RNG.standard_normal((3, 2)), "w": RNG.standard_normal((2, 3))}
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["v"]) @ p["w"], params, X, loss=loss)
    act = eqprop.Transformation(
        groups.Rotation(3), lambda r, p: {**p, "w": p["w"] @ r.T}, lambda r, y: y @ r.T, name="turn"
    )
    return eqprop.Pair(model, act)


def length_in_a_plane(y: Any) -> Any:
    """Sees rotations of three outputs but those that keep the plane of the first two."""
    return jnp.sum(jnp.log(1 + y[:, 0] ** 2 + y[:, 1] ** 2 + 3 * y[:, 2] ** 4))


def permuted_and_rescaled() -> eqprop.Pair:
    """Signs of an output, which the loss sees, and a rescaling, which moves nothing: the whole algebra is still."""
    params = {"u": RNG.standard_normal((3, 2)), "v": RNG.standard_normal((2, 1))}

    def move(element: Any, p: Any) -> Any:
        sign, units = element
        return {"u": p["u"] * units[None], "v": p["v"] / units[:, None] * sign[0]}

    group = groups.Product(groups.Sign(1), groups.Scaling(2))
    act = eqprop.Transformation(group, move, lambda element, y: y * element[0][0], name="sign and scale")
    return eqprop.Pair(eqprop.Model(two_layers, params, X), act)


def turned_and_scaled() -> eqprop.Pair:
    """A linear network's units are turned, and the last layer is scaled with the outputs: DK is not orthogonal."""
    params = {"u": RNG.standard_normal((3, 3)), "v": RNG.standard_normal((3, 2))}

    def move(element: Any, p: Any) -> Any:
        turn, whole = element
        return {"u": p["u"] @ turn.T, "v": turn @ p["v"] * whole[0]}

    group = groups.Product(groups.Rotation(3), groups.Scaling(1))
    act = eqprop.Transformation(group, move, lambda element, y: y * element[1][0], name="turn and scale")
    return eqprop.Pair(eqprop.Model(lambda p, x: x @ p["u"] @ p["v"], params, X), act)
