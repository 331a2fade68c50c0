"""Points that an element leaves where they are: identical units, dead units, mirror planes."""

from __future__ import annotations

from itertools import islice

import jax
import jax.numpy as jnp

from eqprop.engine import Local, Tree, add, inner, norm, repeated, scaled, subtract
from eqprop.groups import Element, Permutation
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import (
    keeps_integers,
    one_model,
    orthogonal_action,
    permutes_units,
    still_inputs,
    still_loss,
    with_involutions,
)
from eqprop.properties.numerics import combined, depth_for, lanczos, largest_curvature
from eqprop.properties.parts import (
    Sides,
    affine_until,
    in_params,
    irregular,
    largest_of,
    magnitudes,
    of_numbers,
    only_where,
    uncancelled,
)
from eqprop.properties.point import Point

SOURCE = f"derived here; discrete transformations after {PAPER}"

TRAINING_STEPS = 20

MOST_UNITS = 4
"""Units that are made identical: the first ones of a layer that may have hundreds."""


class _Mirror:
    """An involution g with orthogonal K, the nearest point that it fixes, and K and the gradient near that."""

    def __init__(self, point: Point) -> None:
        self.gradient_at = point.gradient.function
        element = point.probe.involution
        self.moved = lambda theta: point.act(element, theta)
        self.theta = scaled(add(point.theta, self.moved(point.theta)), 0.5)
        self.action = point.near(self.moved, self.theta)
        self.gradient = point.near(self.gradient_at, self.theta)
        self.tangent = point.probe.tangent


def _mirror(point: Point) -> _Mirror:
    return point.once("mirror", lambda: _Mirror(point))


def _fixed_point(point: Point) -> Sides:
    m = _mirror(point)
    slope, product, turn, u = m.gradient.value, m.gradient.push, m.action.push, m.tangent
    image = product(u)
    sizes = uncancelled(product, u, m.theta)
    odd, even = subtract(u, turn(u)), add(u, turn(u))
    across, terms = product(even), uncancelled(product, even, m.theta)
    lengths = jax.tree.map(lambda leaf: jnp.sum(jnp.abs(leaf)), odd)
    return (
        in_params(point, m.action.pull(slope), slope, largest_of(magnitudes(slope)), label="Kᵀ∇L = ∇L"),
        in_params(point, product(turn(u)), turn(image), largest_of(sizes), label="HK = KH"),
        of_numbers(inner(odd, across), 0 * norm(odd), inner(lengths, terms), label="⟨u − Ku, H(u + Ku)⟩"),
    )


def _fixed_set(point: Point) -> Sides:
    m = _mirror(point)
    curvature = largest_curvature(m.gradient.push, irregular(m.theta, point.unit))
    step = 0.2 / jnp.where(curvature > 0, curvature, 1)

    def train(_: Tree, state: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        theta, size = state
        slope = m.gradient_at(theta)
        return combined(1.0, theta, -step, slope), add(size, add(magnitudes(theta), scaled(magnitudes(slope), step)))

    theta, size = repeated(range(TRAINING_STEPS), train, (m.theta, magnitudes(m.theta)))
    claimed = (curvature > 0) & affine_until(m.action, theta, point.unit)
    return only_where(claimed, (in_params(point, m.moved(theta), theta, largest_of(size)),))


def _identical_units(point: Point) -> Sides:
    """Krylov spaces of H from two images of one direction in which the units differ."""
    group, gradient = point.transformation.group, point.gradient.function
    assert isinstance(group, Permutation), "the property has the hypothesis 'permutes_units'"
    swaps = list(islice(group.simple(), 2))

    def acted(element: Element) -> Local:
        return point.near(lambda theta: point.act(element, theta), theta)

    theta = _average(point, group.n)
    hessian = point.near(gradient, theta)
    first, second = acted(swaps[0]), acted(swaps[1])
    u = subtract(point.probe.tangent, first.push(point.probe.tangent))
    v = second.push(u)
    depth = depth_for(theta, most=2)  # a unit may have as few parameters
    one, other = (lanczos(hessian.push, start, depth) for start in (u, v))
    size = jnp.max(jnp.abs(jnp.concatenate([one.diagonal, one.beside])))
    image = hessian.push(v)
    parts = (
        in_params(point, image, second.push(hessian.push(u)), largest_of(magnitudes(image)), label="HKu = KHu"),
        of_numbers(one.diagonal, other.diagonal, size, label="diagonals of Lanczos' matrices from u and Ku"),
        of_numbers(one.beside, other.beside, size, label="secondary diagonals"),
    )
    return only_where((norm(u) > 0) & one.whole & other.whole, parts)


def _average(point: Point, units: int) -> Tree:
    """The mean of K_gθ over the permutations of the first units.

    Over S_k it is the mean of (i k)·(the mean over S_(k−1)) for i ≤ k.
    """
    theta = point.theta
    for k in range(1, min(units, MOST_UNITS)):
        moved = [theta]
        for i in range(k):
            swap = jnp.arange(units).at[jnp.array([i, k])].set(jnp.array([k, i]))
            moved.append(point.act(swap, theta))
        theta = jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]) / len(leaves), *moved)
    return theta


