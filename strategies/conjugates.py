"""Awkward but correct pairs: any pair seen in other coordinates of its parameters, θ′ = φ(θ).

The model is f′ = f∘φ⁻¹ and the action K′ = φ∘K∘φ⁻¹, so that what is claimed of f and K is true of f′ and K′, and
special cases stop to look special: a scaling about 0 is one about another centre, an orthogonal K is none any more, a
linear one is not even affine. What a property recognises by a sign of its hypothesis only, it falsifies here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Model, Pair, Params, Transformation
from eqprop.engine import Partition
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Tensor

LARGEST_SEED = 2**16 - 1


class Entry(Protocol):
    """An entry of the catalog, of which no more is asked than its strategy."""

    @property
    def pairs(self) -> st.SearchStrategy[Pair]: ...


Leaves = tuple[Tensor, ...]
"""Floating-point leaves. Maps take them with any number of axes in front, for the probes of a batch."""


@dataclass(frozen=True)
class Chart:
    """A diffeomorphism φ of the parameters.

    Attributes:
        forth: φ, for leaves of NumPy or of JAX.
        back: φ⁻¹, likewise.
        keeps_lengths: whether Dφ is orthogonal everywhere, so that isometries stay such and charges stay charges.
    """

    forth: Callable[[Leaves], Leaves]
    back: Callable[[Leaves], Leaves]
    keeps_lengths: bool = False

    def after(self, first: Chart) -> Chart:
        """The chart that takes this one after another."""
        return Chart(
            lambda leaves: self.forth(first.forth(leaves)),
            lambda leaves: first.back(self.back(leaves)),
            self.keeps_lengths and first.keeps_lengths,
        )


def _leafwise(forth: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> Chart:
    return Chart(lambda leaves: tuple(map(forth, leaves)), lambda leaves: tuple(map(back, leaves)))


def _moved_by_one(leaves: Partition, rng: np.random.Generator) -> Chart:
    """1 + θ: gains stored as what they add to 1, the other way round."""
    del leaves, rng
    return replace(_leafwise(lambda leaf: 1 + leaf, lambda leaf: leaf - 1), keeps_lengths=True)


def _shifted(leaves: Partition, rng: np.random.Generator) -> Chart:
    """θ + c, normal numbers c."""
    centre = tuple(rng.standard_normal(shape) for shape in leaves.float_shapes)
    return Chart(
        lambda given: tuple(leaf + c for leaf, c in zip(given, centre, strict=True)),
        lambda given: tuple(leaf - c for leaf, c in zip(given, centre, strict=True)),
        keeps_lengths=True,
    )


def _scaled(leaves: Partition, rng: np.random.Generator) -> Chart:
    """Each tensor times a factor of its own, from 1/4 to 4."""
    factors = tuple(4.0 ** rng.uniform(-1, 1) for _ in leaves.float_shapes)
    return Chart(
        lambda given: tuple(leaf * factor for leaf, factor in zip(given, factors, strict=True)),
        lambda given: tuple(leaf / factor for leaf, factor in zip(given, factors, strict=True)),
    )


def _mirrored(leaves: Partition, rng: np.random.Generator) -> Chart:
    """The mirror image θ − 2n⟨n, θ⟩ in a random plane, which mixes all numbers of all tensors; its own inverse."""
    normal = tuple(rng.standard_normal(shape) for shape in leaves.float_shapes)
    square = sum(float(np.sum(n**2)) for n in normal)

    def mirror(given: Leaves) -> Leaves:
        along: Any = sum(_summed(leaf * n, n.ndim) for leaf, n in zip(given, normal, strict=True))
        factor: Any = 2 * along / square
        return tuple(
            leaf - factor.reshape(factor.shape + (1,) * n.ndim) * n for leaf, n in zip(given, normal, strict=True)
        )

    return Chart(mirror, mirror, keeps_lengths=True)


def _summed(products: Tensor, axes: int) -> Tensor:
    return products.sum(axis=tuple(range(products.ndim - axes, products.ndim)))


def _bent(leaves: Partition, rng: np.random.Generator) -> Chart:
    """asinh θ, number by number: linear near 0, a logarithm far out."""
    del leaves, rng
    return _leafwise(lambda leaf: _of(leaf).arcsinh(leaf), lambda leaf: _of(leaf).sinh(leaf))


def _positive(leaves: Partition, rng: np.random.Generator) -> Chart:
    """e^(asinh θ) = θ + √(1 + θ²) > 0, number by number; θ = (θ′ − 1/θ′)/2."""
    del leaves, rng
    return _leafwise(lambda leaf: _of(leaf).exp(_of(leaf).arcsinh(leaf)), lambda leaf: (leaf - 1 / leaf) / 2)


def _of(leaf: Any) -> Any:
    """NumPy for its arrays, which domains are made of; JAX's for what is traced."""
    return np if isinstance(leaf, np.ndarray | np.generic) else jnp


