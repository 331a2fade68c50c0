"""What an action on parameters is like, element by element: affine, orthogonal, a co-isometry, still on integers.

Seen at random points to the rounding of float64, as in ``generators.py``, but sooner done: nothing is solved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair, functions_of
from eqprop.engine import Array, Each, Leaves, Local, Tree, norm, numbers_context, traced
from eqprop.groups import Element
from eqprop.probes import params_of, tangents_of
from eqprop.rounding import RECOGNISED

SEED = 20
ELEMENTS = 4

AT_ONCE = 20_000_000
"""Numbers that are drawn for one argument, 160 MB: at one point after the other where a model is larger."""


@dataclass(frozen=True)
class ActionTraits:
    """What is known of K_g.

    Attributes:
        keeps_integers: K_g leaves the integer and boolean leaves of θ as they are.
        affine_action: K_g θ is affine in θ.
        orthogonal_action: moreover DK_g is orthogonal.
        coisometric_action: DK_g DK_gᵀ = 1 at every θ, K_g affine or not.
    """

    keeps_integers: bool
    affine_action: bool
    orthogonal_action: bool
    coisometric_action: bool


_known: WeakKeyDictionary[Pair, ActionTraits] = WeakKeyDictionary()


def action_traits_of(pair: Pair) -> ActionTraits:
    """The traits of a pair's K_g, worked out once for each pair object."""
    if pair not in _known:
        with numbers_context("float64"):
            _known[pair] = _Actions(pair).traits()
    return _known[pair]


class Survey:
    """The random points of one pair."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.group = pair.transformation.group
        self.rng = np.random.default_rng(SEED)
        self.source, self.image = pair.model.param_leaves, pair.image.param_leaves
        self.act = functions_of(pair).act

    def points(self, count: int) -> tuple[np.ndarray, ...]:
        """Random parameters, within the model's domain."""
        return params_of(self.pair.model, "gaussian", self.rng, count)

    def few_at_once(self, count: int, rows: Callable[[slice], Tree]) -> Tree:
        """What is drawn and asked for several points, a few at a time where the model is large.

        Args:
            count: how many.
            rows: gives it for some of them.
        """
        few = max(AT_ONCE // max(self.source.size, 1), 1)
        parts = [rows(slice(start, min(start + few, count))) for start in range(0, count, few)]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    def run(self, row: Callable[..., Tree], *arguments: Tree) -> Tree:
        """What a function gives at each of several points."""
        return self.traced(row, *arguments)(*arguments)

    def traced(self, row: Callable[..., Tree], *arguments: Tree) -> Callable[..., Tree]:
        """Likewise, to be asked at several points more than once."""
        what = f"what transformation {self.pair.transformation.name!r} is like"
        at_each = Each(what, traced(row, *jax.tree.map(lambda leaf: leaf[0], arguments)))
        return lambda *points: jax.tree.map(lambda leaf: np.asarray(leaf, dtype=float), at_each(*points))


def lengths(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Of several vectors, whose numbers are in several leaves."""
    return np.sqrt(sum(np.square(leaf).reshape(len(leaf), -1).sum(axis=1) for leaf in vectors))


class _Actions(Survey):
    def traits(self) -> ActionTraits:
        """All of them: is DK_g the same at two points, does it keep lengths, or its transpose, are integers moved."""
        elements = self.group.sample_many(self.rng, np.linspace(0.1, 0.6, ELEMENTS))

        def rows(part: slice) -> Tree:
            count = part.stop - part.start
            one, other = self.points(count), self.points(count)
            tangents = tangents_of(one, self.rng)
            cotangents = tuple(self.rng.standard_normal((count, *shape)) for shape in self.image.float_shapes)
            these = jax.tree.map(lambda leaf: leaf[part], elements)
            ask = self.traced(self._row, these, one, tangents, cotangents)  # once, for both points
            (integers, pushed, pulled), (_, elsewhere, pulled_there) = (
                ask(these, at, tangents, cotangents) for at in (one, other)
            )
            with np.errstate(over="ignore", invalid="ignore"):  # what an action makes may be out of range
                changed = lengths(jax.tree.map(np.subtract, pushed, elsewhere))
                return integers, lengths(tangents), lengths(pushed), changed, lengths(cotangents), pulled, pulled_there

        integers, length, pushed, changed, against, *pulled = self.few_at_once(ELEMENTS, rows)
        affine = bool((changed <= RECOGNISED * pushed).all())
        # A conversion to a model of more parameters may keep lengths: DKᵀ DK = 1, and DK DKᵀ is a projection.
        square = self.source.size == self.image.size
        orthogonal = affine and square and bool((np.abs(pushed - length) <= RECOGNISED * length).all())
        coisometric = bool((np.abs(np.stack(pulled) - against) <= RECOGNISED * against).all())
        return ActionTraits(not integers.any(), affine, orthogonal, coisometric)

    def _row(self, element: Element, theta: Tree, u: Tree, w: Tree) -> tuple[Array, Leaves, Array]:
        here = Local(partial(self.act, element), theta)
        return self._changed(element, theta), here.push(u), norm(here.pull(w))

    def _changed(self, element: Element, theta: Tree) -> Array:
        """Whether K moves an integer."""
        if self.pair.target is not None or not self.source.carried:
            return jnp.zeros((), bool)
        moved = self.source.rest(self.pair.transformation.on_params(element, self.source.join(theta)))
        pairs = zip(moved, self.source.carried, strict=True)
        return jnp.any(jnp.stack([jnp.any(jnp.asarray(a != b)) for a, b in pairs]))
