"""Charges: what gradient flow conserves, and exactly how single steps of training change it.

Where Dk_ξ is symmetric k_ξ is the gradient of a charge Q_ξ, which is built from the generator: Q(θ) = ½⟨θ, k(θ) + k(0)⟩
for affine k. For any affine k the momentum N = ⟨v, k(θ)⟩ plays this part where there is a velocity v.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, subtract, zeros_like
from eqprop.properties.base import Property
from eqprop.properties.hypotheses import (
    affine_generator,
    charged,
    closed_form,
    continuous,
    one_model,
    still_inputs,
)
from eqprop.properties.numerics import combined
from eqprop.properties.parts import Part, Sides, in_params, of_numbers
from eqprop.properties.point import Point
from eqprop.properties.traits import Subspace

SOURCE = "Kunin et al. 2021, arXiv 2012.04728 (broken conservation laws); exact forms derived here"
AFFINE = (continuous, one_model, still_inputs, affine_generator)


class Charge:
    """Q with ∇Q = k, for a generator k that is affine with symmetric Dk, and what changes it.

    Args:
        point: where the probe is.
        part: of the algebra, with symmetric Dk_ξ.

    Attributes:
        algebra: the probe's ξ, projected to this part.
        field: θ ↦ k_ξ(θ).
    """

    def __init__(self, point: Point, part: Subspace) -> None:
        self.algebra = part.nearest(point.probe.algebra)
        self.local: Local = point.field(self.algebra)
        self.field: Callable[[Tree], Tree] = self.local.function
        self.origin = self.field(zeros_like(point.theta))
        # s_ξ as a function of the outputs: 0 for a symmetry.
        rate = point.rate_of_loss(self.algebra).function if point.transformation.moves_outputs else None
        self.rate: Callable[[Tree], Tree] = lambda theta: rate(point.here.function(theta)) if rate else 0.0

    def value(self, theta: Tree) -> Array:
        """Q(θ)."""
        return 0.5 * inner(theta, add(self.field(theta), self.origin))

    def size(self, theta: Tree) -> Array:
        """Of the terms in Q(θ)."""
        return 0.5 * inner_magnitude(theta, self.field(theta)) + 0.5 * inner_magnitude(theta, self.origin)

    def bend(self, v: Tree) -> Array:
        """⟨v, Dk v⟩: twice the charge's second-order term."""
        return inner(v, self.turned(v))

    def turned(self, v: Tree) -> Tree:
        """Dk v."""
        return subtract(self.field(v), self.origin)


def charge_of(point: Point) -> Charge:
    """The charge of the probe's algebra element, shared by the properties of a program."""
    return point.once("charge", lambda: Charge(point, point.traits.symmetric))


def still_charge_of(point: Point) -> Charge:
    """Likewise of what of it leaves the loss, s = 0."""
    part = point.traits.still.symmetric
    return charge_of(point) if part is point.traits.symmetric else point.once("still", lambda: Charge(point, part))


def _closed_form(point: Point) -> Sides:
    charge, claimed = charge_of(point), point.transformation.charge
    assert claimed is not None, "the property has the hypothesis 'closed_form'"
    near = point.near(lambda theta: claimed(charge.algebra, point.source.join(theta)), point.theta)
    return (in_params(point, near.pull(1.0 + 0 * near.value), charge.local.value),)


def _drift(point: Point, charge: Charge, loss_rate: Tree, slope: Tree, decay: Array | float, label: str) -> Part:
    """Q after a step against slope + λθ, beside what the law says of it."""
    theta, step = point.theta, point.probe.rates[0]
    after = combined(1 - step * decay, theta, -step, slope)
    before, moved = charge.value(theta), charge.local.value
    bent = charge.bend(combined(1.0, slope, decay, theta))
    expected = before - step * (loss_rate + decay * inner(moved, theta)) + 0.5 * step**2 * bent
    terms = step * inner_magnitude(moved, slope) + step**2 * drift_size(charge, slope, decay, theta)
    return of_numbers(charge.value(after), expected, charge.size(theta) + charge.size(after) + terms, label=label)


