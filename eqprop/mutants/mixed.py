"""Values and first derivatives exact, in parameters and in inputs; what is wrong is how the one depends on the other.

Nothing that differentiates in parameters alone sees it, nor a first derivative in the inputs.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp

from eqprop.claims import Inputs, Outputs, Pair, Params
from eqprop.engine import Array, Tree, is_floating, with_derivative
from eqprop.mutants.base import Mutant, float_paths, leaf_at, slug
from eqprop.mutants.checking import checked


@checked
def turns_sensitivity(delta: float = 1e-2, *, name: str = "turns-sensitivities") -> Mutant:
    """∂f/∂x is exact, and its derivative in θ has δ ∂f/∂x θᵀ too much; ∂f/∂θ and its derivative in x are right.

    The factor 1 + δ(½‖θ‖² − its value) is the same at K_gθ for orthogonal K. Where no parameter or no input is floating
    point the gradient itself is turned, and not the sensitivities.
    """
    turned = with_derivative(lambda _, t, excess: t * (1 + excess - jax.lax.stop_gradient(excess)))

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        in_data = any(model.param_leaves.floating) and any(model.input_leaves.floating)

        def apply(params: Params, inputs: Inputs) -> Outputs:
            leaves = [leaf for leaf in jax.tree.leaves(params) if is_floating(leaf)]
            excess = 0.5 * delta * sum(jnp.sum(leaf**2) for leaf in leaves)

            def entering(tree: Tree) -> Tree:
                return jax.tree.map(lambda leaf: turned(jnp.asarray(leaf), excess) if is_floating(leaf) else leaf, tree)

            return model.apply(params, entering(inputs)) if in_data else model.apply(entering(params), inputs)

        return pair.replaced(model=replace(model, apply=apply))

    why = "value and gradients are exact, what parameters do to the gradient in the inputs is not"
    return Mutant(name, 2, why, change)


@checked
def mixes_logarithm(path: str, delta: float = 1e-2, *, name: str = "") -> Mutant:
    """The outputs have δ Σ(log|w| − its value)·Σ(x − its value) too much: 0, with derivative 0, in θ and in x.

    ∂²f/∂w∂x is off by δ/w, the same in either order, and carried along by scalings of w; but it is not orthogonal to
    the orbit. For scalings of the tensor's numbers, on models whose inputs are floating point.

    Args:
        path: of the tensor w.
        delta: δ.
        name: of the mutant; made of its kind and the path by default.
    """

    def away(leaf: Array) -> Array:
        return jnp.sum(leaf - jax.lax.stop_gradient(leaf))

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        if path not in float_paths(model.params) or not any(model.input_leaves.floating):
            return None

        def apply(params: Params, inputs: Inputs) -> Outputs:
            moved = sum(away(x) for x in jax.tree.leaves(inputs) if is_floating(x))
            mixed = delta * away(jnp.log(jnp.abs(leaf_at(params, path)))) * moved
            return jax.tree.map(lambda y: y + mixed, model.apply(params, inputs))

        return pair.replaced(model=replace(model, apply=apply))

    why = f"value and gradients are exact; how the gradient in {path} depends on the data is off along the orbit"
    return Mutant(name or f"mixes-logarithm-of-{slug(path)}", 2, why, change)
