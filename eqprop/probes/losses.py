"""Losses on outputs, for models that come without one: a kind, and targets drawn per probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Outputs
from eqprop.engine import Array, Tree

LARGE_OUTPUT = 8.0


@dataclass(frozen=True)
class Loss:
    """ℓ(y; targets) summed over output leaves.

    Attributes:
        name: shown in counterexamples.
        formula: in terms of one output number y and its target t.
        of_leaf: the loss of one output leaf given its target leaf.
        draw: ``draw(rng, shape) -> targets`` for one output leaf (shape includes a leading axis of probes).
    """

    name: str
    formula: str
    of_leaf: Callable[[Tree, Tree], Tree]
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

    def __call__(self, outputs: Outputs, targets: Outputs) -> Tree:
        leaves = jax.tree.leaves(jax.tree.map(self.of_leaf, outputs, targets))
        return sum(leaves[1:], leaves[0])

    def __repr__(self) -> str:
        return f"Loss({self.name!r})"


def widened(outputs: Outputs) -> Outputs:
    """Outputs in float64 where that is switched on, else in float32 at least.

    A drawn loss is not the model's: it adds no rounding of its own to outputs of a low precision.
    """
    wide = jnp.result_type(float)
    return jax.tree.map(lambda leaf: leaf.astype(jnp.promote_types(leaf.dtype, wide)), outputs)


def output_factor(*outputs: Outputs) -> Outputs:
    """What drawn losses multiply outputs by: 1 over their largest magnitude where it is large (exp must not overflow).

    It is a constant of the probe: never differentiated; 1 where outputs are not large. A factor, because XLA divides
    once by a square, which overflows, where a program divides twice by one number (docs/decisions/verdicts.md), and a
    normal number, because XLA may take others for 0.
    """
    magnitude = [jnp.max(jnp.abs(leaf), initial=0.0) for tree in outputs for leaf in jax.tree.leaves(tree)]
    largest = jax.lax.stop_gradient(jnp.max(jnp.stack(magnitude)))
    most = 1 / jnp.finfo(largest.dtype).smallest_normal
    return jnp.where(largest > LARGE_OUTPUT, 1 / jnp.minimum(largest, most), jnp.ones_like(largest))


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice(np.array([-1, 1], dtype=np.int32), shape)


def _classes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.eye(shape[-1], dtype=np.int32)[rng.integers(shape[-1], size=shape[:-1])]


def _huber(y: Array, t: Array) -> Tree:
    r = jnp.abs(y - t)
    return jnp.sum(jnp.where(r < 1, 0.5 * r * r, r - 0.5))


SQUARED_ERROR = Loss("squared error", "½(y − t)²", lambda y, t: 0.5 * jnp.sum((y - t) ** 2), _gaussian)
CROSS_ENTROPY = Loss(
    "cross-entropy",
    "logsumexp(y) − ⟨t, y⟩, t one-hot on the last axis",
    lambda y, t: jnp.sum(jax.nn.logsumexp(y, axis=-1)) - jnp.sum(t * y),
    _classes,
)
LOGISTIC = Loss("logistic", "log(1 + exp(−t y)), t = ±1", lambda y, t: jnp.sum(jnp.logaddexp(0.0, -t * y)), _signs)
EXPONENTIAL = Loss("exponential", "exp(−t y), t = ±1", lambda y, t: jnp.sum(jnp.exp(-t * y)), _signs)
HUBER = Loss("Huber", "½r² for r = |y − t| < 1, else r − ½", _huber, _gaussian)
SMOOTH = Loss("random smooth", "sin(y + t) + ½ t y", lambda y, t: jnp.sum(jnp.sin(y + t) + 0.5 * t * y), _gaussian)

DRAWN_LOSSES = (SQUARED_ERROR, CROSS_ENTROPY, LOGISTIC, EXPONENTIAL, HUBER, SMOOTH)


def suitable_losses(output_shapes: tuple[tuple[int, ...], ...]) -> tuple[Loss, ...]:
    """The losses that are sums over samples, and not constant, on outputs of these shapes.

    Cross-entropy needs two classes or more on an axis of their own: where each sample has one number, it would take the
    samples for classes of one sample.
    """
    classes = all(len(shape) > 1 and shape[-1] > 1 for shape in output_shapes)
    return tuple(loss for loss in DRAWN_LOSSES if classes or loss is not CROSS_ENTROPY)


def user_loss(function: Callable[[Outputs], Tree]) -> Loss:
    """A model's own loss, in which the targets are fixed."""
    return Loss("the model's own loss", "ℓ(y)", lambda y, _targets: function(y), _gaussian)
