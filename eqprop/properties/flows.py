"""Charges and momenta along whole trajectories: gradient flow, flow with weight decay, second-order flow.

Flows are integrated by collocation at Gauss's points (``integrators.collocation``), which changes a quadratic charge by
exactly the quadrature of its rate, at any step size: what is left is the stage equations' rest, which is in the floor.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Tree, add, inner, inner_magnitude, scaled, scanned, subtract, zeros_like
from eqprop.properties.base import PAPER, Property
from eqprop.properties.charges import AFFINE, Charge, charge_of, still_charge_of
from eqprop.properties.hypotheses import (
    charged,
    continuous,
    homogeneous,
    linear_or_constant,
    one_model,
    still_charge,
    still_inputs,
    still_turn,
    turning,
)
from eqprop.properties.numerics import collocation, combined, largest_curvature
from eqprop.properties.parts import Sides, irregular, of_numbers, only_where
from eqprop.properties.point import Point

SOURCE = f"derived here; first-order constraints after {PAPER}"

STEPS = 8
REACH = 0.2
"""Steps of a flow, in units of 1/‖H‖ (1/√‖H‖ where it is of second order): the iteration for the stages contracts."""

STAGES = 4
SLOW = 0.2
"""Velocities, as parts of the parameters: faster ones leave the neighbourhood that the step was chosen for."""

NOWHERE = "H vanishes, or the integrator's stage equations were not solved, at every point that was drawn"

TELLING = 1e-3
"""What the stage equations leave, beside the charge, where a trajectory says something."""


def curvature_of(point: Point) -> Array:
    """‖H‖ at θ, from below."""
    return point.once("curvature", lambda: largest_curvature(point.gradient.push, irregular(point.theta, point.unit)))


def _pace(point: Point) -> Array:
    curvature = curvature_of(point)
    return jnp.where(curvature > 0, curvature, 1)


def _along(point: Point, found: Tree, expected: Tree, size: Array, rest: Tree, label: str) -> Sides:
    """A comparison of two series, where the integrator's own error leaves something to compare."""
    part = of_numbers(found, expected, size, error=rest, label=label)
    return only_where((curvature_of(point) > 0) & (rest < TELLING * size), (part,))


def _left(charge: Charge, before: Tree, slope: Tree, after: Tree) -> Array:
    """What the stage equations' rest may change of the charge, per unit of time."""
    return inner_magnitude(charge.turned(subtract(after, before)), slope)


def _series(charge: Charge, start: Tree, states: Tree) -> tuple[Tree, Tree]:
    """Q at the start and after each step, and the size of all their terms."""
    values, sizes = jax.vmap(charge.value)(states), jax.vmap(charge.size)(states)
    return jnp.concatenate([charge.value(start)[None], values]), charge.size(start) + jnp.sum(sizes)


def _less(first: Tree, sums: Array) -> Array:
    """The first value, and it less what has added up before each later one."""
    return first - jnp.concatenate([jnp.zeros_like(sums[:1]), jnp.cumsum(sums)])


def _charge_flow(point: Point) -> Sides:
    charge, gradient, step = charge_of(point), point.gradient.function, REACH / _pace(point)

    def observe(before: Tree, slope: Tree, after: Tree) -> tuple[Tree, Tree]:
        left = _left(charge, before, slope, after)
        return charge.rate(before) + 0 * left, left

    def field(theta: Tree) -> Tree:
        return scaled(gradient(theta), -1.0)

    def with_rule(stages: int, label: str) -> Sides:
        states, (rates, rest) = collocation(field, point.theta, step, STEPS, observe, stages=stages)
        found, size = _series(charge, point.theta, states)
        return _along(point, found, _less(found[0], rates), size + jnp.sum(jnp.abs(rates)), jnp.sum(rest), label)

    return (*with_rule(STAGES, "Q along gradient flow"), *with_rule(1, "Q along implicit midpoint steps"))


