"""Small pairs, written out, on which the predictions for special cases and dynamics are tested; and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.mutants import ramp

X = np.array([[0.2, -0.6], [1.0, 0.4], [-0.3, 0.9]])


def model_of(apply: Callable[[Any, Any], Any], params: Any, inputs: Any = X, **fields: Any) -> eqprop.Model:
    return eqprop.Model(apply, params, inputs, trained=False, **fields)


def like(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.ones(shape) for name, shape in shapes.items()}


def broken(pair: eqprop.Pair) -> eqprop.Pair:
    """The same transformation of a model with a term that it does not leave: a square of the parameters."""

    def apply(params: Any, x: Any) -> Any:
        bent = sum(jnp.sum(jnp.sin(1.3 * leaf + 0.2) * ramp(leaf)) for leaf in jax.tree.leaves(params))
        return jax.tree.map(lambda y: y + 0.3 * bent * (1 + y), pair.model.apply(params, x))

    return pair.replaced(model=model_of(apply, pair.model.params, pair.model.inputs), name=f"{pair.name}-broken")


def two_layers() -> eqprop.Pair:
    """GL(3) between two linear layers: charges from symmetric ξ, angular momenta from antisymmetric ones."""
    model = model_of(lambda p, x: x @ p["w"] @ p["a"], like(w=(2, 3), a=(3, 2)))
    transformation = eqprop.hidden_units(groups.GeneralLinear(3), writes={"w": 1}, reads={"a": 0}, name="gl")
    return eqprop.Pair(model, eqprop.Transformation(**{**vars(transformation), "charge": gram_difference}))


def gram_difference(algebra: Any, params: Any) -> Any:
    return 0.5 * jnp.sum(algebra * (params["w"].T @ params["w"] - params["a"] @ params["a"].T))


def tanh_units() -> eqprop.Pair:
    """Permutations of four tanh units."""
    model = model_of(lambda p, x: jnp.tanh(x @ p["w"] + p["b"][None]) @ p["a"], like(w=(2, 4), b=(4,), a=(4, 2)))
    return eqprop.Pair(
        model, eqprop.hidden_units(groups.Permutation(4), writes={"w": 1, "b": 0}, reads={"a": 0}, name="permutation")
    )


def rotated_units() -> eqprop.Pair:
    """Rotations of units with quadratic activation: orthogonal, antisymmetric generators."""
    model = model_of(lambda p, x: jnp.sum((x @ p["w"]) ** 2, axis=1) + x @ p["v"], like(w=(2, 3), v=(2,)))
    return eqprop.Pair(model, eqprop.hidden_units(groups.Rotation(3), writes={"w": 1}, name="rotation"))


def softmax_head() -> eqprop.Pair:
    """A translation: the same vector added to every class."""
    model = model_of(lambda p, x: jax.nn.log_softmax(x @ p["w"], axis=-1), like(w=(2, 3)))
    shift = eqprop.Transformation(groups.Translation(2), lambda s, p: {"w": p["w"] + s[:, None]}, name="shift")
    return eqprop.Pair(model, shift)


def normalised() -> eqprop.Pair:
    """A scale-invariant block w, and parameters v beside it that are not scaled."""

    def apply(p: Any, x: Any) -> Any:
        return jnp.tanh(x @ (p["w"] / jnp.sqrt(jnp.sum(p["w"] ** 2)))) * p["v"]

    scale = eqprop.Transformation(groups.Scaling(1), lambda c, p: {**p, "w": p["w"] * c[0]}, name="scale")
    return eqprop.Pair(model_of(apply, like(w=(2,), v=())), scale)


EPSILON = 1e-3


def nearly_normalised() -> eqprop.Pair:
    """The same with an ε beside w's square: z = w·x/√(w² + ε) moves by ε/(w² + ε) of itself, tanh z by no more."""

    def part(p: Any, x: Any) -> tuple[Any, Any]:
        square = jnp.sum(p["w"] ** 2) + EPSILON
        return x @ (p["w"] / jnp.sqrt(square)), EPSILON / square

    def apply(p: Any, x: Any) -> Any:
        return jnp.tanh(part(p, x)[0]) * p["v"]

    def defect(algebra: Any, p: Any, x: Any) -> Any:
        z, share = part(p, x)
        return jnp.abs(algebra[0] * p["v"]) * share * jnp.max(jnp.abs(z) / jnp.cosh(z) ** 2)

    scale = eqprop.Transformation(
        groups.Scaling(1), lambda c, p: {**p, "w": p["w"] * c[0]}, name="scale", defect=defect
    )
    return eqprop.Pair(model_of(apply, like(w=(2,), v=())), scale)


def cubic() -> eqprop.Pair:
    """Homogeneous of degree 3 in all parameters."""

    def grow(c: Any, p: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf * c[0], p)

    model = model_of(lambda p, x: (x @ p["w"]) ** 2 @ p["a"], like(w=(2, 2), a=(2, 1)))
    return eqprop.Pair(
        model, eqprop.Transformation(groups.Scaling(1), grow, lambda c, y: y * c[0] ** 3, name="dilation")
    )


def two_degrees() -> eqprop.Pair:
    """Homogeneous of degree 2 in one layer and 1 in the other."""
    model = model_of(lambda p, x: (x @ p["w"]) ** 2 @ p["a"], like(w=(2, 2), a=(2, 1)))

    def grow(c: Any, p: Any) -> Any:
        return {"w": p["w"] * c[0], "a": p["a"] * c[1]}

    return eqprop.Pair(
        model, eqprop.Transformation(groups.Scaling(2), grow, lambda c, y: y * c[0] ** 2 * c[1], name="layers")
    )


def margins() -> eqprop.Pair:
    """A translation of one bias multiplies all outputs by e^(−s)."""
    model = model_of(lambda p, x: jnp.exp(-(jnp.sin(x @ p["w"]) + p["c"])), like(w=(2,), c=()))
    raised = eqprop.Transformation(
        groups.Translation(1),
        lambda s, p: {**p, "c": p["c"] + s[0]},
        on_outputs=lambda s, y: jnp.exp(-s[0]) * y,
        name="margin",
    )
    return eqprop.Pair(model, raised)


def split_unit() -> eqprop.Pair:
    """A conversion: the last of two units twice, its reader shared as 0.3 to 0.7, so that 8 parameters become 12."""

    def net(p: Any, x: Any) -> Any:
        return jnp.tanh(x @ p["w"]) @ p["a"]

    def split(_: Any, p: Any) -> Any:
        w, a = p["w"], p["a"]
        return {
            "w": jnp.concatenate([w, w[:, -1:]], axis=1),
            "a": jnp.concatenate([a[:-1], 0.3 * a[-1:], 0.7 * a[-1:]]),
        }

    source, target = model_of(net, like(w=(2, 2), a=(2, 2))), model_of(net, like(w=(2, 3), a=(3, 2)))
    move = eqprop.Transformation(groups.Trivial(), split, name="split")
    return eqprop.Pair(source, move, target=target, name="split-unit")


PAIRS = (
    two_layers,
    tanh_units,
    rotated_units,
    softmax_head,
    normalised,
    nearly_normalised,
    cubic,
    two_degrees,
    margins,
    split_unit,
)
