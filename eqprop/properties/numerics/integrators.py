"""Flows inside compiled programs, each with what its own error does, and how far a step of them may go.

Everything runs a number of steps that is known when the program is traced, so that a probe and its perturbed copies
take the same steps, and each right-hand side is traced once, inside a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqprop.engine import (
    Tree,
    add,
    batched,
    norm,
    repeated,
    scaled,
    scanned,
    zeros_like,
)

Number = Float[Array, ""]

# -- flows ------------------------------------------------------------------------------------------------------------


@cache
def gauss_rule(stages: int) -> tuple[Float[np.ndarray, "{stages} {stages}"], Float[np.ndarray, " {stages}"]]:
    """A and b of the collocation method at the Gauss–Legendre points, of order 2·stages.

    a_ij = ∫₀^{c_i} l_j and b_j = ∫₀¹ l_j, with l_j the Lagrange polynomials of the nodes c (Hairer, Lubich & Wanner,
    *Geometric Numerical Integration*, II.1). One stage is the implicit midpoint rule.
    """
    nodes = (1 + np.polynomial.legendre.leggauss(stages)[0]) / 2
    rows = np.zeros((stages, stages))
    weights = np.zeros(stages)
    for j in range(stages):
        others = np.delete(nodes, j)
        lagrange = np.polynomial.Polynomial([1.0])
        for other in others:
            lagrange *= np.polynomial.Polynomial([-other, 1.0]) / (nodes[j] - other)
        antiderivative = lagrange.integ()
        rows[:, j] = antiderivative(nodes) - antiderivative(0)
        weights[j] = antiderivative(1) - antiderivative(0)
    return rows, weights


ITERATIONS = 14


def collocation(
    field: Callable[[Tree], Tree],
    start: Tree,
    step: Number | float,
    steps: int,
    observe: Callable[[Tree, Tree, Tree], Tree],
    *,
    stages: int,
) -> tuple[Tree, Tree]:
    """The flow of a vector field by Gauss collocation, with what is observed of each step.

    A quadratic Q with ⟨∇Q(y), field(y)⟩ = −s(y) changes in a step by exactly −h Σᵢ bᵢ s(Yᵢ), at any step size h: these
    rules keep quadratic invariants (op. cit., IV.2), so that nothing of a deviation is the integrator's. The stage
    equations are solved by iteration; what that leaves is told to ``observe``.

    Args:
        field: y ↦ dy/dt.
        start: y at time 0.
        step: h; the iteration contracts where h is well below 1/‖D field‖.
        steps: how many.
        observe: ``observe(before, stage, slope, after) -> tree`` at each stage of a step: the stage Y that the slope
            was taken at is ``before``, the slope field(before), and Y as the slopes give it ``after``. Its results are
            summed with weights h·bᵢ.
        stages: of the rule; its order is twice that.

    Returns:
        The states after each step, stacked (the start is not among them), and the sums of what was observed, likewise.
    """
    rows, weights = gauss_rule(stages)

    def states(y: Tree, slopes: Tree) -> Tree:
        return jax.tree.map(
            lambda at, k: at + step * jnp.tensordot(rows.astype(k.dtype), k, 1), _repeated(y, stages), slopes
        )

    def one_step(y: Tree, _: None) -> tuple[Tree, tuple[Tree, Tree]]:
        def improve(_: Tree, found: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
            at = states(y, found[1])
            return at, batched(field)(at)

        flat = _repeated(y, stages)
        at, slopes = repeated(range(ITERATIONS), improve, (flat, _repeated(zeros_like(y), stages)))
        seen = batched(observe)(at, slopes, states(y, slopes))
        end = jax.tree.map(lambda a, k: a + step * jnp.tensordot(weights.astype(k.dtype), k, 1), y, slopes)
        sums = jax.tree.map(lambda leaf: step * jnp.tensordot(weights.astype(leaf.dtype), leaf, 1), seen)
        return end, (end, sums)

    return scanned(one_step, start, steps)[1]


def _repeated(tree: Tree, times: int) -> Tree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *jnp.shape(leaf))), tree)


# -- how far a step may go --------------------------------------------------------------------------------------------

POWER_STEPS = 8


def largest_curvature(product: Callable[[Tree], Tree], start: Tree) -> Number:
    """|λ| of largest size of a symmetric linear map, from below, by power iteration; 0 for the zero map."""

    def turn(_: Tree, found: tuple[Tree, Number]) -> tuple[Tree, Number]:
        image = product(found[0])
        length = norm(image)
        return scaled(image, 1 / jnp.where(length > 0, length, 1)), length

    product(start)  # once, here: first asked for in the loop it would be linearised in every round
    first = scaled(start, 1 / jnp.where(norm(start) > 0, norm(start), 1))
    return repeated(range(POWER_STEPS), turn, (first, jnp.zeros_like(norm(start))))[1]


def combined(a: Number | float, x: Tree, b: Number | float, y: Tree) -> Tree:
    """a·x + b·y, leaf by leaf.

    Args:
        a: a number.
        x: a tree of arrays.
        b: a number.
        y: a tree like x.
    """
    return add(scaled(x, a), scaled(y, b))
