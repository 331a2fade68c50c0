"""The inverse of a matrix out of JAX's own operations, without LAPACK, which must not be called in a loop.

On few cores a program whose loops call LAPACK may stand still for good (docs/decisions/mathematics.md), and a program
that calls it cannot be kept between runs (``eqprop.evaluation.traced_programs``).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from eqprop.engine.compiling import jitted
from eqprop.engine.loops import scanned
from eqprop.engine.trees import Tree


@jax.custom_jvp
def inverse_matrix(matrix: Tree) -> Tree:
    """A⁻¹ of a square matrix by Gauss–Jordan elimination with partial pivoting; not finite where A is singular.

    The error is a few units in the last place times the condition number (Higham, *Accuracy and Stability of Numerical
    Algorithms*, 14.4). Rows stay where they are: each column takes its pivot from those that have not been one, and all
    is put in order at the end.
    """
    matrix = jnp.asarray(matrix, jnp.result_type(matrix, float))
    return _eliminated(matrix) if matrix.size else matrix


@inverse_matrix.defjvp
def _of_inverse(primals: tuple[Tree], tangents: tuple[Tree]) -> tuple[Tree, Tree]:
    """dA⁻¹ = −A⁻¹ dA A⁻¹: the elimination is never differentiated."""
    inverse = inverse_matrix(*primals)
    return inverse, -(inverse @ tangents[0] @ inverse)


@jitted  # traced once for all inverses of one shape, which are a good part of what a general linear group traces
def _eliminated(matrix: Tree) -> Tree:
    place = jnp.arange(len(matrix))

    def eliminate(state: tuple[Tree, Tree], k: Tree) -> tuple[tuple[Tree, Tree], Tree]:
        a, column_of = state  # of which column each row was the pivot; −1 for none yet
        column = a[:, k]
        pivot = jnp.argmax(jnp.where(column_of < 0, jnp.abs(column), -1))
        here = place == pivot
        # The column that has been cleared makes room for one of the inverse.
        row = jnp.where(place == k, 1, a[pivot]) / column[pivot]
        others = jnp.where(place == k, 0, a) - column[:, None] * row[None, :]
        return (jnp.where(here[:, None], row[None, :], others), jnp.where(here, k, column_of)), pivot

    (a, column_of), pivots = scanned(eliminate, (matrix, jnp.full_like(place, -1)), place)
    return a[pivots][:, column_of]
