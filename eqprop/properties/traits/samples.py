"""Whether a model treats the samples of its batch one by one: f(θ, x)_i = f(θ, x_i).

A batch norm, a contrast of samples, or an axis of tokens in front do not. Decided at random points, to the rounding of
float64; a model that does not run on one sample is not asked further.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Inputs, Outputs, Pair, Params, functions_of
from eqprop.engine import Tree, numbers_context
from eqprop.probes import cast_example, inputs_of
from eqprop.properties.traits.actions import Survey
from eqprop.rounding import RECOGNISED

POINTS = 4

_known: WeakKeyDictionary[Pair, int] = WeakKeyDictionary()


def samples_of(pair: Pair) -> int:
    """How many samples the batch has, where the model treats them one by one; else 0. Worked out once for each pair."""
    if pair not in _known:
        with numbers_context("float64"):
            _known[pair] = _Samples(pair).count()
    return _known[pair]


class _Samples(Survey):
    def count(self) -> int:
        """The common length of the first axes, if each sample comes out of the batch as it comes out alone."""
        params, inputs = cast_example(self.pair, "float64")
        outputs = jax.eval_shape(self.pair.model.apply, params, inputs)
        lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves((inputs, outputs))}
        ((count, *_),) = lengths if len(lengths) == 1 and () not in lengths else [(0,)]
        return count if count > 1 and self._alone(params, inputs, outputs) and self._apart(count) else 0

    def _alone(self, params: Params, inputs: Inputs, outputs: Outputs) -> bool:
        """Whether the model runs on one sample, and puts out one."""
        try:
            one = jax.eval_shape(self.pair.model.apply, params, jax.tree.map(lambda leaf: leaf[:1], inputs))
        except Exception:  # noqa: BLE001 - whatever it says whose shapes are those of the whole batch
            return False
        shapes = [(1, *leaf.shape[1:]) for leaf in jax.tree.leaves(outputs)]
        return [leaf.shape for leaf in jax.tree.leaves(one)] == shapes

    def _apart(self, count: int) -> bool:
        f = functions_of(self.pair).f

        def row(theta: Tree, inputs: Inputs) -> tuple[Tree, Tree]:
            whole = f(theta, inputs)
            alone = [f(theta, jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], inputs)) for i in range(count)]
            together = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *alone)
            off = [
                jnp.max(jnp.abs(a - b), initial=0.0)
                for a, b in zip(*map(jax.tree.leaves, (whole, together)), strict=True)
            ]
            return jnp.stack(off), jnp.stack([jnp.max(jnp.abs(a), initial=0.0) for a in jax.tree.leaves(whole)])

        inputs = inputs_of(self.pair.model, self.rng, POINTS)
        off, size = self.run(row, self.points(POINTS), inputs)
        return bool((off <= RECOGNISED * np.maximum(size, 1e-300)).all())
