"""The groups of the optimiser table: one small model with one transformation for each.

Losses are fixed and bend everywhere, with a bounded slope: trajectories then stay finite, and one compiled program
serves a cell. Parameters are kept to a few units for the same reason (``domain``). Group elements are not taken to the
group's extremes: what is asked is whether an optimiser commutes, not how far it can be pushed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from eqprop import groups
from eqprop.actions import experts, hidden_units
from eqprop.claims import Model, Outputs, Pair, Params, Transformation
from eqprop.engine import Array, Tree
from eqprop.groups import Element
from eqprop.optimizers.zoo import Maps

ROWS, FEATURES, OUTPUTS = 8, 3, 2
UNITS, LINEAR_UNITS = 3, 2
"""Linear units are no more than inputs and outputs are: with more, Hessians of linear networks are singular."""
LARGEST = 2.0


@dataclass(frozen=True)
class Column:
    """One group of the table.

    Attributes:
        name: as in the table, and of the pair.
        head: in the narrow heading of its column.
        text: what moves, in a few words.
        pair: the representative.
        maps: the kind of linear maps that DK is; None for a translation, where it is the identity.
        charged: whether some generators have a charge.
    """

    name: str
    head: str
    text: str
    pair: Pair
    maps: Maps | None
    charged: bool = False


def _numbers(name: str, *shape: int) -> np.ndarray:
    """Normal numbers that depend on nothing but what they are for."""
    seed = sum(ord(letter) * 31**i for i, letter in enumerate(name)) % 2**32
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def _near(params: Params) -> Tree:
    """Each number squeezed into (−2, 2)."""
    return jax.tree.map(lambda p: p / (1 + np.abs(p) / LARGEST), params)


def _model(
    name: str, apply: Callable[[Tree, Tree], Tree], *, shapes: dict[str, tuple[int, ...]], outputs: int
) -> Model:
    targets = _numbers(f"{name} targets", ROWS, outputs)

    def loss(y: Array) -> Tree:
        return jnp.mean(jnp.sqrt(1 + (y - targets) ** 2))

    return Model(
        apply,
        {path: _numbers(f"{name} {path}", *shape) for path, shape in shapes.items()},
        _numbers(f"{name} inputs", ROWS, FEATURES),
        loss=loss,
        name=name,
        domain=_near,
    )


def _network(name: str, activation: Callable[[Tree], Tree], width: int, *, bias: bool) -> Model:
    """Two layers."""
    shapes = {"w1": (FEATURES, width), "w2": (width, OUTPUTS)} | ({"b1": (width,)} if bias else {})

    def apply(params: Params, x: Array) -> Outputs:
        hidden = x @ params["w1"] + (params["b1"][None, :] if bias else 0)
        return activation(hidden) @ params["w2"]

    return _model(name, apply, shapes=shapes, outputs=OUTPUTS)


def _units(name: str, group: groups.Group, activation: Callable[[Tree], Tree], *, bias: bool) -> Pair:
    writes = {"w1": 1} | ({"b1": 0} if bias else {})
    moves = hidden_units(group, writes=writes, reads={"w2": 0}, name=name)
    width = group.size or 0
    return Pair(_network(name, activation, width, bias=bias), moves, name=name)


def _linear(z: Tree) -> Tree:
    return z


def _leaky(z: Tree) -> Tree:
    """A leaky ReLU: positively homogeneous, and never dead, which would leave the Hessian singular."""
    return jnp.where(z > 0, z, 0.25 * z)


def _both_sides() -> Pair:
    """x W₁ W₂ W₃ with orthogonal matrices at both interfaces: W₂ is multiplied from the left and from the right."""
    name, (m, n) = "both-sides", (LINEAR_UNITS, LINEAR_UNITS)
    shapes = {"w1": (FEATURES, m), "w2": (m, n), "w3": (n, OUTPUTS)}
    model = _model(name, lambda p, x: x @ p["w1"] @ p["w2"] @ p["w3"], shapes=shapes, outputs=OUTPUTS)

    def turn(element: Element, p: Tree) -> Params:
        left, right = element
        return {"w1": p["w1"] @ left.T, "w2": left @ p["w2"] @ right.T, "w3": right @ p["w3"]}

    group = groups.Product(groups.Orthogonal(m), groups.Orthogonal(n))
    return Pair(model, Transformation(group, turn, name=name, isometry=True), name=name)


def _across() -> Pair:
    """(x A)² + (x B)²: A and B, two tensors, are turned into each other."""
    name = "across-tensors"
    shapes = {"a": (FEATURES, OUTPUTS), "b": (FEATURES, OUTPUTS)}
    model = _model(name, lambda p, x: (x @ p["a"]) ** 2 + (x @ p["b"]) ** 2, shapes=shapes, outputs=OUTPUTS)

    def turn(g: Tree, p: Tree) -> Params:
        return {"a": g[0, 0] * p["a"] + g[0, 1] * p["b"], "b": g[1, 0] * p["a"] + g[1, 1] * p["b"]}

    return Pair(model, Transformation(groups.Orthogonal(2), turn, name=name, isometry=True), name=name)


def _shift() -> Pair:
    """softmax(x W): the same column added to every class. W is one matrix, so Muon and Shampoo treat it as one."""
    name = "translation"
    model = _model(name, lambda p, x: jax.nn.softmax(x @ p["w"]), shapes={"w": (FEATURES, UNITS)}, outputs=UNITS)

    def shift(by: Tree, p: Tree) -> Tree:
        return {"w": p["w"] + by[:, None]}

    return Pair(model, Transformation(groups.Translation(FEATURES), shift, name=name, isometry=True), name=name)


def _normed() -> Pair:
    """tanh of x W divided by its root mean square: W may have any length, and is the only parameter."""
    name = "normed-block"

    def apply(params: Params, x: Array) -> Outputs:
        z = x @ params["w"]
        return jnp.tanh(z / jnp.sqrt(jnp.mean(z**2, axis=-1, keepdims=True)))

    model = _model(name, apply, shapes={"w": (FEATURES, UNITS)}, outputs=UNITS)

    def scale(by: Tree, p: Tree) -> Tree:
        return {"w": p["w"] * by[0]}

    return Pair(model, Transformation(groups.Scaling(1), scale, name=name), name=name)


def _stack() -> Pair:
    """Σ tanh(x A_i) B_i: matrices that are stacked in one tensor of three axes trade places."""
    name, count = "stacked-matrices", 2
    shapes = {"a": (count, FEATURES, UNITS), "b": (count, UNITS, OUTPUTS)}

    def apply(params: Params, x: Array) -> Outputs:
        return jnp.sum(jnp.tanh(x @ params["a"]) @ params["b"], axis=0)

    model = _model(name, apply, shapes=shapes, outputs=OUTPUTS)
    return Pair(model, experts(count, {"a": 0, "b": 0}, name=name), name=name)


@cache
def columns() -> tuple[Column, ...]:
    """The groups, from those that most optimisers commute with to those that few do."""
    silu, tanh = jax.nn.silu, jnp.tanh
    permutations = _units("permutations", groups.Permutation(UNITS), silu, bias=True)
    signs = _units("signs", groups.Sign(UNITS), tanh, bias=True)
    signed = _units("signed-permutations", groups.SignedPermutation(UNITS), tanh, bias=True)
    rotations = _units("rotations", groups.Orthogonal(LINEAR_UNITS), _linear, bias=False)
    rescaling = _units("rescaling", groups.Scaling(LINEAR_UNITS), _leaky, bias=False)
    general = _units("general-linear", groups.GeneralLinear(LINEAR_UNITS), _linear, bias=False)
    return (
        Column("permutations", "perm", "units of any activation trade places", permutations, Maps.SIGNED),
        Column("signs", "sign", "tanh units change sign", signs, Maps.SIGNED),
        Column("signed-permutations", "±perm", "both", signed, Maps.SIGNED),
        Column("stacked-matrices", "stack", "matrices stacked in one tensor trade places", _stack(), Maps.SIGNED),
        Column("rotations", "O(n)", "linear units turn: one side of each matrix", rotations, Maps.SIDES),
        Column("both-sides", "O×O", "O(m)×O(n) on the middle one of three linear layers", _both_sides(), Maps.SIDES),
        Column("across-tensors", "mix", "O(2) turns two matrices into each other", _across(), Maps.ORTHOGONAL),
        Column("rescaling", "scale", "leaky ReLU units: a > 0 in, 1/a out", rescaling, Maps.INVERTIBLE, charged=True),
        Column(
            "normed-block", "norm", "the length of what a norm divides by it", _normed(), Maps.INVERTIBLE, charged=True
        ),
        Column("general-linear", "GL(n)", "linear units change basis", general, Maps.INVERTIBLE, charged=True),
        Column("translation", "shift", "softmax: a vector added to every class", _shift(), None, charged=True),
    )


def pairs() -> tuple[Pair, ...]:
    """The representatives: ``eqprop verify eqprop.optimizers.pairs:pairs``."""
    return tuple(column.pair for column in columns())