def _charge_decay(point: Point) -> Sides:
    """In φ = e^(λt)θ the flow is φ̇ = −e^(λt)∇L(e^(−λt)φ), and Q(φ) = e^(2λt)Q(θ) is conserved."""
    charge, gradient, step = still_charge_of(point), point.gradient.function, REACH / _pace(point)
    decay = point.probe.rates[1] * curvature_of(point)

    def field(state: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        phi, time = state
        return scaled(gradient(scaled(phi, jnp.exp(-decay * time))), -jnp.exp(decay * time)), jnp.ones_like(time)

    def observe(before: Tree, slope: Tree, after: Tree) -> Array:
        return _left(charge, before[0], slope[0], after[0])

    start = (point.theta, jnp.zeros_like(step))
    (states, times), rest = collocation(field, start, step, STEPS, observe, stages=STAGES)
    kept, size = _series(charge, point.theta, states)
    power = 1 if point.traits.still.constant.dimension else 2  # a translation's charge is linear in θ
    shrunk = jnp.exp(-power * decay * jnp.concatenate([start[1][None], times]))
    label = "Q along gradient flow with weight decay"
    return _along(point, shrunk * kept, shrunk * kept[0], size, jnp.sum(rest), label)


def _norm_growth(point: Point) -> Sides:
    dilation, gradient, theta = point.traits.dilation(), point.gradient.function, point.theta
    assert dilation is not None, "the property has the hypothesis 'homogeneous'"
    degree, f = dilation.rate, point.here.function
    dtype = jnp.result_type(*theta)
    k = point.field(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), dilation.algebra)).function

    def observe(before: Tree, slope: Tree, after: Tree) -> tuple[Tree, Tree]:
        y = f(before)
        return degree * inner(point.loss_near(y).value, y), inner_magnitude(subtract(after, before), slope)

    def field(theta: Tree) -> Tree:
        return scaled(gradient(theta), -1.0)

    states, (rates, rest) = collocation(field, theta, REACH / _pace(point), STEPS, observe, stages=STAGES)
    start, along = k(theta), jax.vmap(k)(states)
    squares = 0.5 * jnp.concatenate([inner(start, start)[None], jax.vmap(inner)(along, along)])
    # θ − c cancels where the centre is far: the terms are those of ½‖θ‖² and ½‖c‖².
    terms = inner(theta, theta) + jnp.sum(jax.vmap(inner)(states, states))
    size = jnp.sum(squares) + terms + jnp.sum(jnp.abs(rates))
    return _along(point, squares, _less(squares[0], rates), size, jnp.sum(rest), "½‖k‖² along gradient flow")


def _angular_momentum(point: Point) -> Sides:
    k = point.k_within(point.traits.still.antisymmetric).function
    return (*_heavy_ball(point, k), *_second_order_flow(point, k))


def _heavy_ball(point: Point, k: Callable[[Tree], Tree]) -> Sides:
    gradient, theta, v = point.gradient.function, point.theta, scaled(point.probe.tangent, SLOW)
    keep, step = 0.5 + 0.5 * point.probe.rates[2] ** 2, REACH / _pace(point)

    def advance(state: tuple[Tree, Tree], _: None) -> tuple[tuple[Tree, Tree], tuple[Tree, Tree]]:
        at, velocity = state
        velocity = combined(keep, velocity, -step, gradient(at))
        moved = k(at)
        return (add(at, velocity), velocity), (inner(velocity, moved), inner_magnitude(velocity, moved))

    momenta, sizes = scanned(advance, (theta, v), STEPS)[1]
    before = k(subtract(theta, v))
    expected = inner(v, before) * keep ** jnp.arange(1, STEPS + 1, dtype=momenta.dtype)
    size = jnp.sum(sizes) + inner_magnitude(v, before)
    return _along(point, momenta, expected, size, jnp.zeros_like(size), "⟨v, k⟩ along heavy-ball steps")


def _second_order_flow(point: Point, k: Callable[[Tree], Tree]) -> Sides:
    """With p = e^(γt)θ̇ the flow is θ̇ = e^(−γt)p, ṗ = −e^(γt)∇L, and ⟨p, k(θ)⟩ = e^(γt)⟨θ̇, k(θ)⟩ is conserved."""
    gradient, pace = point.gradient.function, jnp.sqrt(_pace(point))
    friction, origin = point.probe.rates[1] * pace, k(zeros_like(point.theta))

    def field(state: tuple[Tree, Tree, Tree]) -> tuple[Tree, Tree, Tree]:
        theta, p, time = state
        grown = jnp.exp(friction * time)
        return scaled(p, 1 / grown), scaled(gradient(theta), -grown), jnp.ones_like(time)

    def observe(before: Tree, slope: Tree, after: Tree) -> Array:
        turned = subtract(k(slope[0]), origin)
        by_position = inner_magnitude(slope[1], subtract(k(after[0]), k(before[0])))
        return by_position + inner_magnitude(subtract(after[1], before[1]), turned)

    start = (point.theta, scaled(point.probe.tangent, SLOW * pace), jnp.zeros_like(pace))
    (thetas, ps, times), rest = collocation(field, start, REACH / pace, STEPS, observe, stages=STAGES)
    fields = jax.vmap(k)(thetas)
    shrunk = jnp.exp(-friction * times)
    first, terms = (form(start[1], k(start[0])) for form in (inner, inner_magnitude))
    size = terms + jnp.sum(jax.vmap(inner_magnitude)(ps, fields))
    label = "⟨θ̇, k⟩ along the flow with friction"
    return _along(point, shrunk * jax.vmap(inner)(ps, fields), shrunk * first, size, jnp.sum(rest), label)


