"""Losses with their targets, for your own ``@given`` tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from hypothesis import strategies as st

from eqprop.arguments import got
from eqprop.claims import Outputs
from eqprop.engine import Array, Tree, explained
from eqprop.errors import InvalidInput
from eqprop.probes import Loss, suitable_losses
from eqprop.strategies.parameters import SEEDS

Shape = tuple[int, ...]


class DrawnLoss(NamedTuple):
    """A loss with targets: calling it with outputs gives a number."""

    loss: Loss
    targets: Outputs

    def __call__(self, outputs: Outputs) -> Array:
        return self.loss(outputs, self.targets)


@st.composite
def losses(draw: st.DrawFn, output_shapes: Tree) -> Callable[[Outputs], Array]:
    """A loss on outputs of these shapes (a tree of shape tuples), its targets inside it; shrinks to squared error.

    Cross-entropy is left out where some output has fewer than two classes on its last axis.
    """
    shapes = explained("losses: flattening output_shapes", lambda: jax.tree.leaves(output_shapes, is_leaf=_is_shape))
    if not shapes or not all(map(_is_shape, shapes)):
        msg = f"losses: output_shapes is {got(output_shapes)}; expected a tree of shapes such as (4, 2)."
        raise InvalidInput(msg)
    loss = draw(st.sampled_from(suitable_losses(tuple(shapes))))
    rng = np.random.default_rng(draw(SEEDS))
    return DrawnLoss(loss, jax.tree.map(lambda shape: loss.draw(rng, shape), output_shapes, is_leaf=_is_shape))


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(length, int) and length >= 0 for length in value)
