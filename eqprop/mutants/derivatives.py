"""Orders 1 to 3: a wrong derivative rule behind an exact value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Inputs, Outputs, Pair, Params
from eqprop.engine import Array, Tree, leaf_paths, with_backward, with_derivative
from eqprop.mutants.base import Change, Mutant, float_paths, leaf_at, slug
from eqprop.mutants.checking import checked

Operation = Callable[[Tree], Tree]


@checked
def entering_through(path: str, operation: Operation) -> Change:
    """The model with an operation on the tensors of this path where they enter its forward pass.

    In a conversion between two models only the source is changed.
    """

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        chosen = [p for p in float_paths(model.params) if fnmatchcase(p, path) and np.size(leaf_at(model.params, p))]
        if not chosen:
            return None

        def apply(params: Params, inputs: Inputs) -> Outputs:
            leaves, treedef = jax.tree.flatten(params)
            for i, leaf_path in enumerate(leaf_paths(params)):
                if leaf_path in chosen:
                    leaves[i] = operation(jnp.asarray(leaves[i]))
            return model.apply(jax.tree.unflatten(treedef, leaves), inputs)

        return pair.replaced(model=replace(model, apply=apply))

    return change


@checked
def leaving_through(operation: Operation) -> Change:
    """The model with an operation on every output, where it leaves the forward pass."""

    def change(pair: Pair) -> Pair:
        model = pair.model
        return pair.replaced(
            model=replace(model, apply=lambda params, inputs: jax.tree.map(operation, model.apply(params, inputs)))
        )

    return change


@checked
def scaled_outputs(delta: float = 1e-3, *, name: str = "scales-gradient-of-outputs") -> Mutant:
    """The derivative of the outputs is multiplied by 1 + δ·r, entry by entry.

    For transformations of data, K = id: a defect in a parameter is the same at both points there.
    """
    operation = with_derivative(lambda y, t: t * (1 + delta * ramp(y)))
    why = f"the derivative of the outputs is scaled by up to 1 + {delta:g}, entry by entry"
    return Mutant(name, 1, why, leaving_through(operation))


@checked
def bent_outputs(delta: float = 1e-2, *, name: str = "bends-outputs") -> Mutant:
    """Outputs and first derivative exact; the second derivative has δ·r times a product of first ones too much."""
    why = "value and gradient are exact, the second derivative of the outputs is not"
    return Mutant(name, 2, why, leaving_through(with_derivative(_bent(delta))))


@checked
def stopped(path: str, *, name: str = "") -> Mutant:
    """No gradient reaches the tensors of this path.

    Gradient covariance alone cannot see it where K maps each tensor to itself linearly; the Noether identity does.
    """
    why = f"the gradient of {path} is stopped"
    return Mutant(name or f"stops-{slug(path)}", 1, why, entering_through(path, jax.lax.stop_gradient))


@checked
def scaled_gradient(path: str, delta: float = 1e-3, *, name: str = "") -> Mutant:
    """The derivative is multiplied by 1 + δ·r, with r from 1/n to 1 over the n entries of the tensor.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """

    def derivative(x: Array, t: Array) -> Array:
        return t * (1 + delta * ramp(x))

    why = f"the derivative in {path} is scaled by up to 1 + {delta:g}, entry by entry"
    return Mutant(
        name or f"scales-gradient-of-{slug(path)}", 1, why, entering_through(path, with_derivative(derivative))
    )


@checked
def leaks_into(path: str, delta: float = 1e-3, *, name: str = "") -> Mutant:
    """The outputs have a derivative δ in each number of a tensor that they do not depend on; their values are exact.

    For tensors whose gradient vanishes: there is nothing to stop or to scale.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        if path not in float_paths(model.params):
            return None

        def apply(params: Params, inputs: Inputs) -> Outputs:
            leaf = leaf_at(params, path)
            leaked = delta * jnp.sum(leaf - jax.lax.stop_gradient(leaf))
            return jax.tree.map(lambda y: y + leaked, model.apply(params, inputs))

        return pair.replaced(model=replace(model, apply=apply))

    return Mutant(name or f"leaks-into-{slug(path)}", 1, f"a gradient reaches {path}, on which nothing depends", change)


