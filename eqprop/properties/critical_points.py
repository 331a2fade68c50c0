"""Critical points, with and without weight decay: what the orbit is there.

A critical point is reached by construction: with targets from a teacher that has the same parameters, L = ½‖f − f(θ)‖²
vanishes at θ with its gradient, whatever θ is. A stationary point under weight decay is approached by training.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, norm, repeated, scaled, scanned, zeros_like
from eqprop.groups import Algebra, LieGroup
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import (
    affine_generator,
    continuous,
    elements_leaving_outputs,
    no_scaling,
    one_model,
    still_generator,
    still_inputs,
    still_outputs,
)
from eqprop.properties.numerics import combined, largest_curvature
from eqprop.properties.parts import (
    Sides,
    acted_on,
    in_params,
    irregular,
    magnitudes,
    of_numbers,
    only_where,
    uncancelled,
)
from eqprop.properties.point import Point
from eqprop.properties.subgroups import LEAVING_OUTPUTS

SOURCE = f"derived here; second-order constraints after {PAPER}"

MOST_DIRECTIONS = 8
"""Orbit directions that a null space is checked in: as many random ξ as the algebra has coordinates, or so many."""

GAP = 1e-6
"""A generator, taken as a vector of length 1, of which more than this is left beside those before it counts for the
rank; less than its square is zero. A point with one between has no clear rank and is left out."""

DECAY_STEPS = 60
CLOSER = 0.5
"""Training has to halve what is missing to stationarity: where it is unstable it amplifies rounding."""


def _teacher_loss(point: Point) -> Callable[[Tree], Array | float]:
    """ℓ(y) = ½‖y − f(θ)‖², the targets a constant."""
    targets = point.here.value
    return lambda y: 0.5 * sum(jnp.sum((a - b) ** 2) for a, b in zip(*map(jax.tree.leaves, (y, targets)), strict=True))


def critical_gradient(point: Point) -> Local:
    """∇L near θ, for the teacher's loss: 0 there, whatever θ is."""
    return point.once("critical", lambda: point.under(_teacher_loss(point)))


def _directions(point: Point) -> Array:
    """Generators of length 1 (or 0) for several ξ, stacked as rows of flat vectors."""
    group = point.transformation.group
    assert isinstance(group, LieGroup), "the property has the hypothesis 'continuous'"
    count = min(ravel_pytree(point.probe.algebra)[0].size, MOST_DIRECTIONS)
    drawn = group.sample_algebra_many(np.random.default_rng(0), count)
    dtype, part = jnp.result_type(*point.theta), point.traits.still.outputs

    def unit(algebra: Algebra) -> Tree:
        k = ravel_pytree(point.field(part.nearest(algebra)).value)[0]
        length = jnp.sqrt(jnp.sum(k**2))
        return k / jnp.where(length > 0, length, 1)

    return jax.vmap(unit)(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), drawn))


def _null_space(point: Point) -> Sides:
    rows = _directions(point)
    unravel = ravel_pytree(point.theta)[1]
    hessian = critical_gradient(point)
    images = jax.vmap(lambda row: hessian.push(unravel(row)))(rows)
    basis, pivots = _orthonormal(rows)
    # ‖HΠ‖ does not depend on which basis of their span was found, and Π has their rank as its trace.
    projected = jax.vmap(lambda row: ravel_pytree(hessian.push(unravel(row)))[0])(basis)
    sizes = uncancelled(hessian.push, unravel(rows[0]), point.theta)
    whole = jnp.sum(jnp.stack(jax.tree.leaves(sizes))) * jnp.sum(1 / jnp.where(pivots > GAP, pivots, 1))
    parts = (
        in_params(point, images, zeros_like(images), sizes, label="H k"),
        of_numbers(jnp.sqrt(jnp.sum(projected**2)), 0 * whole, whole, label="‖HΠ‖, Π onto the orbit's tangent space"),
    )
    clear = (pivots[0] > 0) & ~jnp.any((pivots > GAP**2) & (pivots < GAP))
    return only_where(clear, parts)


def _orthonormal(rows: Tree) -> tuple[Tree, Tree]:
    """An orthonormal basis of the rows' span by Gram and Schmidt, the longest rest first, and what was left each time.

    Rows beyond the rank, whose rest is below ``GAP``, are zeros in the basis. No LAPACK: such programs can be kept.
    """

    def extend(rest: Tree, _: None) -> tuple[Tree, tuple[Tree, Tree]]:
        lengths = jnp.sqrt(jnp.sum(rest**2, axis=1))
        pivot = jnp.max(lengths)
        row = rest[jnp.argmax(lengths)] / jnp.where(pivot > 0, pivot, 1)
        return rest - jnp.outer(rest @ row, row), (jnp.where(pivot > GAP, row, 0), pivot)

    return scanned(extend, rows, rows.shape[0])[1]


def _orbit(point: Point) -> Sides:
    """At K_gθ, with the targets of θ."""
    there, u = point.there.gradient_of(_teacher_loss(point)), point.probe.tangent
    slope = point.action.pull(there.value)
    # Outputs and targets cancel in the gradient, so the size is that of the gradient of the outputs' norm.
    sizes = magnitudes(point.action.pull(point.there.pull(jax.tree.map(jnp.abs, point.there.value))))
    return (
        in_params(point, slope, zeros_like(slope), sizes, label="∇L(K_gθ)"),
        in_params(
            point, point.action.pull(there.push(point.action.push(u))), critical_gradient(point).push(u), label="KᵀHK"
        ),
    )


