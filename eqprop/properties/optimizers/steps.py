"""An optimiser beside a transformation: whether its steps commute with the group, and what they do to the charges.

A step adds u(θ) to θ, so it can commute with K_g only where K_g is affine along it. With DK_g = A the claim is
u(K_gθ) = A u(θ), which is what is compared: displacements, and not parameters, because a step that is a millionth of
the parameters would be lost in their rounding. At T = identity the gradient moves by ∇L(K_gθ) = A⁻ᵀ∇L(θ); what an
optimiser does with that decides which A it commutes with:

====================================  ================================================================================
A                                     optimisers whose step commutes with it
====================================  ================================================================================
orthogonal                            gradient descent, momentum, Nesterov, clipping by the global norm
orthogonal on each side of a matrix   also Muon and Shampoo: functions of GGᵀ and GᵀG
a signed permutation                  also what works entry by entry with odd functions: Adam, sign descent, RMSProp, …
invertible                            undamped Newton only: H(K_gθ)⁻¹∇L(K_gθ) = A H⁻¹∇L
translation, A = 1                    whatever does not look at θ itself: weight decay and parameter scaling do
====================================  ================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Tree, add, derivative, inner, inner_magnitude
from eqprop.properties.base import Property
from eqprop.properties.charges import still_charge_of
from eqprop.properties.hypotheses import (
    affine_action,
    charged,
    keeps_integers,
    one_model,
    still_charge,
    still_inputs,
    still_loss,
)
from eqprop.properties.optimizers.adapter import Optimizer, Stepper, both, total
from eqprop.properties.optimizers.check import OptimizerCheck
from eqprop.properties.parts import Sides, affine_until, in_params, magnitudes, of_numbers, only_where
from eqprop.properties.point import Point

STEPS = 10
"""T, the length of a trajectory: enough for the state of the second moments to matter, before rounding is amplified
by more than a few digits."""

STEP, TRAJECTORY, CHARGE = "optimizer-step", "optimizer-trajectory", "optimizer-charge"

SOURCE = "derived here; see eqprop/properties/optimizers.py for which optimisers commute with which transformations"


@dataclass(frozen=True, eq=False)
class OptimizerProperty(Property):
    """A property of a pair together with an optimiser.

    Attributes:
        optimizer: as it was given.
        optimizer_name: what it is called in reports.
        found_at: ``"package.module:attribute"`` where a replay finds it; empty for a Python object.
    """

    optimizer: object = None
    optimizer_name: str = "optimizer"
    found_at: str = ""


def optimizer_properties(
    optimizer: object, name: str = "optimizer", *, found_at: str = ""
) -> tuple[OptimizerProperty, OptimizerProperty]:
    """``optimizer-step`` and ``optimizer-trajectory`` of one optimiser.

    Args:
        optimizer: with optax's ``init(params)`` and ``update(grads, state, params)``.
        name: used in reports.
        found_at: where a replay finds it.

    Raises:
        InvalidInput: where it has no ``init`` or no ``update``. What its ``update`` does wrong is an ``InvalidInput``
            once it meets a model.
    """
    checked = Optimizer.of(optimizer, name)
    common: dict[str, Any] = {
        "order": 1,
        "needs": frozenset({"params", "inputs", "element", "targets"}),
        "source": SOURCE,
        "optimizer": optimizer,
        "optimizer_name": name,
        "found_at": found_at,
    }
    moving = (one_model, still_loss, still_inputs, affine_action)
    step = OptimizerProperty(
        name=STEP,
        hypotheses=(*moving, OptimizerCheck(checked)),
        statement=f"the first step of {name} commutes with the group: moved parameters take the moved step",
        formula="U(K_gθ) = K_g U(θ) with U(θ) = θ + u(θ), u from the first state:  u(K_gθ) = DK_g u(θ)",
        sides=lambda point: _step(checked, point),
        rests_on=("equivariance", "gradient-covariance"),
        derivation=(
            "gradient-covariance: ∇L(K_gθ) = A⁻ᵀ∇L(θ) with A = DK_g, and an affine K takes θ + u to K_gθ + A u.\n"
            "So U commutes with K_g where the optimiser takes A⁻ᵀ∇L to A u: orthogonal A for gradient descent, …"
        ),
        **common,
    )
    trajectory = OptimizerProperty(
        name=TRAJECTORY,
        hypotheses=(*moving, keeps_integers, OptimizerCheck(checked)),
        statement=f"{STEPS} steps of {name} commute with the group, its state included",
        formula="Uᵀ(K_gθ) = K_g Uᵀ(θ):  Σ u_t(K_gθ) = DK_g Σ u_t(θ)".replace("Uᵀ", "U_T"),
        sides=lambda point: _trajectory(checked, point),
        rests_on=("equivariance", "gradient-covariance", STEP),
        derivation=(
            "If a step commutes with K_g from every state, where the state at K_gθ is the moved one, then so does the\n"
            "next, by induction; a state that starts at zero is moved to itself."
        ),
        reason_if_vacuous="the trajectory left the finite numbers at every point that was drawn",
        **common,
    )
    return step, trajectory


def optimizer_charge(optimizer: object, name: str = "optimizer") -> OptimizerProperty:
    """``optimizer-charge``: the charges move at second order in the step only. True of few optimisers.

    For k_ξ = ∇Q_ξ with Dk_ξ = A = Aᵀ any step changes Q by ⟨u, k_ξ(θ)⟩ + ½⟨u, A u⟩, exactly. The claim is that the
    first term vanishes at every step: u along the gradient, to which k_ξ is orthogonal. What is left is the exact drift
    ½η²∇LᵀA∇L of gradient descent, and nothing at all for a translation.
    """
    checked = Optimizer.of(optimizer, name)
    return OptimizerProperty(
        name=CHARGE,
        order=1,
        statement=f"{name} moves the charges at second order in its steps only, over {STEPS} of them",
        formula="Q(θ + u) − Q(θ) = ⟨u, k_ξ(θ)⟩ + ½⟨u, Dk_ξ u⟩:  Σ_t ⟨u_t, k_ξ(θ_t)⟩ = 0",
        sides=lambda point: _charge(checked, point),
        needs=frozenset({"params", "inputs", "algebra", "targets"}),
        hypotheses=(one_model, still_inputs, affine_action, charged, still_charge, OptimizerCheck(checked)),
        rests_on=("equivariance", "noether"),
        source="derived here: Noether's identity for one step",
        derivation=(
            "Q is quadratic with gradient k_ξ and Hessian A, so its Taylor series ends there.\n"
            "noether: ⟨∇L, k_ξ⟩ = 0, so the first term vanishes for u along ∇L(θ_t)."
        ),
        reason_if_vacuous="the trajectory left the finite numbers at every point that was drawn",
        optimizer=optimizer,
        optimizer_name=name,
    )


def _stepper(optimizer: Optimizer, point: Point) -> Stepper:
    """The optimiser on this point's model; the loss is taken outside, because it holds constants of the probe."""
    loss, inputs = point.loss, point.probe.inputs
    return Stepper(optimizer, point.source, lambda theta: loss(point.f(theta, inputs)), point.gradient.function)


