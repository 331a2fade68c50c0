"""Charges in another geometry than that of gradient descent: step sizes for each layer, damped Gauss–Newton, momentum.

Where Dk_ξ = A is symmetric, P = DK_exp(tξ) = e^(tA) is symmetric, positive and commutes with A: a preconditioner that
every charge has a metric for. Of a rescaling of two layers it is a step size for each of them, e^t and e^(−t).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.engine import (
    Array,
    Local,
    Tree,
    add,
    inner,
    inner_magnitude,
    repeated,
    scaled,
    scanned,
    subtract,
    zeros_like,
)
from eqprop.properties.base import Property
from eqprop.properties.charges import AFFINE, Charge, charge_of, drift_size
from eqprop.properties.flows import NOWHERE, REACH, SLOW, STAGES, STEPS, TELLING, curvature_of
from eqprop.properties.hypotheses import charged, continuous, one_model, still_inputs, still_outputs
from eqprop.properties.numerics import collocation, combined, largest_curvature
from eqprop.properties.parts import Sides, in_outputs, irregular, magnitudes, of_numbers, only_where
from eqprop.properties.point import Point

SOURCE = "derived here"
ROUNDS = 8
"""Of the iteration for a damped Gauss–Newton step: each is orthogonal to the orbit, converged or not."""

LEAST_DAMPING = 0.01
"""In units of the largest curvature."""


class Metric:
    """P = DK_exp(tξ) and M = P⁻¹ = DK_exp(−tξ), applied to tangents, for the algebra element of a charge."""

    def __init__(self, point: Point, charge: Charge) -> None:
        self.stretch = _nearby(point, charge.algebra).push
        self.measure = _nearby(point, scaled(charge.algebra, -1.0)).push

    def charge(self, charge: Charge, theta: Tree) -> tuple[Array, Array]:
        """½⟨θ, M(k(θ) + k(0))⟩, and the size of its terms."""
        moved, origin = self.measure(charge.field(theta)), self.measure(charge.origin)
        size = inner_magnitude(theta, moved) + inner_magnitude(theta, origin)
        return 0.5 * inner(theta, add(moved, origin)), 0.5 * size


def _nearby(point: Point, algebra: Tree) -> Local:
    """K_exp(tξ) near θ, |tξ| ≤ 1; where K is affine DK is the same at every θ."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(algebra)]))
    element = point.exponential(scaled(algebra, point.probe.rates[1] / jnp.maximum(largest, 1)))
    return point.near(lambda theta: point.act(element, theta), point.theta)


def _metric_drift(point: Point) -> Sides:
    charge, slope, theta = charge_of(point), point.gradient.value, point.theta
    step, metric = point.probe.rates[0], Metric(point, charge)
    preconditioned = metric.stretch(slope)
    after = combined(1.0, theta, -step, preconditioned)
    (before, size), (found, size_after) = metric.charge(charge, theta), metric.charge(charge, after)
    bent = inner(preconditioned, charge.turned(slope))
    expected = before - step * charge.rate(theta) + 0.5 * step**2 * bent
    terms = step * inner_magnitude(metric.measure(charge.local.value), preconditioned)
    terms += step**2 * (drift_size(charge, slope) + inner_magnitude(preconditioned, charge.turned(slope)))
    return (of_numbers(found, expected, size + size_after + terms, label="Q_M after a preconditioned step"),)


