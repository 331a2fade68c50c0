"""Numbers for probes: pure functions of a family, a seed and shapes. Hypothesis draws structure; this fills it in."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import jax
import numpy as np
from jaxtyping import Bool, Float, Shaped

from eqprop.claims import Inputs, Model, Outputs, Pair
from eqprop.engine import Tree, is_floating
from eqprop.groups import Element, Group, LieGroup, Tensor, involutions
from eqprop.probes.losses import Loss
from eqprop.probes.probe import Probe

READABLE = np.array([1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0])
"""What families of simple numbers and shrunk counterexamples are made of; zero is left out here because of kinks."""

Filler = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Batch = Shaped[np.ndarray, "probes ..."]
Floats = Float[np.ndarray, "probes ..."]
Numbers = Float[np.ndarray, " {count}"]


def _width(shape: tuple[int, ...]) -> float:
    """The geometric mean length of a tensor's axes, behind the axis of probes."""
    axes = shape[1:]
    return float(np.prod(axes, dtype=float) ** (1 / len(axes))) if len(axes) > 1 and np.prod(axes) else 1.0


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Normal numbers, a tensor with several axes scaled down by the square root of its width."""
    drawn = np.asarray(rng.standard_normal(shape))
    drawn /= np.sqrt(_width(shape))
    return drawn


def readable(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Numbers from ±½, ±1, ±2, ±3."""
    return rng.choice(READABLE, shape)


