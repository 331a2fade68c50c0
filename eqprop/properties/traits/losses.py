"""Whether a loss sees what T does to the outputs: where it does not, L has a symmetry that the outputs do not have.

Seen of the loss itself, at random outputs and elements, to the rounding of float64 (``RECOGNISED``): logits that are
shifted under a cross-entropy, outputs that are turned under a distance. A drawn loss sees everything.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair
from eqprop.engine import Array, Tree, inner_magnitude, norm, numbers_context, subtract, value_and_gradient
from eqprop.groups import Element
from eqprop.probes import output_shapes
from eqprop.properties.traits.actions import Survey
from eqprop.rounding import RECOGNISED

SIZES = np.repeat([0.1, 1.0, 10.0], 4)
"""Of the outputs that are tried: a loss may be flat far out, or near 0."""

_known: WeakKeyDictionary[Pair, bool] = WeakKeyDictionary()


def keeps_loss(pair: Pair) -> bool:
    """Whether ℓ∘T_g = ℓ: T is the identity, or the model's own loss does not see it. Worked out once for each pair."""
    if pair not in _known:
        _known[pair] = not pair.transformation.moves_outputs or _Losses(pair).unseen()
    return _known[pair]


_isometric: WeakKeyDictionary[Pair, bool] = WeakKeyDictionary()


def keeps_distances(pair: Pair) -> bool:
    """Whether ‖T_g y − T_g t‖ = ‖y − t‖ for any two outputs. Worked out once for each pair."""
    if pair not in _isometric:
        _isometric[pair] = not pair.transformation.moves_outputs or _Losses(pair).isometric()
    return _isometric[pair]


class _Losses(Survey):
    def unseen(self) -> bool:
        """Whether the model has a loss, which is the same at y and at T_g y for each of several y and g."""
        loss, move = self.pair.model.loss, self.pair.transformation.on_outputs
        if loss is None:
            return False

        def row(element: Element, y: Tree) -> tuple[Tree, Tree]:
            here, slope = value_and_gradient(loss)(y)
            there = loss(move(element, y))
            return jnp.abs(there - here), jnp.abs(there) + jnp.abs(here) + inner_magnitude(slope, y)

        return self._kept(row, 1)

    def isometric(self) -> bool:
        """Whether T_g keeps the distance of two outputs, for each of several pairs and g."""
        move = self.pair.transformation.on_outputs

        def row(element: Element, y: Array, t: Array) -> tuple[Tree, Tree]:
            moved, apart = subtract(move(element, y), move(element, t)), norm(subtract(y, t))
            return jnp.abs(norm(moved) - apart), apart

        return self._kept(row, 2)

    def _kept(self, row: Callable[..., tuple[Tree, Tree]], count: int) -> bool:
        """Whether what a row gives first is rounding of the size that it gives next, at so many outputs at a time."""
        with numbers_context("float64"):
            shapes = output_shapes(self.pair, "float64")
            outputs = [jax.tree.map(self._drawn, shapes) for _ in range(count)]
            elements = self.group.sample_many(self.rng, np.linspace(0.1, 0.6, SIZES.size))
            changed, size = self.run(row, elements, *outputs)
        return bool((changed <= RECOGNISED * size).all())

    def _drawn(self, like: np.ndarray) -> np.ndarray:
        numbers = self.rng.standard_normal((SIZES.size, *like.shape))
        return (numbers * SIZES.reshape(-1, *(1,) * len(like.shape))).astype(like.dtype)
