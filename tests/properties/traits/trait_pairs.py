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


def stored_gain() -> eqprop.Pair:
    """Homogeneous of degree 2 about (0, −1): a gain stored as γ and used as 1 + γ."""
    return pair(
        lambda p, x: (1 + p["γ"])[None] * (x @ p["w"]),
        {"w": np.ones((2, 3)), "γ": np.ones(3)},
        groups.Scaling(1),
        lambda a, p: {"w": a[0] * p["w"], "γ": a[0] * (1 + p["γ"]) - 1},
        lambda a, y: a[0] ** 2 * y,
    )


def log_scale() -> eqprop.Pair:
    """A block is scaled while the logarithm of its scale is translated: Dk = P, but Pk ≠ k."""
    return pair(
        lambda p, x: jnp.exp(p["s"]) * jnp.tanh(x[:, :1]) * (x @ p["v"]),
        {"s": np.ones(()), "v": np.ones((2, 3))},
        groups.Scaling(1),
        lambda a, p: {"s": p["s"] - jnp.log(a[0]), "v": a[0] * p["v"]},
    )


def of_degree(degree: float) -> eqprop.Pair:
    """‖x ⊙ w‖^degree, homogeneous of this degree."""
    return pair(
        lambda w, x: jnp.sum((x * w[None]) ** 2 + 0.1 * w[None] ** 2, axis=1) ** (degree / 2),
        np.ones(2),
        groups.Scaling(1),
        lambda a, w: a[0] * w,
        lambda a, y: a[0] ** degree * y,
    )


def idle_factor() -> eqprop.Pair:
    """A translation beside GL(3), of which nothing depends on the latter: k_ξ = 0 for nine of ten coordinates."""
    group = groups.Product(groups.GeneralLinear(3), groups.Translation(1))
    return pair(
        lambda b, x: x @ (b - jnp.mean(b)), np.ones(2), group, lambda g, b: b + g[1][0] * jnp.linalg.det(g[0]) ** 0
    )


def reflected_sphere() -> eqprop.Pair:
    """A conversion to the distance from 0: DK DKᵀ = 1 and K is not affine."""
    target = eqprop.Model(lambda p, x: x @ jnp.stack([p, p]), np.ones(()), X)
    return pair(
        lambda p, x: jnp.linalg.norm(p) * jnp.sum(x, axis=1),
        np.ones(3),
        groups.Permutation(3),
        lambda g, p: jnp.linalg.norm(p[g]),
        target=target,
    )


def isometric_embedding() -> eqprop.Pair:
    """A unit is split into two with weights 1/√2: DKᵀ DK = 1 and DK DKᵀ is a projection."""
    target = eqprop.Model(lambda p, x: x @ jnp.stack([p[0] + p[1], p[2]]), np.ones(3), X)
    return pair(
        lambda p, x: x @ jnp.stack([jnp.sqrt(2) * p[0], p[1]]),
        np.ones(2),
        groups.Permutation(2),
        lambda g, p: jnp.stack([p[0] / jnp.sqrt(2), p[0] / jnp.sqrt(2), p[1]]),
        target=target,
    )


MASK = np.array([[True, False, True], [True, True, False]])


def masked(*, mask: bool = True) -> eqprop.Pair:
    """A pruning mask that is permuted with its units, or is forgotten."""

    def act(s: Any, p: Any) -> Any:
        back = jnp.argsort(s)
        return {"mask": p["mask"][:, back] if mask else p["mask"], "w": p["w"][:, back], "v": p["v"][back]}

    return pair(
        lambda p, x: jnp.tanh(x @ jnp.where(p["mask"], p["w"], 0.0)) @ p["v"],
        {"mask": MASK, "w": np.ones((2, 3)), "v": np.ones((3, 2))},
        groups.Permutation(3),
        act,
    ).replaced(name="masked")


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


def shifted_logits() -> eqprop.Pair:
    """T moves the outputs, and the model's own loss, a cross-entropy with classes 0, does not see it."""
    loss = lambda y: jnp.sum(jax.nn.logsumexp(y, axis=1) - y[:, 0])  # noqa: E731
    model = eqprop.Model(lambda p, x: x @ p, np.ones((2, 3)), X, loss=loss, trained=False)
    act = eqprop.Transformation(groups.Translation(1), lambda t, p: p + t[0], lambda t, y: y + 2 * t[0])
    return eqprop.Pair(model, act)


made = cache(lambda make: make())
"""One pair object for each way to make one, whose traits are worked out once."""
