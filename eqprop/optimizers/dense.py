"""Powers of small symmetric matrices out of JAX's own operations, without LAPACK.

It is kept out of loops (docs/decisions/mathematics.md).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Tree, scanned

SWEEPS = 8
"""Of Jacobi's method. It converges quadratically: matrices of a few dozen rows are diagonal after five or six."""


def symmetric_power(matrix: Tree, exponent: float, least: float) -> Tree:
    """matrix^exponent of a symmetric matrix whose eigenvalues are at least ``least`` but for rounding.

    By Jacobi's method (Golub & Van Loan, *Matrix Computations*, 8.5). Eigenvalues below ``least`` are raised to it.

    Args:
        matrix: shape (n, n).
        exponent: any number.
        least: what no eigenvalue is below.
    """
    one = jnp.eye(len(matrix), dtype=matrix.dtype)
    pairs = np.array([(p, q) for p in range(len(matrix)) for q in range(p + 1, len(matrix))], dtype=int)

    def rotate(state: tuple[Tree, Tree], pair: Array) -> tuple[tuple[Tree, Tree], None]:
        a, vectors = state
        p, q = pair
        off = a[p, q]
        zero = off == 0
        tau = (a[q, q] - a[p, p]) / (2 * jnp.where(zero, 1, off))
        tangent = jnp.where(zero, 0, jnp.where(tau < 0, -1, 1) / (jnp.abs(tau) + jnp.sqrt(1 + tau**2)))
        cosine = 1 / jnp.sqrt(1 + tangent**2)
        sine = tangent * cosine
        turn = one.at[p, p].set(cosine).at[q, q].set(cosine).at[p, q].set(sine).at[q, p].set(-sine)
        return (turn.T @ a @ turn, vectors @ turn), None

    diagonal, vectors = (
        (matrix, one) if len(matrix) < 2 else scanned(rotate, (matrix, one), np.tile(pairs, (SWEEPS, 1)))[0]
    )
    powers = jnp.maximum(jnp.diagonal(diagonal), least) ** exponent
    return (vectors * powers[None, :]) @ vectors.T
