"""Krylov spaces of the Hessian: Lanczos' tridiagonal matrix, by matfree."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float
from matfree import decomp

from eqprop.engine import Tree

DEPTH = 4
"""Steps of Lanczos. Each is a Hessian-vector product."""

BREAKDOWN = 1e-5
"""Where a step is left with less than this part of the matrix's size the space is exhausted, and the rest is noise."""


class Lanczos(NamedTuple):
    """H on a Krylov space: Qᵀ H Q is tridiagonal.

    Attributes:
        basis: the rows of Qᵀ, each like the start, stacked.
        diagonal: of the tridiagonal matrix.
        beside: the diagonal beside it, one shorter.
        whole: whether the space has as many dimensions as steps were taken.
    """

    basis: Tree
    diagonal: Float[Array, " depth"]
    beside: Float[Array, " depth-1"]
    whole: Bool[Array, ""]


def depth_for(theta: Tree, most: int = DEPTH) -> int:
    """How many steps: at most one fewer than there are parameters, so that the space is not all of them."""
    return max(1, min(most, sum(leaf.size for leaf in jax.tree.leaves(theta)) - 1))


def lanczos(product: Callable[[Tree], Tree], start: Tree, depth: int) -> Lanczos:
    """Lanczos' algorithm with full reorthogonalisation (``matfree.decomp.tridiag_sym``).

    Args:
        product: a symmetric linear map.
        start: the first direction; its length does not matter.
        depth: the number of steps, at most the number of parameters.
    """
    product(start)  # traced here: what it remembers must not come from inside the loop
    flat, unravel = ravel_pytree(start)
    run = decomp.tridiag_sym(depth, reortho="full", materialize=False, custom_vjp=False)
    rows, (diagonal, beside), *_ = run(lambda row: ravel_pytree(product(unravel(row)))[0], flat)
    size = jnp.max(jnp.abs(jnp.concatenate([diagonal, beside])))
    whole = jnp.all(jnp.abs(beside) > BREAKDOWN * size) & (size > 0)
    return Lanczos(jax.vmap(unravel)(jnp.asarray(rows)), diagonal, beside, whole)