def _weight_decay(point: Point) -> Sides:
    """After a while of training with decay λ, of which r = ∇L + λθ is left at the end."""
    start, gradient = point.theta, point.gradient.function
    curvature = largest_curvature(point.gradient.push, irregular(start, point.unit))
    decay = (0.05 + 0.2 * point.probe.rates[1] ** 2) * curvature
    step = 0.25 / jnp.where(curvature > 0, curvature + decay, 1)

    def train(_: Tree, theta: Tree) -> Tree:
        return combined(1 - step * decay, theta, -step, gradient(theta))

    theta = repeated(range(DECAY_STEPS), train, start)
    slope = point.near(gradient, theta)
    field = point.near(point.k_within(point.traits.still.loss).function, theta)
    k, rest = field.value, combined(1.0, slope.value, decay, theta)
    image = add(slope.push(k), scaled(k, decay))
    decayed = scaled(add(k, field.pull(theta)), decay)
    rhs = combined(1.0, decayed, -1.0, field.pull(rest))
    sizes = add(uncancelled(slope.push, k, theta), add(magnitudes(decayed), magnitudes(field.pull(slope.value))))
    charge = decay * inner_magnitude(k, theta) + inner_magnitude(slope.value, k)
    before = norm(combined(1.0, gradient(start), decay, start))
    parts = (
        in_params(point, image, rhs, sizes, label="(H + λ)k"),
        of_numbers(decay * inner(k, theta), inner(rest, k), charge, label="λ⟨k, θ⟩ = ⟨r, k⟩"),
    )
    stable = step * norm(slope.push(k)) < norm(k)
    closer = (curvature > 0) & stable & (norm(rest) < CLOSER * before)
    return only_where(closer & acted_on(point, theta), parts)


CRITICAL_NULL_SPACE = Property(
    name="critical-null-space",
    order=2,
    statement="at a critical point the whole tangent space of the orbit is null: the nullity of H is at least the rank "
    "of the generators",
    formula="∇L(θ) = 0:  H k_ξ = 0 for every ξ,  nullity H ≥ rank{k_ξ}",
    sides=_null_space,
    needs=frozenset({"params", "inputs", "algebra"}),
    hypotheses=(continuous, one_model, still_inputs, still_outputs),
    rests_on=("equivariance", "hessian-generator"),
    source=SOURCE,
    derivation=(
        "hessian-generator with ∇L = 0 and T = id leaves H k_ξ = 0; ξ ↦ k_ξ is linear.\n"
        "The point: L = ½‖f − f(θ)‖², which has its minimum 0 at θ."
    ),
    consequence_of=("hessian-generator", "gauss-newton-null"),
    costly=True,
    reason_if_vacuous="at no point that was drawn the rank of the generators was clear",
)

CRITICAL_ORBIT = Property(
    name="critical-orbit",
    order=2,
    statement="with θ its whole orbit is critical, and H is carried along it as a bilinear form, whatever D²K: its "
    "inertia does not change",
    formula="∇L(θ) = 0:  ∇L(K_gθ) = 0,  DK_gᵀ H(K_gθ) DK_g u = H(θ) u",
    sides=_orbit,
    needs=frozenset({"params", "inputs", "element", "tangent"}),
    hypotheses=(one_model, elements_leaving_outputs),
    subgroup=LEAVING_OUTPUTS,
    rests_on=("equivariance", "hessian-covariance"),
    source=SOURCE,
    derivation=(
        "gradient-covariance and hessian-covariance with ∇L(K_gθ) = 0: the term of D²K vanishes.\n"
        "Congruent forms have the same inertia (Sylvester)."
    ),
    consequence_of=("gradient-covariance", "hessian-covariance"),
    costly=True,
)

DECAYED_STATIONARY = Property(
    name="weight-decay-stationary",
    order=2,
    statement="at a stationary point of L + ½λ‖θ‖² charges vanish, and a symmetric generator gives an eigenvector of "
    "H + λ with eigenvalue 2λ; approached by training, with the rest r = ∇L + λθ carried along",
    formula="(H + λ)k_ξ = λ(k_ξ + Dk_ξᵀθ) − Dk_ξᵀ r,  λ⟨k_ξ, θ⟩ = ⟨r, k_ξ⟩;  r → 0",
    sides=_weight_decay,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(continuous, one_model, still_inputs, still_generator, affine_generator, no_scaling),
    rests_on=("equivariance", "hessian-generator"),
    source=SOURCE,
    derivation=(
        "hessian-generator with ∇L = r − λθ: Hk = −Dkᵀ(r − λθ); add λk. noether: 0 = ⟨r − λθ, k⟩.\n"
        "Linear k = Aθ, r = 0: (H+λ)Aθ = λ(A+Aᵀ)θ, and 2λQ = λ⟨θ, Aθ⟩ = 0."
    ),
    consequence_of=("noether", "hessian-generator"),
    costly=True,
    reason_if_vacuous=(
        "training with weight decay came closer to a stationary point from none of the points that were drawn"
    ),
)
