"""What is wrong with an optimiser, said before anything of it is compiled into a search."""

from __future__ import annotations

from weakref import WeakSet

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair
from eqprop.engine import Tree, each, gradient, numbers_context
from eqprop.errors import InvalidInput
from eqprop.probes import SQUARED_ERROR, cast_example, output_shapes, params_of
from eqprop.properties.optimizers.adapter import Optimizer, Stepper


class OptimizerCheck:
    """Hypothesis: one step of the optimiser at the example is one that can be taken.

    It never makes a property inapplicable: what it finds is the user's mistake, and raised.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._seen: WeakSet[Pair] = WeakSet()

    def __call__(self, pair: Pair) -> str | None:
        """None; the pair is tried once.

        Raises:
            InvalidInput: where the step cannot be traced, changes structure, shapes or dtypes, or is NaN or infinite
                though the gradient is finite.
        """
        if pair not in self._seen:
            with numbers_context("float64"):
                self._try(pair)
            self._seen.add(pair)
        return None

    def _try(self, pair: Pair) -> None:
        leaves = pair.model.param_leaves
        params, inputs = cast_example(pair, "float64")
        theta, kept = leaves.split(params), leaves.rest(params)
        if not pair.model.trained:  # its numbers mean nothing
            drawn = params_of(pair.model, "gaussian", np.random.default_rng(0), 1)
            theta = tuple(jnp.asarray(leaf[0]) for leaf in drawn)
        targets = jax.tree.map(
            lambda s: np.cos(np.arange(np.prod(s.shape))).reshape(s.shape), output_shapes(pair, "float64")
        )
        loss = pair.model.loss or (lambda y: SQUARED_ERROR(y, targets))

        def value(theta: Tree) -> jax.Array:
            return loss(pair.model.apply(leaves.join(theta, kept), inputs))

        def first(theta: Tree) -> tuple[Tree, Tree]:
            slope = gradient(value)(theta)
            return slope, Stepper(self.optimizer, leaves, value, gradient(value)).first(slope, theta)

        one = jax.tree.map(lambda leaf: np.asarray(leaf)[None], theta)
        slopes, steps = each(f"a step of optimizer {self.optimizer.name!r}", first, one)
        if all(np.isfinite(leaf).all() for leaf in slopes):
            for path, slope, step in zip(leaves.float_paths, slopes, steps, strict=True):
                self._finite(path, slope[0], step[0])

    def _finite(self, path: str, gradient: np.ndarray, u: np.ndarray) -> None:
        if np.isfinite(u).all():
            return
        first, largest = u[~np.isfinite(u)].flat[0], np.abs(gradient).max()
        msg = (
            f"optimizer {self.optimizer.name!r}: update(grads, state, params) returned {first} for {path!r} at the "
            f"model's example, where the gradient is finite (largest entry {largest:.3g}); "
            "expected finite updates. Look for a division by a moment that is still zero: add an eps, or correct the "
            "bias."
        )
        raise InvalidInput(msg)