CHARGE_FLOW = Property(
    name="charge-flow",
    order=1,
    statement="gradient flow conserves the charges of a symmetry, and changes those of an equivariance at the rate at "
    "which T changes the loss",
    formula="θ̇ = −∇L:  Q(θ(t)) = Q(θ(0)) − ∫₀ᵗ s dt′",
    sides=_charge_flow,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(*AFFINE, charged),
    rests_on=("equivariance", "noether"),
    smooth="C², so that the flow is unique",
    source=SOURCE + "; balancedness: Du, Hu & Lee 2018, arXiv 1806.00900",
    derivation=(
        "dQ/dt = ⟨∇Q, θ̇⟩ = −⟨k, ∇L⟩ = −s by noether.\n"
        "Collocation at Gauss's points keeps this for quadratic Q: ΔQ = −h Σ b_i s(Y_i), at any h."
    ),
    consequence_of=("noether",),
    costly=True,
    reason_if_vacuous=NOWHERE,
    series=True,
)

CHARGE_DECAY = Property(
    name="charge-decay",
    order=1,
    statement="with weight decay the charges of a symmetry decay exponentially, whatever the loss does",
    formula="θ̇ = −∇L − λθ:  Q(θ(t)) = e^(−2λt) Q(θ(0))  (e^(−λt) for a translation)",
    sides=_charge_decay,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(*AFFINE, linear_or_constant, charged, still_charge),
    rests_on=("equivariance", "noether"),
    smooth="C², so that the flow is unique",
    source=SOURCE + "; Kunin et al. 2021, arXiv 2012.04728",
    derivation=("dQ/dt = −⟨k, ∇L⟩ − λ⟨k, θ⟩ = −λ⟨k, θ⟩ by noether.\nFor k = Aθ, ⟨k, θ⟩ = 2Q; for k = b, ⟨k, θ⟩ = Q."),
    consequence_of=("noether",),
    costly=True,
    reason_if_vacuous=NOWHERE,
    series=True,
)

NORM_GROWTH = Property(
    name="norm-growth",
    order=1,
    statement="under gradient flow the distance of a homogeneous network's parameters from the centre changes by its "
    "degree times ⟨∇ℓ, f⟩",
    formula="θ̇ = −∇L, Dk = 1, τ(y) = p y:  ½‖k(t)‖² = ½‖k(0)‖² − p ∫₀ᵗ ⟨∇ℓ, f⟩ dt′,  k = θ − c",
    sides=_norm_growth,
    needs=frozenset({"params", "inputs", "targets"}),
    hypotheses=(continuous, one_model, still_inputs, homogeneous),
    rests_on=("equivariance", "noether"),
    smooth="C², so that the flow is unique",
    source="Lyu & Li 2020, arXiv 1906.05890; Kunin et al. 2023, arXiv 2210.03820",
    derivation=(
        "½ d‖k‖²/dt = ⟨k, Dk θ̇⟩ = −⟨k, ∇L⟩ = −⟨∇ℓ, Jk⟩, and Jk = p f (Euler, jacobian-generator).\n"
        "It is charge-flow for k = θ − c, Q = ½‖θ − c‖², s = p⟨∇ℓ, f⟩."
    ),
    consequence_of=("noether",),
    costly=True,
    reason_if_vacuous=NOWHERE,
    series=True,
)

ANGULAR_MOMENTUM = Property(
    name="angular-momentum",
    order=1,
    statement="with momentum, what is conserved along an antisymmetric generator is an angular momentum: it shrinks by "
    "β a heavy-ball step, and as e^(−γt) with friction γ",
    formula="Dk = −Dkᵀ, s = 0:  ⟨v_n, k(θ_(n−1))⟩ = βⁿ⟨v₀, k(θ₀ − v₀)⟩;  θ̈ + γθ̇ + ∇L = 0:  ⟨θ̇, k⟩ ∝ e^(−γt)",
    sides=_angular_momentum,
    needs=frozenset({"params", "inputs", "algebra", "tangent", "targets", "rates"}),
    hypotheses=(*AFFINE, turning, still_turn),
    rests_on=("equivariance", "noether"),
    smooth="C², so that the flow is unique",
    source=SOURCE + "; Tanaka & Kunin 2021, arXiv 2105.02716",
    derivation=(
        "d⟨θ̇, k⟩/dt = ⟨θ̇, Dk θ̇⟩ − γ⟨θ̇, k⟩ − ⟨∇L, k⟩; the first vanishes as Dk = −Dkᵀ, the last by noether.\n"
        "In steps: momentum-step, n times."
    ),
    consequence_of=("noether",),
    costly=True,
    reason_if_vacuous=NOWHERE,
    series=True,
)