FIXED_POINT = Property(
    name="fixed-point",
    order=2,
    statement="at a point that an orthogonal element fixes, the gradient lies in the fixed space and the Hessian "
    "commutes with K: the spaces that K keeps and reverses decouple",
    formula="K_gθ = θ, KᵀK = 1:  Kᵀ∇L = ∇L,  HK u = KH u,  ⟨u − Ku, H(u + Ku)⟩ = 0",
    sides=_fixed_point,
    needs=frozenset({"params", "inputs", "involution", "tangent", "targets"}),
    hypotheses=(one_model, still_loss, still_inputs, with_involutions, orthogonal_action, keeps_integers),
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE + "; mirror symmetries: Ziyin 2024, arXiv 2309.16932",
    derivation=(
        "gradient-covariance and hessian-covariance at K_gθ = θ: Kᵀ∇L = ∇L and KᵀHK = H, with Kᵀ = K⁻¹.\n"
        "The point is (θ + K_gθ)/2 for an involution g: two identical units, a dead one, a mirror plane."
    ),
    consequence_of=("gradient-covariance", "hessian-covariance"),
    costly=True,
)

FIXED_SET = Property(
    name="fixed-set",
    order=1,
    statement="gradient descent does not leave the points that an orthogonal element fixes: identical units stay so",
    formula="K_gθ₀ = θ₀, θ_(n+1) = θ_n − η∇L(θ_n):  K_gθ_n = θ_n",
    sides=_fixed_set,
    needs=frozenset({"params", "inputs", "involution", "targets", "tangent"}),
    hypotheses=(one_model, still_loss, still_inputs, with_involutions, orthogonal_action, keeps_integers),
    rests_on=("equivariance", "gradient-covariance"),
    source=SOURCE + "; Ziyin 2024, arXiv 2309.16932",
    derivation=(
        "At a fixed point K∇L = ∇L, so K(θ − η∇L) = θ − η∇L.\nInduction over the steps; for gradient flow likewise."
    ),
    consequence_of=("gradient-covariance",),
    costly=True,
    reason_if_vacuous="H vanishes, or the steps left the model's domain, at every point that was drawn",
)

IDENTICAL_UNITS = Property(
    name="identical-units",
    order=2,
    statement="where m units are identical, H has the same Krylov space from every arrangement of a direction in which "
    "they differ: its eigenvalues there come (m − 1)-fold",
    formula="K_gθ = θ for all g ∈ S_m:  HK u = KH u,  and Lanczos' matrices from u and K u are equal",
    sides=_identical_units,
    needs=frozenset({"params", "inputs", "tangent", "targets"}),
    hypotheses=(one_model, still_loss, still_inputs, permutes_units, orthogonal_action, keeps_integers),
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE + "; permutation points: Brea et al. 2019, arXiv 1907.02911",
    derivation=(
        "HK = KH for all of S_m; on z ⊗ q with Σz = 0 H acts as 1 ⊗ B (Schur): each eigenvalue of B has m − 1 z's.\n"
        "The point is the mean of K_gθ over S_m, the permutations of m ≤ 4 of the units."
    ),
    consequence_of=("hessian-covariance",),
    costly=True,
    reason_if_vacuous="the Krylov spaces ended early at every point that was drawn",
)