@checked
def straight_through(path: str, delta: float = 1e-2, *, alike: bool = False, name: str = "") -> Mutant:
    """The derivative of w + ½δ·r·w² behind the value w, as a straight-through estimator has; r as before.

    With ``alike`` r is 1: the same for all units, so that a permutation of units carries the wrong gradient along and
    no covariance shows it. It is the gradient of no function, though.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        alike: whether r is 1 for all entries.
        name: of the mutant; made of its kind and the path by default.
    """

    def derivative(x: Array, t: Array) -> Array:
        return t * (1 + delta * _ramp(x, alike=alike) * x)

    why = f"the derivative in {path} is that of another function than the forward pass computes"
    named = name or f"straight-through-{'alike-in-' if alike else ''}{slug(path)}"
    return Mutant(named, 1, why, entering_through(path, with_derivative(derivative)))


@checked
def second_derivative(path: str, delta: float = 1e-2, *, alike: bool = False, name: str = "") -> Mutant:
    """Value and first derivative exact; the second derivative of each entry is δ·r in place of 0 (``alike``: r = 1).

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        alike: whether r is 1 for all entries.
        name: of the mutant; made of its kind and the path by default.
    """
    why = f"value and gradient are exact, the second derivative in {path} is not"
    named = name or f"bends-{'alike-in-' if alike else ''}{slug(path)}"
    return Mutant(named, 2, why, entering_through(path, with_derivative(_bent(delta, alike=alike))))


@checked
def third_derivative(path: str, delta: float = 1e-1, *, name: str = "") -> Mutant:
    """Value, first and second derivative exact; the third derivative of each entry is δ·r in place of 0.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """

    def derivative(x: Array, t: Array) -> Array:
        return t * (1 + 0.5 * delta * ramp(x) * (x - jax.lax.stop_gradient(x)) ** 2)

    why = f"value, gradient and Hessian are exact, the third derivative in {path} is not"
    return Mutant(name or f"twists-{slug(path)}", 3, why, entering_through(path, with_derivative(derivative)))


@checked
def backward_drops_term(path: str, *, name: str = "") -> Mutant:
    """A reverse-only rule (``jax.custom_vjp``) that drops the first entry's term."""

    def derivative(x: Array, t: Array) -> Array:
        return t * np.not_equal(np.arange(x.size), 0).reshape(x.shape)

    why = f"a custom backward rule drops the first entry of {path}"
    return Mutant(name or f"backward-drops-{slug(path)}", 1, why, entering_through(path, with_backward(derivative)))


@checked
def backward_scales(path: str, delta: float = 1e-3, *, name: str = "") -> Mutant:
    """As ``scaled_gradient``, in a reverse-only rule.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """

    def derivative(x: Array, t: Array) -> Array:
        return t * (1 + delta * ramp(x))

    why = f"a custom backward rule scales the gradient of {path} by up to 1 + {delta:g}, entry by entry"
    return Mutant(name or f"backward-scales-{slug(path)}", 1, why, entering_through(path, with_backward(derivative)))


@checked
def backward_straight_through(path: str, delta: float = 1e-2, *, name: str = "") -> Mutant:
    """As ``straight_through``, in a reverse-only rule.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """

    def derivative(x: Array, t: Array) -> Array:
        return t * (1 + delta * ramp(x) * x)

    why = f"a custom backward rule for {path} is that of another function than the forward pass computes"
    named = name or f"backward-straight-through-{slug(path)}"
    return Mutant(named, 1, why, entering_through(path, with_backward(derivative)))


@checked
def backward_bends(path: str, delta: float = 1e-2, *, name: str = "") -> Mutant:
    """As ``second_derivative``, in a reverse-only rule.

    Args:
        path: of a tensor, or a glob pattern of paths.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """
    why = f"a custom backward rule for {path} is exact, its own derivative is not"
    return Mutant(name or f"backward-bends-{slug(path)}", 2, why, entering_through(path, with_backward(_bent(delta))))


def ramp(x: Array) -> np.ndarray:
    """1/n, 2/n, …, 1 over the n entries of an array: no two units of a layer alike."""
    return (np.arange(1, x.size + 1) / x.size).reshape(x.shape)


def _ramp(x: Array, *, alike: bool) -> np.ndarray:
    return np.ones_like(ramp(x)) if alike else ramp(x)


def _bent(delta: float, *, alike: bool = False) -> Callable[[Tree, Tree], Tree]:
    """t·(1 + δ·r·(x − x₀)) at x = x₀: equal to t there, with derivative δ·r·t in x."""
    return lambda x, t: t * (1 + delta * _ramp(x, alike=alike) * (x - jax.lax.stop_gradient(x)))
