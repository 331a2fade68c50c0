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


def eliminated(form: Float[Array, "n n"]) -> tuple[Float[Array, "n n"], Float[Array, " n"]]:
    """L and the pivots d of a symmetric matrix L diag(d) Lᵀ, without exchanges, for a handful of rows.

    As many pivots are negative as eigenvalues are (Sylvester's law of inertia), and their product is the determinant.
    Where a pivot is 0 what follows it means nothing.
    """
    columns, pivots = [], []
    for i in range(form.shape[0]):
        pivot = form[i, i]
        column = form[:, i] / jnp.where(pivot != 0, pivot, 1)
        columns.append(column.at[:i].set(0).at[i].set(1))
        pivots.append(pivot)
        form = form - jnp.outer(column, form[i])
    return jnp.stack(columns, axis=1), jnp.stack(pivots)


def orthonormalising(gram: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """W with W G Wᵀ = 1 for a positive Gram matrix G: rows say which sums of the vectors are orthonormal."""
    lower, pivots = eliminated(gram)
    rows: list[Array] = []
    for i, unit in enumerate(jnp.eye(gram.shape[0], dtype=gram.dtype)):
        rows.append(unit - sum((lower[i, j] * rows[j] for j in range(i)), jnp.zeros_like(unit)))
    return jnp.stack(rows) / jnp.sqrt(jnp.where(pivots > 0, pivots, 1))[:, None]