def _damped_gauss_newton(point: Point) -> Sides:
    """d ← d + (∇L − (GGN + λ)d)/μ from 0: polynomials in GGN, applied to ∇L, which tend to (GGN + λ)⁻¹∇L.

    At K_gθ likewise, with DK DKᵀ in front of GGN and ∇L: then d′ = DK d, which moves the outputs as d does.
    """
    here, part = point.here, point.traits.still.outputs
    k, slope = point.k_within(part).value, point.gradient.value
    curvature = largest_curvature(_gauss_newton(point, here), irregular(point.theta, point.unit))
    damping = (LEAST_DAMPING + point.probe.rates[1]) * curvature
    pace = jnp.where(curvature > 0, 2 * curvature + damping, 1)
    step = _damped_step(point, here, damping, pace)

    def advance(d: Tree, _: None) -> tuple[Tree, tuple[Array, Array]]:
        after, bent = step(d)
        size = inner_magnitude(k, after) + (inner_magnitude(k, slope) + inner_magnitude(k, bent)) / pace
        return after, (inner(k, after), size)

    d, (along, sizes) = scanned(advance, scaled(slope, 1 / pace), ROUNDS)
    action = _nearby(point, part.nearest(point.probe.algebra))
    there = point.near(here.function, action.value)
    step_there = _damped_step(point, there, damping, pace, action)
    d_there = repeated(range(ROUNDS + 1), lambda _, d: step_there(d)[0], zeros_like(slope))
    terms = add(magnitudes(here.push(d)), magnitudes(here.push(slope), ROUNDS / pace))
    parts = (
        of_numbers(along, 0 * along, jnp.sum(sizes), label="⟨k, d⟩ for damped Gauss–Newton steps d"),
        in_outputs(there.push(d_there), here.push(d), terms, label="J d"),
    )
    return only_where(curvature > 0, parts)


def _gauss_newton(point: Point, at: Local) -> Callable[[Tree], Tree]:
    """u ↦ GGN u, with f near some parameters."""
    loss = point.loss_near(at.value)
    return lambda u: at.pull(loss.push(at.push(u)))


def _damped_step(
    point: Point, at: Local, damping: Array, pace: Array, action: Local | None = None
) -> Callable[[Tree], tuple[Tree, Tree]]:
    """One round: d ↦ the next d, and GGN d; at the parameters that an action leads to, with DK DKᵀ in front."""
    ggn, slope = _gauss_newton(point, at), at.gradient_of(point.loss).value

    def step(d: Tree) -> tuple[Tree, Tree]:
        bent = ggn(d)
        rest = subtract(slope, bent)
        rest = rest if action is None else action.push(action.pull(rest))
        return add(d, scaled(combined(1.0, rest, -damping, d), 1 / pace)), bent

    return step


def _momentum_flow(point: Point) -> Sides:
    """With p = e^(γt)θ̇, d⟨p, k⟩/dt = e^(−γt)⟨p, Ap⟩ − e^(γt)s, which collocation adds up exactly."""
    charge, gradient, curvature = charge_of(point), point.gradient.function, curvature_of(point)
    pace = jnp.sqrt(jnp.where(curvature > 0, curvature, 1))
    friction = point.probe.rates[1] * pace

    def field(state: tuple[Tree, Tree, Array]) -> tuple[Tree, Tree, Array]:
        theta, p, time = state
        grown = jnp.exp(friction * time)
        return scaled(p, 1 / grown), scaled(gradient(theta), -grown), jnp.ones_like(time)

    def observe(before: tuple[Tree, Tree, Array], slope: Tree, after: Tree) -> tuple[Array, Array]:
        theta, p, time = before
        grown = jnp.exp(friction * time)
        rate = charge.bend(p) / grown - grown * charge.rate(theta)
        by_position = inner_magnitude(slope[1], charge.turned(subtract(after[0], theta)))
        return rate, by_position + inner_magnitude(subtract(after[1], p), charge.turned(slope[0]))

    start = (point.theta, scaled(point.probe.tangent, SLOW * pace), jnp.zeros_like(pace))
    (thetas, ps, _), (rates, rest) = collocation(field, start, REACH / pace, STEPS, observe, stages=STAGES)
    momenta = jax.vmap(lambda theta, p: inner(p, charge.field(theta)))(thetas, ps)
    terms = jax.vmap(lambda theta, p: inner_magnitude(p, charge.field(theta)))(thetas, ps)
    first = inner(start[1], charge.local.value)
    size = inner_magnitude(start[1], charge.local.value) + jnp.sum(terms) + jnp.sum(jnp.abs(rates))
    label = "e^(γt) dQ/dt along the flow with friction"
    part = of_numbers(momenta, first + jnp.cumsum(rates), size, error=jnp.sum(rest), label=label)
    return only_where((curvature > 0) & (jnp.sum(rest) < TELLING * size), (part,))


