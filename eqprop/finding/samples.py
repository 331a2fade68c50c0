"""The model at random points: gradients of random functionals of its outputs, and its outputs where parameters move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from eqprop.claims import Inputs, Model, Outputs, Params
from eqprop.engine import Again, Array, Each, Tree, gradient, inner, traced
from eqprop.errors import InvalidInput
from eqprop.probes import inputs_of, params_of

POINTS = 24
"""Gradients that conditions are read off."""

HELD_OUT = 8
"""Further ones, at which what was found must hold as well."""

MOST_NUMBERS = 1 << 26
"""Of parameters at all points together, and as many again of gradients. Larger models are looked at in fewer points."""

FEWEST = 12

EQUAL = 1e-9
"""Outputs that differ by less, relative to the largest of them, are the same."""

Leaves = tuple[Float[np.ndarray, "rows ..."], ...]


def counts_for(numbers: int) -> tuple[int, int]:
    """How many points a model with so many parameters is looked at, and how many of them are held out."""
    count = max(FEWEST, min(POINTS + HELD_OUT, MOST_NUMBERS // max(1, numbers)))
    return count, count // 4


def with_state(model: Model) -> Model:
    """The model with its state among the parameters: drawn, and moved with the rest; what is positive stays so."""
    if not model.state:
        return model
    example = zip(jax.tree.leaves(model.params), model.param_leaves.floating, strict=True)
    positive = {i for i, (leaf, trained) in enumerate(example) if not trained and np.all(np.asarray(leaf) > 0)}

    def domain(params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params if model.domain is None else model.domain(params))
        return jax.tree.unflatten(treedef, [np.abs(leaf) if i in positive else leaf for i, leaf in enumerate(leaves)])

    return replace(model, state=(), domain=domain)


@dataclass(frozen=True, eq=False)
class Points:
    """Rows of parameters, inputs and gradients.

    Attributes:
        params: the floating-point leaves.
        inputs: of the model.
        gradients: of ⟨v, f(θ, x)⟩ for a random v each.
    """

    params: Leaves
    inputs: Inputs
    gradients: Leaves

    def rows(self, start: int, stop: int) -> Points:
        """Some of them."""

        def part(leaf: Tree) -> Tree:
            return leaf[start:stop]

        return Points(*(jax.tree.map(part, tree) for tree in (self.params, self.inputs, self.gradients)))


class Sampler:
    """A model that is evaluated at drawn parameters and inputs, in the precision that is in force.

    Args:
        model: whose domain and tokens are respected; its example is no point of interest.
        seed: every number comes from it.
    """

    def __init__(self, model: Model, seed: int) -> None:
        self.model = replace(model, trained=False)
        self._rng = np.random.default_rng(seed)

    def points(self, count: int) -> Points:
        """That many points, with gradients.

        Raises:
            InvalidInput: where they are not finite: parameters are normal numbers, for which the model is not defined.
        """
        params = params_of(self.model, "gaussian", self._rng, count)
        inputs = inputs_of(self.model, self._rng, count)
        gradients = self.gradients(params, inputs)
        if not all(np.isfinite(leaf).all() for leaf in gradients):
            msg = (
                f"model {self.model.name!r}: gradients at normal random parameters are not finite. Say with domain= "
                "where the model is defined."
            )
            raise InvalidInput(msg)
        return Points(tuple(np.asarray(leaf, float) for leaf in params), inputs, gradients)

    def gradients(self, params: Leaves, inputs: Inputs) -> Leaves:
        """Of ⟨v, f(θ, x)⟩ for a random v at each point."""
        count = len(jax.tree.leaves((params, inputs))[0])
        cotangents = jax.tree.map(lambda leaf: self._rng.standard_normal((count, *leaf.shape)), self._outputs)
        return tuple(np.asarray(leaf) for leaf in self._gradient(params, inputs, cotangents))

    def again(self, points: Points) -> Again:
        """The outputs at some points, and at others beside them; the parameters are the first of its arguments."""
        return Again("the model", traced(self._of_leaves, *self._example), points.params, points.inputs)

    def _of_leaves(self, floats: Sequence[Array], inputs: Inputs) -> Outputs:
        return self.model.apply(self.model.param_leaves.join(tuple(floats)), inputs)

    @property
    def _example(self) -> tuple[tuple[Array, ...], Inputs]:
        def wide(leaf: ArrayLike) -> Array:
            return jnp.asarray(leaf, float if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else None)

        return tuple(map(wide, self.model.param_leaves.split(self.model.params))), jax.tree.map(wide, self.model.inputs)

    @cached_property
    def _outputs(self) -> Outputs:
        return jax.eval_shape(self._of_leaves, *self._example)

    @cached_property
    def _gradient(self) -> Each:
        def of(floats: Sequence[Array], inputs: Inputs, cotangent: Outputs) -> Tree:
            return gradient(lambda at: inner(cotangent, self._of_leaves(at, inputs)))(floats)

        return Each("the gradient", traced(of, *self._example, self._outputs))


def side_by_side(outputs: Sequence[np.ndarray]) -> Float[np.ndarray, "rows outputs"]:
    """All outputs of each row in one axis."""
    return np.concatenate([np.asarray(leaf, float).reshape(len(leaf), -1) for leaf in outputs], 1)


def same(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether outputs are equal, row by row, up to rounding."""
    return bool(np.all(np.abs(after - before) <= EQUAL * np.abs(before).max(1, keepdims=True)))
