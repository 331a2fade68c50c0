"""In which blocks of parameters a model is homogeneous, one by one: the layers of a network, say.

Of the generators that scale a block about 0 and multiply the outputs those are kept whose blocks have nothing in
common.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from eqprop.claims import Pair
from eqprop.engine import numbers_context
from eqprop.properties.traits.generators import GeneratorSurvey, Special, traits_of
from eqprop.rounding import RECOGNISED

_known: WeakKeyDictionary[Pair, tuple[Special, ...]] = WeakKeyDictionary()


def layers_of(pair: Pair) -> tuple[Special, ...]:
    """The generators k = P_jθ, with τ = p_j y and p_j > 0, of blocks that have nothing in common."""
    if pair not in _known:
        with numbers_context("float64"):
            _known[pair] = _Layers(pair).apart()
    return _known[pair]


class _Layers(GeneratorSurvey):
    def apart(self) -> tuple[Special, ...]:
        blocks = [s for s in traits_of(self.pair).special if s.block == "some" and s.central and (s.rate or 0) > 0]
        if not blocks:
            return ()
        theta = tuple(np.repeat(leaf, len(blocks), 0) for leaf in self.points(1))
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *(block.algebra for block in blocks))
        moved = self.run(lambda algebra, at: ravel_pytree(self.field(algebra)(at))[0], stacked, theta)
        kept: list[int] = []
        for j, k in enumerate(moved):
            if all(abs(k @ moved[i]) <= RECOGNISED * np.linalg.norm(k) * np.linalg.norm(moved[i]) for i in kept):
                kept.append(j)
        return tuple(blocks[j] for j in kept)
