"""Pairs that are not equivariant: whatever two sides say of them differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.probes import Loss
from eqprop.probes.losses import EXPONENTIAL, SMOOTH


def curved(params: Any, inputs: Any) -> Any:
    hidden = jnp.tanh(inputs["x"] @ params["b"]) + 0.1 * inputs["i"][:, None]
    return {"y": hidden @ params["a"], "z": params["n"] * jnp.sum(params["a"] ** 3)}


def large(params: Any, inputs: Any) -> Any:
    return jax.tree.map(lambda y: 30.0 * y, curved(params, inputs))


@jax.custom_vjp
def cubed(x: Any) -> Any:
    return x**3


cubed.defvjp(lambda x: (x**3, x), lambda x, w: (3 * x**2 * w,))


def reverse_only(params: Any, inputs: Any) -> Any:
    return {**curved(params, inputs), "z": jnp.sum(cubed(params["b"])) + params["n"] * jnp.sum(cubed(params["a"]))}


def its_twin(params: Any, inputs: Any) -> Any:
    """What ``reverse_only`` computes, in a form that the oracle can differentiate in forward mode."""
    return {**curved(params, inputs), "z": jnp.sum(params["b"] ** 3) + params["n"] * jnp.sum(params["a"] ** 3)}


def bent(g: Any, params: Any) -> Any:
    """Nonlinear in θ, and not the identity at the identity."""
    return {
        "a": params["a"] * g + 0.3 * g**2 * params["a"] ** 2,
        "b": jnp.sin(params["b"]) / g[:, None],
        "n": params["n"],
    }


def bent_outputs(g: Any, y: Any) -> Any:
    return {"y": y["y"] * g[0] + 0.2 * g[1] * y["y"] ** 2, "z": y["z"] - y["z"] ** 2 * g[0]}


def bent_inputs(g: Any, x: Any) -> Any:
    return {"x": x["x"] * g[None] + 0.2 * g[0] * x["x"] ** 2, "i": x["i"]}


def folded(g: Any, params: Any) -> Any:
    return {"v": (params["a"][:, None] * params["b"]).T * g[None], "w": jnp.exp(params["a"])}


def after_folding(params: Any, inputs: Any) -> Any:
    return {"y": jnp.sin(inputs["x"] @ params["v"]) @ params["w"], "z": jnp.sum(params["v"] ** 2 @ params["w"])}


PARAMS = {"a": np.array([0.7, -0.4]), "b": np.array([[0.5, -1.1], [0.3, 0.8]]), "n": np.array(2, np.int32)}
INPUTS = {"x": np.array([[0.2, -0.6], [1.0, 0.4], [-0.3, 0.9]]), "i": np.array([0, 2, 1], np.int32)}


def generic(apply: Callable[..., Any] = curved, **actions: Any) -> eqprop.Pair:
    model = eqprop.Model(apply, PARAMS, INPUTS, name=apply.__name__)
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), bent, isometry=True, **actions))


def conversion() -> eqprop.Pair:
    target = eqprop.Model(after_folding, {"v": np.zeros((2, 2)), "w": np.zeros(2)}, INPUTS)
    transformation = eqprop.Transformation(groups.Scaling(2), folded, isometry=True, on_outputs=bent_outputs)
    model = eqprop.Model(curved, PARAMS, INPUTS, loss=lambda y: jnp.sum(jnp.cosh(y["y"] - 0.3)) * y["z"])
    return eqprop.Pair(model, transformation, target)


CASES: dict[str, tuple[Callable[[], eqprop.Pair], Loss]] = {
    "T = id, X = id": (generic, SMOOTH),
    "T ≠ id, X ≠ id": (lambda: generic(on_outputs=bent_outputs, on_inputs=bent_inputs), SMOOTH),
    "two models and a loss of their own": (conversion, SMOOTH),
    "T ≠ id, outputs too large for an exponential": (lambda: generic(large, on_outputs=bent_outputs), EXPONENTIAL),
    "reverse-only, X ≠ id": (lambda: generic(reverse_only, on_inputs=bent_inputs), SMOOTH),
    "reverse-only, T = id": (lambda: generic(reverse_only), SMOOTH),
}
