"""Derivatives that are wrong in the same way wherever the group goes: every entry has these.

Identities between derivatives at θ and at K_gθ are homogeneous in them, or say that they vanish. A factor that is the
same everywhere is seen because a derivative adds up to the increment of the function, and a second derivative to that
of the gradient (``properties/derivatives.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp

from eqprop.claims import Inputs, Outputs, Pair, Params
from eqprop.engine import Array, Tree, double_vjp, is_floating, with_backward, with_derivative
from eqprop.mutants.base import Mutant
from eqprop.mutants.checking import checked
from eqprop.mutants.derivatives import entering_through, leaving_through
from eqprop.mutants.mixed import turns_sensitivity
from eqprop.properties import straight_model


@checked
def scales_all(delta: float = 1e-3, *, name: str = "scales-all-gradients") -> Mutant:
    """A custom backward rule multiplies all gradients by 1 + δ, as a mean does that is taken twice."""
    operation = with_backward(lambda _, cotangent: cotangent * (1 + delta))
    return Mutant(name, 1, f"a custom backward rule scales every gradient by 1 + {delta:g}", leaving_through(operation))


@checked
def scales_apart(delta: float = 1e-3, *, name: str = "scales-tensors-apart") -> Mutant:
    """The derivative in each tensor is multiplied by a factor of its own, from 1 + δ/n to 1 + δ for the n tensors."""

    def operation(place: float) -> Callable[[Tree], Tree]:
        return with_derivative(lambda _, t: t * (1 + delta * place))

    return Mutant(name, 1, "the derivative in each tensor is scaled by a factor of its own", in_each_tensor(operation))


@checked
def masks_small(*, name: str = "masks-small-entries") -> Mutant:
    """The derivative is dropped where a number is smaller than its tensor's mean size, and halved in a single number.

    The mask scales with its unit, and is carried along by permutations and by signs.
    """

    def derivative(x: Array, t: Array) -> Array:
        size = jnp.abs(x)
        return 0.5 * t if x.size == 1 else t * (size >= jnp.mean(size))

    change = entering_through("*", with_derivative(derivative))
    return Mutant(name, 1, "the derivative in numbers below the mean size of their tensor is dropped", change)


@checked
def scales_cotangent_of_inputs(delta: float = 1e-3, *, name: str = "scales-cotangent-of-inputs") -> Mutant:
    """A custom backward rule hands a wrong cotangent to what the inputs come from.

    Where no input is floating point, that is whatever the parameters come from.
    """
    operation = with_backward(lambda _, cotangent: cotangent * (1 + delta))
    of_params = entering_through("*", operation)

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        if not any(model.input_leaves.floating):
            return of_params(pair)

        def apply(params: Params, inputs: Inputs) -> Outputs:
            return model.apply(params, jax.tree.map(lambda x: operation(x) if is_floating(x) else x, inputs))

        return pair.replaced(model=replace(model, apply=apply))

    return Mutant(name, 1, f"a custom backward rule scales the cotangent of the inputs by 1 + {delta:g}", change)


@checked
def turns_gradient(delta: float = 1e-2, *, name: str = "turns-gradient") -> Mutant:
    """Value and gradient exact; the gradient's derivative is H + δ ∇L θᵀ, which is symmetric for a single number only.

    The factor 1 + δ(½‖θ‖² − its value) is the same at K_gθ for orthogonal K.
    """

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        if model.param_leaves.size < 2:
            return None

        def apply(params: Params, inputs: Inputs) -> Outputs:
            leaves = [leaf for leaf in jax.tree.leaves(params) if is_floating(leaf)]
            excess = 0.5 * delta * sum(jnp.sum(leaf**2) for leaf in leaves)
            turned = jax.tree.map(lambda leaf: _turned(leaf, excess) if is_floating(leaf) else leaf, params)
            return model.apply(turned, inputs)

        return pair.replaced(model=replace(model, apply=apply))

    return Mutant(name, 2, "value and gradient are exact, and the gradient's derivative is not symmetric", change)


_turned = with_derivative(lambda _, t, excess: t * (1 + excess - jax.lax.stop_gradient(excess)))


@checked
def scales_second_derivative(delta: float = 1e-2, *, name: str = "scales-second-derivatives") -> Mutant:
    """Value and first derivative exact; the second derivative of the outputs is multiplied by 1 + δ.

    By δ times the rest r = f(θ) − f(θ₀) − J(θ₀)(θ − θ₀) behind the linear part at θ₀ = θ, a constant: r and its
    derivative vanish there, and D²r = D²f. For models that have a second derivative.
    """

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        leaves = model.param_leaves
        if not any(leaves.floating) or straight_model(pair):
            return None

        def apply(params: Params, inputs: Inputs) -> Outputs:
            theta = tuple(map(jnp.asarray, leaves.split(params)))
            start = jax.lax.stop_gradient(theta)
            away = jax.tree.map(jnp.subtract, theta, start)
            # By reverse mode alone: some models have no other.
            first, push = double_vjp(lambda at: model.apply(_joined(params, list(at)), inputs), start)
            along = push(away)
            whole = model.apply(params, inputs)
            return jax.tree.map(lambda y, a, b: y + delta * ((y - a) - b), whole, first, along)

        return pair.replaced(model=replace(model, apply=apply))

    why = f"value and gradient are exact, the second derivative is multiplied by 1 + {delta:g}"
    return Mutant(name, 2, why, change)


def in_each_tensor(operation: Callable[[float], Callable[[Tree], Tree]]) -> Callable[[Pair], Pair | None]:
    """The model with ``operation(place)`` on each tensor where it enters, its place from 1/n to 1."""

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        leaves = model.param_leaves
        count = sum(leaves.floating)
        if not count:
            return None
        operations = [operation((i + 1) / count) for i in range(count)]

        def apply(params: Params, inputs: Inputs) -> Outputs:
            floats = leaves.split(params)
            entering = [op(jnp.asarray(leaf)) for op, leaf in zip(operations, floats, strict=True)]
            return model.apply(_joined(params, entering), inputs)

        return pair.replaced(model=replace(model, apply=apply))

    return change


def _joined(params: Params, floats: list[Array]) -> Params:
    given = iter(floats)
    return jax.tree.map(lambda leaf: next(given) if is_floating(leaf) else leaf, params)


COVARIANT = (
    scales_all(),
    scales_apart(),
    masks_small(),
    scales_cotangent_of_inputs(),
    turns_gradient(),
    scales_second_derivative(),
    turns_sensitivity(),
)
"""Of every catalog entry, behind those that it names."""