def _step(optimizer: Optimizer, point: Point) -> Sides:
    stepper = _stepper(optimizer, point)
    there = stepper.first(point.gradient_there.value, point.action.value)
    here = stepper.first(point.gradient.value, point.theta)
    return (in_params(point, there, point.action.push(_cast(here, point.theta))),)


def _trajectory(optimizer: Optimizer, point: Point) -> Sides:
    stepper = _stepper(optimizer, point)

    def run(theta: Tree) -> tuple[Tree, Tree]:
        moved, sizes = stepper.along(theta, STEPS, lambda _, u: magnitudes(u))
        return moved, total(sizes)

    (here, _), (there, terms) = both(run, point.theta, point.action.value)
    expected = point.action.push(here)
    # Not a number or infinite on a side: a trajectory that diverged, of which nothing is claimed.
    claimed = _finite((there, expected, terms)) & affine_until(point.action, add(point.theta, here), point.unit)
    return only_where(claimed, (in_params(point, there, expected, terms),))


def _charge(optimizer: Optimizer, point: Point) -> Sides:
    stepper = _stepper(optimizer, point)
    field = still_charge_of(point).field

    def observe(theta: Tree, u: Tree) -> tuple[Tree, Tree]:
        k = field(theta)
        return inner(u, k), inner_magnitude(u, k)

    _, (rates, sizes) = stepper.along(point.theta, STEPS, observe)
    drift, size = jnp.sum(rates), jnp.sum(sizes)
    return only_where(_finite((drift, size)), (of_numbers(drift, 0 * drift, size, label="Σ⟨u, k⟩"),))


def charge_drift(optimizer: object, point: Point) -> tuple[Tree, Tree, Tree]:
    """(Q(θ_T) − Q(θ₀), its first-order part Σ⟨u_t, k_ξ⟩, a size ‖θ₀‖·‖k_ξ(θ₀)‖) of a trajectory, for the probe's ξ."""
    stepper = _stepper(Optimizer.of(optimizer, "optimizer"), point)
    field = point.field(point.traits.symmetric.nearest(point.probe.algebra)).function

    def observe(theta: Tree, u: Tree) -> tuple[Tree, Tree]:
        k, turned = field(theta), derivative(field, theta, u)
        return inner(u, k), inner(u, turned) / 2

    _, (first, second) = stepper.along(point.theta, STEPS, observe)
    k = field(point.theta)
    return jnp.sum(first + second), jnp.sum(first), jnp.sqrt(inner(point.theta, point.theta) * inner(k, k))


def _cast(u: Tree, theta: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.asarray(a, b.dtype), u, theta)


def _finite(tree: Tree) -> Array:
    leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
    return jnp.all(jnp.stack(leaves)) if leaves else jnp.array(True)
