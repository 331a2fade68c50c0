"""Losses with their targets, for your own ``@given`` tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from hypothesis import strategies as st

from eqprop.probes import Loss, suitable_losses
from eqprop.strategies.parameters import SEEDS

Shape = tuple[int, ...]


class DrawnLoss(NamedTuple):
    """A loss with targets: calling it with outputs gives a number."""

    loss: Loss
    targets: Any

    def __call__(self, outputs: Any) -> Any:
        return self.loss(outputs, self.targets)


@st.composite
def losses(draw: st.DrawFn, output_shapes: Any) -> Callable[[Any], Any]:
    """A loss on outputs of these shapes (a tree of shape tuples), its targets inside it; shrinks to squared error.

    Cross-entropy is left out where some output has fewer than two classes on its last axis.
    """
    shapes = jax.tree.leaves(output_shapes, is_leaf=_is_shape)
    loss = draw(st.sampled_from(suitable_losses(tuple(shapes))))
    rng = np.random.default_rng(draw(SEEDS))
    return DrawnLoss(loss, jax.tree.map(lambda shape: loss.draw(rng, shape), output_shapes, is_leaf=_is_shape))


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(length, int) for length in value)