def drift_size(charge: Charge, slope: Tree, decay: Array | float = 0.0, theta: Tree = None) -> Array:
    """The size of the terms in ⟨g, A g⟩ for g = slope + decay·θ."""
    whole = jax.tree.map(lambda a, b: jnp.abs(a) + jnp.abs(decay * b), slope, slope if theta is None else theta)
    return inner(whole, jax.tree.map(jnp.abs, charge.turned(whole))) + inner_magnitude(slope, charge.turned(slope))


def _charge_drift(point: Point) -> Sides:
    charge, slope = charge_of(point), point.gradient.value
    rate = charge.rate(point.theta)
    return (
        _drift(point, charge, rate, slope, 0.0, "Q after a gradient step"),
        _drift(point, charge, rate, slope, point.probe.rates[1], "Q after a step with weight decay"),
    )


def _momentum_step(point: Point) -> Sides:
    """v is the velocity that led to θ; N before the step is ⟨v, k(θ − v)⟩."""
    k, v, slope = point.k, point.probe.tangent, point.gradient.value
    step, _, keep = point.probe.rates
    rate = point.loss_rate.value if point.transformation.moves_outputs else 0.0
    velocity = combined(keep, v, -step, slope)
    before = inner(v, k.function(subtract(point.theta, v)))
    expected = keep * (before + inner(v, k.push(v))) - step * rate
    size = inner_magnitude(velocity, k.value) + jnp.abs(keep) * inner_magnitude(v, k.value)
    size += step * inner_magnitude(slope, k.value) + jnp.abs(keep) * inner_magnitude(v, k.push(v))
    return (of_numbers(inner(velocity, k.value), expected, size, label="⟨v′, k⟩ after a heavy-ball step"),)


def _per_sample(point: Point) -> Sides:
    charge, theta, step = charge_of(point), point.theta, point.probe.rates[0]
    k, y = charge.local.value, point.here.value
    whole = point.loss_near(y).value
    tau = point.output_field(charge.algebra)(y) if point.transformation.moves_outputs else zeros_like(y)

    def of_batch(keep: Array) -> tuple[Tree, Tree, Tree]:
        part = masked(whole, keep)
        slope = point.here.pull(part)
        after = combined(1.0, theta, -step, slope)
        expected = charge.value(theta) - step * inner(part, tau) + 0.5 * step**2 * charge.bend(slope)
        size = charge.size(theta) + charge.size(after) + step * inner_magnitude(k, slope)
        return charge.value(after), expected, size + step**2 * drift_size(charge, slope)

    lhs, rhs, size = jax.vmap(of_batch)(jnp.asarray(minibatches(y)))
    return (of_numbers(lhs, rhs, jnp.max(size), label="Q after a step on a minibatch"),)


MOST_SAMPLES = 8


