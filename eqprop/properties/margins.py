"""Margins of homogeneous networks under an exponential loss: the implicit bias of gradient flow, as an identity.

With f of degree p and L = Σ e^(−q) over the margins q the normalised margin is γ = log(1/L)/‖k‖^p, k = θ − c from the
centre. Every number that the network puts out is a margin here, with the sign that it has, in units in which L < 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Tree, inner, inner_magnitude, norm, scaled, subtract
from eqprop.engine import gradient as gradient_of
from eqprop.properties.base import Property
from eqprop.properties.consequences import generator_of, rate_of
from eqprop.properties.hypotheses import continuous, homogeneous, one_model, still_inputs
from eqprop.properties.numerics import collocation, combined, largest_curvature
from eqprop.properties.parts import Sides, irregular, of_numbers, only_where
from eqprop.properties.point import Point

STEPS = 4
REACH = 0.2
"""Steps of gradient flow, in units of 1/‖H‖ at the start."""

STAGES = 4


def _margins(point: Point) -> Callable[[Tree], Tree]:
    """q as one vector: what is the size of the outputs at θ, in units such that Σ e^(−q) ≤ 1/e there."""

    def flat(y: Tree) -> Array:
        return jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(y)])

    here = flat(point.here.value)
    least = jnp.min(jnp.abs(here))
    side = jnp.sign(here) * (1 + math.log(here.size)) / jnp.where(least > 0, least, 1)
    return lambda y: side * flat(y)


def _margin(point: Point) -> Sides:
    dilation, margins = point.traits.dilation(), _margins(point)
    p, k = rate_of(dilation), generator_of(point, dilation)

    def loss(y: Tree) -> Array:
        return jnp.sum(jnp.exp(-margins(y)))

    def log_margin(theta: Tree) -> Array:
        """log γ."""
        square = inner(k.function(theta), k.function(theta))
        return jnp.log(-jnp.log(loss(point.here.function(theta)))) - 0.5 * p * jnp.log(square)

    q, gradient = margins(point.here.value), point.under(loss)
    value, weight = loss(point.here.value), jnp.sum(jnp.exp(-q) * q)
    slope, along, square = gradient.value, k.value, inner(k.value, k.value)
    across = combined(1.0, slope, p * weight / square, along)
    depth = -value * jnp.log(value)
    bias = (p * weight) ** 2 / square
    growth = inner(across, across) / depth + bias * (1 / depth - 1 / weight)
    terms = inner(slope, slope) / depth + bias * (1 / depth + 1 / weight)
    risen = point.near(log_margin, point.theta).push(scaled(slope, -1.0))
    parts = (
        of_numbers(inner(slope, along), -p * weight, inner_magnitude(slope, along), label="⟨∇L, k⟩ = −pν"),
        of_numbers(risen, growth, terms, label="d log γ/dt"),
        *_monotone(point, gradient.function, log_margin),
    )
    return only_where((jnp.min(jnp.abs(q)) > 0) & (square > 0) & (norm(slope) > 0), parts)


def _monotone(point: Point, gradient: Callable[[Tree], Tree], log_margin: Callable[[Tree], Tree]) -> Sides:
    """What log γ loses on a step of gradient flow: nothing."""
    slope_of = gradient_of(log_margin)
    curvature = largest_curvature(point.near(gradient, point.theta).push, irregular(point.theta, point.unit))
    step = REACH / jnp.where(curvature > 0, curvature, 1)
    states, rest = collocation(
        lambda theta: scaled(gradient(theta), -1.0),
        point.theta,
        step,
        STEPS,
        lambda before, _, after: inner_magnitude(subtract(after, before), slope_of(before)) / step,
        stages=STAGES,
    )
    series = jnp.concatenate([log_margin(point.theta)[None], jax.vmap(log_margin)(states)])
    lost = jnp.minimum(series[1:] - series[:-1], 0)
    size = 1 + jnp.sum(jnp.abs(series))
    return (of_numbers(lost, 0 * lost, size, error=jnp.sum(rest), label="what γ loses along gradient flow"),)


MARGIN = Property(
    name="margin",
    order=1,
    statement="of a homogeneous network under an exponential loss below 1 the normalised margin grows along gradient "
    "flow, at a rate that is a sum of two terms that are not negative",
    formula="L = Σ e^(−q) < 1, γ = log(1/L)/‖k‖^p, ν = Σ e^(−q)q:  ⟨∇L, k⟩ = −pν,  "
    "d log γ/dt = ‖∇L_⊥‖²/(L log 1/L) + (p²ν²/‖k‖²)(1/(L log 1/L) − 1/ν) ≥ 0",
    sides=_margin,
    needs=frozenset({"params", "inputs"}),
    hypotheses=(continuous, one_model, still_inputs, homogeneous),
    rests_on=("equivariance", "jacobian-generator"),
    smooth="C¹; the flow C²",
    source="Lyu & Li 2020, arXiv 1906.05890, Lemma B.1; in this form derived here",
    derivation=(
        "d log γ/dt = ‖∇L‖²/(L log 1/L) + p⟨k, ∇L⟩/‖k‖²; noether: ⟨k, ∇L⟩ = p⟨∇ℓ, f⟩ = −pν. ∇L_⊥ = ∇L + pνk/‖k‖².\n"
        "q ≥ log 1/L for every margin, as e^(−q) ≤ L; so ν ≥ L log 1/L, and no term is negative."
    ),
    consequence_of=("jacobian-generator", "derivative"),
    costly=True,
    reason_if_vacuous="an output, or the gradient, vanishes at every point that was drawn",
)
