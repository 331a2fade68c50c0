"""Order 0: what everything else is derived from."""

from __future__ import annotations

import jax.numpy as jnp

from eqprop.engine import Leaves, is_floating, leaf_paths
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import one_model
from eqprop.properties.parts import Part, Sides, in_image, in_outputs, in_params, part
from eqprop.properties.point import Point


def _equivariance(point: Point) -> Sides:
    return (in_outputs(point.there.value, point.output_action.value),)


def _differing(point: Point, lhs: Leaves, rhs: Leaves, label: str) -> Part:
    """A comparison of carried leaves; of integers those that differ, for a difference is never rounding there."""
    dtype = jnp.result_type(*point.theta) if point.theta else float

    def of_side(side: Leaves) -> Leaves:
        triples = zip(side, lhs, rhs, strict=True)
        return tuple(
            leaf if is_floating(leaf) else jnp.where(jnp.asarray(a != b), jnp.asarray(leaf, dtype), 0)
            for leaf, a, b in triples
        )

    return part(point.image.carried_paths, of_side(lhs), of_side(rhs), label=label)


def _group_laws(point: Point) -> Sides:
    """K_e = id and K_g K_h = K_gh (K_hg for a right action); T and X likewise where given."""
    group, transformation = point.transformation.group, point.transformation
    g, h, e = point.probe.element, point.probe.element2, point.identity
    gh = group.compose(g, h) if transformation.side == "left" else group.compose(h, g)
    theta, y, x = point.theta, point.here.value, point.probe.inputs
    once, integers = point.act(h, theta), point.integers(h, theta)
    parts = [
        in_params(point, point.act(e, theta), theta, label="K at the identity"),
        in_image(point, point.acting(integers)(g, once), point.act(gh, theta), label="K composed"),
    ]
    if integers:
        parts.append(_differing(point, point.integers(e, theta), point.source.arrays, "K at the identity"))
        twice = point.integers(g, once, integers)
        parts.append(_differing(point, twice, point.integers(gh, theta), "K composed"))
    if transformation.moves_outputs:
        move = transformation.on_outputs
        parts.append(in_outputs(move(e, y), y, label="T at the identity"))
        parts.append(in_outputs(move(g, move(h, y)), move(gh, y), label="T composed"))
    if transformation.moves_inputs:
        move = transformation.on_inputs
        names = [f"input {path}" for path in leaf_paths(x)]
        parts.append(part(names, move(e, x), x, label="X at the identity"))
        parts.append(part(names, move(g, move(h, x)), move(gh, x), label="X composed"))
    return tuple(parts)


EQUIVARIANCE = Property(
    name="equivariance",
    order=0,
    statement="the model at the moved parameters and inputs gives the moved outputs",
    formula="f(K_g θ, X_g x) = T_g f(θ, x)",
    sides=_equivariance,
    needs=frozenset({"params", "inputs", "element"}),
    source=f"the premise of {PAPER}",
    derivation=(
        "The premise itself, assumed and not derived: f takes K_g and X_g to T_g.\n"
        "What else is said of f comes from it, by differentiating both sides in θ and in g."
    ),
)

GROUP_LAWS = Property(
    name="group-laws",
    order=0,
    statement="the actions are group actions: the identity moves nothing, and acting twice is acting by the product",
    formula="K_e θ = θ,  K_g K_h θ = K_gh θ  (K_hg for a right action);  T and X likewise",
    sides=_group_laws,
    needs=frozenset({"params", "inputs", "element", "element2"}),
    hypotheses=(one_model,),
    source="definition of a group action",
    derivation=(
        "What makes K, T and X actions, assumed and not derived: generators and inverses are taken of an action.\n"
        "The model is not part of it; a conversion between two models has no such laws."
    ),
)
