"""Two optimisers of our own in optax's interface: a worked example of what a user may pass as ``optimizer=``.

An optimiser is any object with ``init(params) -> state`` and ``update(grads, state, params) -> (updates, state)``; a
NamedTuple of two functions will do, and optax is not needed. Both are for small models: one diagonalises a matrix for
each axis, the other inverts the dense Hessian; neither by LAPACK, which is kept out of loops
(docs/decisions/mathematics.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from eqprop.claims import Params
from eqprop.engine import Local, Tree, inverse_matrix
from eqprop.optimizers.dense import symmetric_power


class GradientTransformation(NamedTuple):
    """What optax calls by this name, and what eqprop asks for."""

    init: Callable[..., Tree]
    update: Callable[..., Tree]


def shampoo(learning_rate: float, *, ridge: float = 1e-6) -> GradientTransformation:
    """Shampoo with full-matrix statistics: u = −η G ×₁ L₁^(−1/2k) … ×ₖ Lₖ^(−1/2k) for a tensor G with k axes.

    Lᵢ = ridge · 1 + Σ Gᵢ Gᵢᵀ over the steps, Gᵢ the gradient unfolded along axis i (a matrix: GGᵀ and GᵀG, fourth
    roots). A function of GGᵀ turns with G: with orthogonal A and B in AGB the step is A u B. Source: Gupta, Koren &
    Singer 2018, arXiv 1802.09568.

    Args:
        learning_rate: η.
        ridge: keeps the roots finite where there are more rows than gradients have spanned. The statistics are
            positive semidefinite up to rounding, so eigenvalues below it are rounding errors and are raised to it.
    """

    def init(params: Params) -> Tree:
        def statistics(p: Tree) -> tuple[Tree, ...]:
            return tuple(ridge * jnp.eye(n, dtype=p.dtype) for n in jnp.shape(p))

        return [statistics(jnp.asarray(p)) for p in jax.tree.leaves(params)]

    def update(grads: Tree, state: Tree, params: Params = None) -> tuple[Tree, Tree]:
        del params
        leaves, treedef = jax.tree.flatten(grads)
        after = [
            tuple(m + _gram(g, axis) for axis, m in enumerate(matrices))
            for g, matrices in zip(leaves, state, strict=True)
        ]
        steps = [-learning_rate * _whitened(g, matrices, ridge) for g, matrices in zip(leaves, after, strict=True)]
        return jax.tree.unflatten(treedef, steps), after

    return GradientTransformation(init, update)


def _gram(g: Tree, axis: int) -> Tree:
    """The products of the tensor's slices along one axis, shape (n, n)."""
    rows = jnp.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
    return rows @ rows.T


def _whitened(g: Tree, matrices: tuple[Tree, ...], ridge: float) -> Tree:
    for axis, matrix in enumerate(matrices):
        root = symmetric_power(matrix, -1 / (2 * g.ndim), ridge)
        g = jnp.moveaxis(jnp.tensordot(root, g, axes=((1,), (axis,))), 0, axis)
    return g


def newton(learning_rate: float = 1.0) -> GradientTransformation:
    """Newton's method without damping: u = −η H⁻¹∇L, H the dense Hessian of ``value_fn`` over all parameters together.

    It asks for ``value_fn`` as optax's line searches do. Where H is singular there is no such step: the updates are
    infinite, NaN or huge.
    """

    def init(params: Params) -> tuple[()]:
        del params
        return ()

    def update(grads: Tree, state: Tree, params: Params, *, value_fn: Callable[[Tree], Tree]) -> tuple[Tree, Tree]:
        flat, unravel = ravel_pytree(params)
        gradient, _ = ravel_pytree(grads)
        slope = Local(lambda at: value_fn(unravel(at)), flat, reverse_only=True).gradient_of(lambda value: value)
        hessian = jax.vmap(slope.push)(jnp.eye(flat.size, dtype=flat.dtype))
        return unravel(-learning_rate * (inverse_matrix(hessian) @ gradient)), state

    return GradientTransformation(init, update)