def minibatches(outputs: Tree) -> np.ndarray:
    """Masks over the outputs' first axis: each sample by itself, then the first half; shape (masks, samples).

    One mask that keeps all where the outputs have no first axis in common.
    """
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(outputs)}
    ((samples, *_),) = lengths if len(lengths) == 1 and () not in lengths else [(1,)]
    alone = np.eye(samples)[:MOST_SAMPLES]
    return np.concatenate([alone, [np.arange(samples) < (samples + 1) // 2]]) if samples > 1 else alone


def masked(outputs: Tree, keep: Array) -> Tree:
    """What a loss of some samples only sees of a cotangent; ``keep`` has length 1 where there is no axis of samples."""

    def of_leaf(leaf: Array) -> Array:
        axes = (1,) * (leaf.ndim - 1) if leaf.ndim else ()
        return leaf * jnp.broadcast_to(keep.reshape(-1, *axes) if leaf.ndim else keep[0], leaf.shape).astype(leaf.dtype)

    return jax.tree.map(of_leaf, outputs)


CHARGE_FORM = Property(
    name="charge-form",
    order=0,
    statement="the charge that the transformation declares has the generator as its gradient",
    formula="∇Q_ξ = k_ξ",
    sides=_closed_form,
    needs=frozenset({"params", "inputs", "algebra"}),
    hypotheses=(continuous, one_model, closed_form, charged),
    source="definition of a charge",
    derivation=(
        "k_ξ = ∇Q_ξ is what makes Q_ξ a charge: dQ/dt = ⟨k, θ̇⟩ = −⟨k, ∇L⟩ = −s under gradient flow.\n"
        "Both sides are of the transformation alone; the model is not run."
    ),
    costly=True,
)

CHARGE_DRIFT = Property(
    name="charge-drift",
    order=1,
    statement="a step of gradient descent changes a charge by second order only, exactly, at any step size, with and "
    "without weight decay (beyond the rate at which T changes the loss)",
    formula="Q(θ − η(∇L + λθ)) = Q − η(s + λ⟨k, θ⟩) + ½η²⟨∇L + λθ, A(∇L + λθ)⟩;  k = Aθ: "
    "(1 − ηλ)²Q − η(1 − ηλ)s + ½η²⟨∇L, A∇L⟩",
    sides=_charge_drift,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(*AFFINE, charged),
    rests_on=("equivariance", "noether"),
    source=SOURCE,
    derivation=(
        "Q is quadratic: Q(θ + δ) = Q + ⟨k, δ⟩ + ½⟨δ, Aδ⟩ with δ = −η(∇L + λθ), A = Dk.\n"
        "noether: ⟨k, ∇L⟩ = s. With k = Aθ also ⟨Aθ, ∇L⟩ = s, and ⟨k, θ⟩ = 2Q."
    ),
    consequence_of=("noether",),
    costly=True,
)

SAMPLE_DRIFT = Property(
    name="sample-drift",
    order=1,
    statement="what a step changes of a charge is of second order for every sample and every minibatch by itself: the "
    "broken conservation law of stochastic gradient descent, with no approximation. L_B is what the samples in B "
    "contribute to the whole batch's cotangent: the minibatch's loss where neither loss nor model couples samples",
    formula="L_B = ⟨m_B ⊙ ∇ℓ, f⟩, ∇ℓ kept:  Q(θ − η∇L_B) = Q − ηs_B + ½η²⟨∇L_B, A∇L_B⟩  for each batch B of samples",
    sides=_per_sample,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(*AFFINE, charged),
    rests_on=("equivariance", "jacobian-generator"),
    source=SOURCE,
    derivation=(
        "L_B is another loss on the outputs, and noether holds for every loss: ⟨k, ∇L_B⟩ = s_B = ⟨m ⊙ ∇ℓ, τ⟩.\n"
        "∇L_B = Jᵀ(m ⊙ ∇ℓ) with the mask m of the batch; then as charge-drift."
    ),
    consequence_of=("jacobian-generator",),
    costly=True,
)

MOMENTUM_STEP = Property(
    name="momentum-step",
    order=1,
    statement="a heavy-ball step damps the momentum along a generator exactly; for an antisymmetric one (an angular "
    "momentum) and a symmetry N shrinks by β a step",
    formula="v′ = βv − η∇L:  ⟨v′, k(θ)⟩ = β(⟨v, k(θ − v)⟩ + ⟨v, Dk v⟩) − ηs",
    sides=_momentum_step,
    needs=frozenset({"params", "inputs", "algebra", "tangent", "targets", "rates"}),
    hypotheses=AFFINE,
    rests_on=("equivariance", "noether"),
    source="Tanaka & Kunin 2021, arXiv 2105.02716 (Noether's learning dynamics); exact form derived here",
    derivation=(
        "⟨v′, k(θ)⟩ = β⟨v, k(θ)⟩ − η⟨∇L, k(θ)⟩; k(θ) = k(θ − v) + Dk v for affine k; noether: ⟨∇L, k⟩ = s.\n"
        "Dk = −Dkᵀ gives ⟨v, Dk v⟩ = 0, so N′ = βN for a symmetry."
    ),
    consequence_of=("noether",),
    costly=True,
)