CHARTS: Mapping[str, Callable[[Partition, np.random.Generator], Chart]] = {
    "1 + θ": _moved_by_one,
    "θ + c": _shifted,
    "factors": _scaled,
    "mirror": _mirrored,
    "asinh": _bent,
    "exp asinh": _positive,
}
"""What is drawn from, simplest first."""


def chart(names: Sequence[str], leaves: Partition, seed: int) -> Chart:
    """The charts of these names, one after the other."""
    rng = np.random.default_rng(seed)
    first, *others = (CHARTS[name](leaves, rng) for name in names)
    for other in others:
        first = other.after(first)
    return first


def conjugate(pair: Pair, names: Sequence[str], seed: int = 0) -> Pair:
    """The pair in other coordinates of its parameters (of both models', where it maps between two).

    Args:
        pair: any pair.
        names: of ``CHARTS``, applied one after the other.
        seed: of the numbers in them.
    """
    here = chart(names, pair.model.param_leaves, seed)
    there = here if pair.target is None else chart(names, pair.target.param_leaves, seed)
    return pair.replaced(
        model=_model(pair.model, here),
        target=None if pair.target is None else _model(pair.target, there),
        transformation=_transformation(pair, here, there),
        architecture={**pair.architecture, "coordinates": " then ".join(names), "coordinates seed": seed},
    )


def _model(model: Model, chart: Chart) -> Model:
    leaves = model.param_leaves

    def whole(tree: Params, mapped: Callable[[Leaves], Leaves]) -> Params:
        return leaves.join(mapped(leaves.split(tree)), leaves.rest(tree))

    def domain(params: Params) -> Params:
        return whole(params if model.domain is None else model.domain(params), chart.forth)

    return replace(
        model,
        apply=lambda params, inputs: model.apply(whole(params, chart.back), inputs),
        params=whole(jax.tree.map(np.asarray, model.params), chart.forth),
        domain=domain,
    )


def _transformation(pair: Pair, here: Chart, there: Chart) -> Transformation:
    source, image, claimed = pair.model.param_leaves, pair.image.param_leaves, pair.transformation

    def original(params: Params) -> Params:
        return source.join(here.back(source.split(params)), source.rest(params))

    def on_params(element: Element, params: Params) -> Params:
        moved = claimed.on_params(element, original(params))
        return image.join(there.forth(image.split(moved)), image.rest(moved))

    charge, defect = claimed.charge, claimed.defect
    kept = charge is not None and here.keeps_lengths
    return replace(
        claimed,
        on_params=on_params,
        isometry=claimed.isometry and here.keeps_lengths,
        # ∇(Q∘φ⁻¹) = Dφ⁻ᵀ ∇Q is the generator Dφ k where Dφ is orthogonal; of other charts the charge is another one.
        charge=(lambda algebra, params: charge(algebra, original(params))) if charge is not None and kept else None,
        defect=None if defect is None else lambda algebra, params, inputs: defect(algebra, original(params), inputs),
    )


def conjugates(
    pairs: Entry | Pair | st.SearchStrategy[Pair], names: Sequence[str] = tuple(CHARTS)
) -> st.SearchStrategy[Pair]:
    """Pairs in other coordinates: one or two charts, one after the other. Shrinks to one, the first of the names.

    Args:
        pairs: an entry of the catalog, a pair, or a strategy of pairs.
        names: of the charts to draw from; see ``CHARTS``.

    Raises:
        InvalidInput: for pairs that are none of these, or a chart that there is not.
    """
    drawn = st.just(pairs) if isinstance(pairs, Pair) else getattr(pairs, "pairs", pairs)
    if not isinstance(drawn, st.SearchStrategy):
        msg = f"conjugates: pairs is {pairs!r}; expected an entry of the catalog, a Pair or a strategy of pairs."
        raise InvalidInput(msg)
    unknown = [name for name in names if name not in CHARTS]
    if unknown or not names:
        msg = f"conjugates: the charts are {list(names)}; expected some of: {', '.join(CHARTS)}."
        raise InvalidInput(msg)
    chosen = st.lists(st.sampled_from(list(names)), min_size=1, max_size=2)
    return st.builds(conjugate, drawn, chosen, st.integers(0, LARGEST_SEED))