METRIC_DRIFT = Property(
    name="metric-drift",
    order=1,
    statement="with a step size for each layer, or another preconditioner that commutes with the generator, the charge "
    "in its metric changes by second order only, exactly, at any step size: of two layers ‖u‖²/η_u − ‖v‖²/η_v",
    formula="P = DK_exp(tξ) = e^(tA), M = P⁻¹, Q_M = ½⟨θ, MAθ⟩:  Q_M(θ − ηP∇L) = Q_M − ηs + ½η²⟨∇L, AP∇L⟩",
    sides=_metric_drift,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(*AFFINE, charged),
    rests_on=("group-laws", "equivariance", "noether"),
    source=SOURCE + "; Kunin et al. 2021, arXiv 2012.04728; other metrics: Marcotte et al. 2024, arXiv 2405.12888",
    derivation=(
        "A = Aᵀ: M and P = M⁻¹ are symmetric and commute with A, so ∇Q_M = Mk and ⟨Mk, P∇L⟩ = ⟨k, ∇L⟩ = s (noether).\n"
        "Second order: ½η²⟨P∇L, MAP∇L⟩ = ½η²⟨∇L, AP∇L⟩. That P = e^(tA) has M as its inverse is group-laws."
    ),
    consequence_of=("group-laws", "noether"),
    costly=True,
)

DAMPED_GAUSS_NEWTON = Property(
    name="damped-gauss-newton",
    order=2,
    statement="steps of Levenberg and Marquardt, and of natural gradients with any damping, are orthogonal to the "
    "orbits, at every step of an iteration that applies the Gauss–Newton matrix, converged or not; and what they do to "
    "the outputs is the same along the orbit, if the damping is carried along: so is the undamped step's",
    formula="⟨k_ξ, (GGN + λ)⁻¹∇L⟩ = 0 for every λ > 0;  ⟨k_ξ, p(GGN)∇L⟩ = 0 for every polynomial p;  "
    "J p(GGN)∇L = J′ p(DK DKᵀGGN′) DK DKᵀ∇L′ at K_exp(ξ)θ, and so J GGN⁺∇L = J′ GGN′⁺∇L′",
    sides=_damped_gauss_newton,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(continuous, one_model, still_inputs, still_outputs),
    rests_on=("equivariance", "jacobian-covariance", "jacobian-generator", "noether"),
    smooth="C¹; ℓ is C²",
    source=SOURCE,
    derivation=(
        "gauss-newton-null: GGN k = 0 and GGN = GGNᵀ, so (GGN + λ)⁻¹k = k/λ and ⟨k, (GGN + λ)⁻¹∇L⟩ = ⟨k, ∇L⟩/λ.\n"
        "noether: ⟨k, ∇L⟩ = 0. jacobian-covariance: J′DK = J, so GGN = DKᵀGGN′DK, ∇L = DKᵀ∇L′: d′ = DK d, J′d′ = J d."
    ),
    consequence_of=("gauss-newton-null", "noether", "jacobian-covariance"),
    costly=True,
    reason_if_vacuous="the Gauss–Newton matrix vanishes at every point that was drawn",
)

MOMENTUM_FLOW = Property(
    name="momentum-flow",
    order=1,
    statement="with inertia and friction a charge is no constant but obeys an equation of motion, driven by the form "
    "of the velocity and by the rate at which T changes the loss",
    formula="θ̈ + γθ̇ + ∇L = 0:  Q″ + γQ′ = ⟨θ̇, Aθ̇⟩ − s,  as  e^(γt)Q′ = Q′(0) + ∫₀ᵗ e^(γt′)(⟨θ̇, Aθ̇⟩ − s) dt′",
    sides=_momentum_flow,
    needs=frozenset({"params", "inputs", "algebra", "tangent", "targets", "rates"}),
    hypotheses=(*AFFINE, charged),
    rests_on=("equivariance", "noether"),
    smooth="C², so that the flow is unique",
    source=SOURCE + "; Marcotte et al. 2024, arXiv 2405.12888; Tanaka & Kunin 2021, arXiv 2105.02716",
    derivation=(
        "Q′ = ⟨k, θ̇⟩, Q″ = ⟨Aθ̇, θ̇⟩ + ⟨k, θ̈⟩ = ⟨θ̇, Aθ̇⟩ − γQ′ − ⟨k, ∇L⟩, and noether: ⟨k, ∇L⟩ = s.\n"
        "Collocation at Gauss's points keeps the integral form for affine k, at any step size."
    ),
    consequence_of=("noether",),
    costly=True,
    reason_if_vacuous=NOWHERE,
)