def ones(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """+1 or −1 everywhere."""
    return rng.choice(READABLE[:2], shape)


def badly_scaled(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Normal numbers times e^±4 for the tensor and e^±4 for each entry."""
    per_tensor = rng.uniform(-4, 4, (shape[0],) + (1,) * (len(shape) - 1))
    return gaussian(rng, shape) * np.exp(per_tensor + rng.uniform(-4, 4, shape))


FAMILIES: dict[str, Filler] = {
    "gaussian": gaussian,
    "readable": readable,
    "ones": ones,
    "badly scaled": badly_scaled,
}
"""Families of parameters that need no example, simplest to generate last to compute with."""

GIVEN = "given"
NEARBY = "nearby"


SIMPLE = ("readable", "ones")


def family_names(model: Model, *, generic: bool = False) -> tuple[str, ...]:
    """The families that probes of this model are taken from, in turn.

    Args:
        model: whose parameters are drawn.
        generic: leaves out the families of simple numbers. Points that a property constructs from those (the mean of
            two units, say) often lie on a kink.
    """
    fresh = tuple(name for name in FAMILIES if not (generic and name in SIMPLE))
    if generic:
        return (GIVEN, NEARBY, *fresh) if model.trained else fresh
    return (GIVEN, *fresh[:1], NEARBY, *fresh[1:2], GIVEN, NEARBY, *fresh[3:]) if model.trained else fresh


def params_of(model: Model, family: str, rng: np.random.Generator, count: int) -> tuple[Floats, ...]:
    """The floating-point leaves of ``count`` parameter draws from one family, with a leading axis.

    ``given`` repeats the model's example; ``nearby`` moves each number of it by about a tenth of itself.

    Args:
        model: whose parameters are drawn.
        family: of numbers.
        rng: every number comes from it.
        count: of draws.
    """
    leaves = model.param_leaves
    if family in (GIVEN, NEARBY):
        drawn: list[np.ndarray] = []
        for leaf in leaves.split(model.params):
            values = np.broadcast_to(np.asarray(leaf, dtype=float), (count, *np.shape(leaf))).copy()
            if family == NEARBY:
                values *= 1 + 0.1 * rng.standard_normal(values.shape)
            drawn.append(values)
        return tuple(drawn)
    drawn = [FAMILIES[family](rng, (count, *shape)) for shape in leaves.float_shapes]
    if model.domain is None:
        return tuple(drawn)
    return leaves.split(model.domain(leaves.join(tuple(drawn), leaves.carried)))


def inputs_of(model: Model, rng: np.random.Generator, count: int) -> Inputs:
    """``count`` inputs like the example: normal (or as given) where floating, within its range where integer.

    Args:
        model: whose inputs are drawn.
        rng: every number comes from it.
        count: of draws.
    """

    def fill(leaf: Tensor) -> Batch:
        shape = (count, *np.shape(leaf))
        leaf = np.asarray(leaf)
        if is_floating(leaf):
            return rng.standard_normal(shape)
        if leaf.dtype == bool or leaf.size == 0:
            return np.broadcast_to(leaf, shape).copy()
        return rng.integers(leaf.min(), leaf.max() + 1, shape).astype(leaf.dtype)

    drawn = jax.tree.map(fill, model.inputs)
    if not model.trained:
        return drawn
    given = jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (count, *np.shape(leaf))), model.inputs)
    return jax.tree.map(lambda a, b: np.where(rows(np.arange(count) % 2 == 0, a.ndim), b, a), drawn, given)


def rows(mask: Bool[np.ndarray, " probes"], ndim: int) -> Bool[np.ndarray, "probes ..."]:
    """A mask over probes, shaped to broadcast over their leaves."""
    return mask.reshape(-1, *(1,) * (ndim - 1))


def tangents_of(params: tuple[Floats, ...], rng: np.random.Generator) -> tuple[Floats, ...]:
    """Normal tangents, each tensor at its parameters' scale (1 where they vanish), so that no tensor is drowned."""
    drawn: list[np.ndarray] = []
    for leaf in params:
        axes = tuple(range(1, leaf.ndim))
        scale = np.sqrt(np.mean(leaf**2, axis=axes, keepdims=True)) if leaf.size else np.ones_like(leaf)
        tangent = np.asarray(rng.standard_normal(leaf.shape))
        tangent *= np.where(scale > 0, scale, 1.0)
        drawn.append(tangent)
    return tuple(drawn)


def reaches(rng: np.random.Generator, count: int) -> Numbers:
    """How far from the identity group elements are drawn: half of them near, the rest up to the group's extremes.

    Which half is random: families of parameters take turns, and each is to meet both.
    """
    return np.where(rng.permutation(count) % 2 == 0, rng.uniform(0.02, 0.3, count), rng.uniform(0.3, 1.0, count))


def probes_of(
    pair: Pair,
    loss: Loss,
    output_shapes: Outputs,
    needed: frozenset[str],
    rng: np.random.Generator,
    count: int,
    *,
    generic: bool = False,
) -> Probe:
    """A batch of probes in which the families and reaches take turns; only the needed fields are drawn.

    Args:
        pair: what the probes are for.
        loss: draws the targets.
        output_shapes: the outputs' tree of shapes (``jax.ShapeDtypeStruct``).
        needed: the fields of ``Probe`` that the properties read.
        rng: every number comes from it.
        count: of probes.
        generic: leaves out simple numbers; see ``family_names``.
    """
    model, group = pair.model, pair.transformation.group
    names = family_names(model, generic=generic)
    parts = [params_of(model, name, rng, len(range(i, count, len(names)))) for i, name in enumerate(names[:count])]
    order = np.argsort(np.concatenate([np.arange(i, count, len(names)) for i in range(len(parts))]))
    # A single part is in order, and as large as the model: it is not copied.
    params = parts[0] if len(parts) == 1 else tuple(np.concatenate(p)[order] for p in zip(*parts, strict=True))

    def like_outputs(draw: Filler) -> Outputs:
        return jax.tree.map(lambda s: draw(rng, (count, *s.shape)), output_shapes)

    draws: dict[str, Callable[[], Tree]] = {
        "params": lambda: params,
        "inputs": lambda: inputs_of(model, rng, count),
        "element": lambda: group.sample_many(rng, reaches(rng, count)),
        "element2": lambda: group.sample_many(rng, reaches(rng, count)),
        "algebra": lambda: _lie(group).sample_algebra_many(rng, count),
        "algebra2": lambda: _lie(group).sample_algebra_many(rng, count),
        "tangent": lambda: tangents_of(params, rng),
        "tangent2": lambda: tangents_of(params, rng),
        "cotangent": lambda: like_outputs(lambda r, shape: r.standard_normal(shape)),
        "targets": lambda: like_outputs(loss.draw),
        "involution": lambda: _involutions(group, rng, count),
        "rates": lambda: rates_of(rng, count),
        "shortness": lambda: (rng.permutation(count) + rng.uniform(0.0, 1.0, count)) / count,
    }
    return Probe(**{name: draw() for name, draw in draws.items() if name in needed})


INVOLVED = 1 << 22
"""How many numbers the involutions have together that one is drawn from: all of 2,000 units, the first of more."""

SMALLEST_STEP, LARGEST_STEP = 1e-6, 10.0


def rates_of(rng: np.random.Generator, count: int) -> Float[np.ndarray, "{count} 3"]:
    """Step size η (from 1e-6 to 10, on a logarithmic scale), weight decay λ and momentum β (from 0 to 1)."""
    steps = np.exp(rng.uniform(np.log(SMALLEST_STEP), np.log(LARGEST_STEP), count))
    return np.stack([steps, rng.uniform(0.0, 1.0, count), rng.uniform(0.0, 1.0, count)], axis=1)


def _involutions(group: Group, rng: np.random.Generator, count: int) -> Element:
    """Some of the simple ones: of all of them where they are not gigabytes."""
    size = sum(np.size(leaf) for leaf in jax.tree.leaves(group.identity()))
    found = list(islice(involutions(group), max(1, INVOLVED // max(size, 1))))
    assert found, "a property that reads an involution has the hypothesis 'with_involutions'"
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(found[i] for i in rng.integers(len(found), size=count)))


def _lie(group: object) -> LieGroup:
    assert isinstance(group, LieGroup), "a property that reads algebra elements has the hypothesis 'continuous'"
    return group
