"""Pairs written out by hand, one for each thing that a transformation may be seen to be."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups

X = np.ones((3, 2))


def pair(apply: Any, params: Any, group: Any, act: Any, *rest: Any, inputs: Any = X, **more: Any) -> eqprop.Pair:
    model = eqprop.Model(apply, params, inputs, trained=False)
    return eqprop.Pair(model, eqprop.Transformation(group, act, *rest), **more)


def two_layers(group: Any, activation: Any = lambda z: z, *, d_in: int = 2, n: int = 3, d_out: int = 2) -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: activation(x @ p["w1"]) @ p["w2"],
        {"w1": np.ones((d_in, n)), "w2": np.ones((n, d_out))},
        np.ones((3, d_in)),
        trained=False,
    )
    return eqprop.Pair(model, eqprop.hidden_units(group, writes={"w1": 1}, reads={"w2": 0}))


def rescaling() -> eqprop.Pair:
    return two_layers(groups.Scaling(3), jax.nn.relu)


def general_linear() -> eqprop.Pair:
    return two_layers(groups.GeneralLinear(3))


def rotation() -> eqprop.Pair:
    return two_layers(groups.Rotation(3))


def permutation() -> eqprop.Pair:
    return two_layers(groups.Permutation(3), jnp.tanh)


def centred(b: Any) -> Any:
    return b - jnp.mean(b, axis=1, keepdims=True)


def translation() -> eqprop.Pair:
    return pair(
        lambda b, x: x @ centred(b), np.ones((2, 3)), groups.Translation(2), lambda t, b: b + jnp.tile(t[:, None], 3)
    )


def shift_and_scale() -> eqprop.Pair:
    """Three rows are scaled, two are translated."""

    def act(g: Any, p: Any) -> Any:
        return {"b": p["b"] + jnp.tile(g[0][:, None], 3), "w": p["w"] * g[1][:, None]}

    def apply(p: Any, x: Any) -> Any:
        unit = p["w"] / jnp.linalg.norm(p["w"], axis=1, keepdims=True)
        return x @ centred(p["b"]) @ unit

    group = groups.Product(groups.Translation(2), groups.Scaling(3))
    return pair(apply, {"b": np.ones((2, 3)), "w": np.ones((3, 2))}, group, act)


def weight_norm() -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        return (x @ p["v"]) * (p["gain"] / jnp.linalg.norm(p["v"]))

    params = {"gain": np.ones(()), "v": np.ones((2, 3))}
    return pair(apply, params, groups.Scaling(1), lambda a, p: {**p, "v": p["v"] * a[0]})


def cubic() -> eqprop.Pair:
    return pair(
        lambda p, x: (x @ p["w1"]) ** 2 @ p["w2"],
        {"w1": np.ones((2, 3)), "w2": np.ones((3, 2))},
        groups.Scaling(1),
        lambda a, p: jax.tree.map(lambda leaf: leaf * a[0], p),
        lambda a, y: y * a[0] ** 3,
    )


def margin() -> eqprop.Pair:
    return pair(
        lambda p, x: jnp.exp(x @ p["w"] - p["b"]),
        {"b": np.ones(()), "w": np.ones(2)},
        groups.Translation(1),
        lambda t, p: {**p, "b": p["b"] + t[0]},
        lambda t, y: y * jnp.exp(-t[0]),
    )


def sheared() -> eqprop.Pair:
    """K nonlinear: f depends on p + q² alone."""

    def act(g: Any, p: Any) -> Any:
        return {"p": p["p"] + p["q"] ** 2 - (g * p["q"]) ** 2, "q": g * p["q"]}

    params = {"p": np.ones(2), "q": np.ones(2)}
    return pair(lambda p, x: x @ (p["p"] + p["q"] ** 2), params, groups.Scaling(2), act)


def about_a_centre() -> eqprop.Pair:
    """Rays from (−1, −2): k = θ + c is affine, neither linear nor constant."""
    centre = np.array([1.0, 2.0])

    def apply(p: Any, x: Any) -> Any:
        return x @ ((p + centre) / jnp.linalg.norm(p + centre))

    return pair(apply, np.ones(2), groups.Scaling(1), lambda a, p: a[0] * (p + centre) - centre)


def conversion() -> eqprop.Pair:
    target = eqprop.Model(lambda p, x: x @ p["v"], {"v": np.ones((2, 3))}, X)

    def fold(a: Any, p: Any) -> Any:
        return {"v": p["gain"][:, None] * p["w"] * a[None]}

    params = {"gain": np.ones(2), "w": np.ones((2, 3))}
    apply = lambda p, x: (x * p["gain"][None]) @ p["w"]  # noqa: E731
    return pair(apply, params, groups.Scaling(3), fold, lambda a, y: y * a[None], target=target)


def scaled_inputs() -> eqprop.Pair:
    return pair(
        lambda p, x: jnp.tanh(x @ p),
        np.ones((2, 3)),
        groups.Scaling(2),
        lambda a, p: p / a[:, None],
        lambda a, y: y,
        lambda a, x: x * a[None],
    )


made = cache(lambda make: make())
"""One pair object for each way to make one, whose traits are worked out once."""
