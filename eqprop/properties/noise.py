"""Noise and finite steps: what minibatches and step sizes do to a charge, exactly.

Samples are what lies along the first axis of inputs and outputs; the model and a drawn loss are run on each by itself,
and on true minibatches. L is the mean of the samples' losses, g_i their gradients, g the mean of these, C the mean of
g_i g_iᵀ, and Σ = C − g gᵀ.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Tree, inner, inner_magnitude, zeros_like
from eqprop.properties.base import Property
from eqprop.properties.charges import AFFINE, drift_size, still_charge_of
from eqprop.properties.hypotheses import (
    charged,
    continuous,
    drawn_loss,
    elements_leaving_outputs,
    one_model,
    separate_samples,
    still_charge,
    still_inputs,
)
from eqprop.properties.numerics import combined
from eqprop.properties.parts import Sides, in_params, magnitudes, of_numbers, spread_out, uncancelled
from eqprop.properties.point import Point
from eqprop.properties.subgroups import LEAVING_OUTPUTS

SOURCE = "derived here for each sample by itself"
ALONE = (still_inputs, drawn_loss, separate_samples)

MOST_SAMPLES = 6
"""Of a longer batch the first ones are the data: 20 minibatches of three."""


def _data(point: Point) -> tuple[Tree, Tree, int]:
    """Inputs and targets of the samples, and how many these are."""
    inputs, targets = (
        jax.tree.map(lambda leaf: jnp.asarray(leaf)[:MOST_SAMPLES], tree)
        for tree in (point.probe.inputs, point.probe.targets)
    )
    return inputs, targets, jax.tree.leaves(targets)[0].shape[0]


def _gradients(point: Point, f: Callable[..., Tree], theta: Tree, batches: np.ndarray) -> Tree:
    """∇L_B at θ for each batch of samples (a row of places), stacked."""
    inputs, targets, _ = _data(point)

    def of_batch(places: Array) -> Tree:
        x, t = (jax.tree.map(lambda leaf: leaf[places], tree) for tree in (inputs, targets))
        loss = point.loss_for(t)
        return point.near(lambda at: f(at, x), theta).gradient_of(lambda y: loss(y) / batches.shape[1]).value

    return jax.vmap(of_batch)(jnp.asarray(batches))


def _alone(point: Point) -> Tree:
    """The g_i at θ."""
    count = _data(point)[2]
    return point.once(
        "gradients of samples", lambda: _gradients(point, point.f, point.theta, np.arange(count)[:, None])
    )


def _mean(stacked: Tree) -> Tree:
    return jax.tree.map(lambda leaf: jnp.mean(leaf, 0), stacked)


def _centred(stacked: Tree) -> Tree:
    return jax.tree.map(lambda leaf: leaf - jnp.mean(leaf, 0, keepdims=True), stacked)


def _moment(stacked: Tree, u: Tree) -> Tree:
    """The mean of g_i⟨g_i, u⟩."""
    along = jax.vmap(lambda g: inner(g, u))(stacked)
    return jax.tree.map(lambda leaf: jnp.tensordot(along, leaf, 1) / along.shape[0], stacked)


def _noise_covariance(point: Point) -> Sides:
    u, count = point.probe.tangent, _data(point)[2]
    here = _alone(point)
    there = _gradients(point, point.f_there, point.action.value, np.arange(count)[:, None])
    moved = point.action.push(u)
    return tuple(
        in_params(
            point,
            point.action.pull(_moment(of(there), moved)),
            _moment(of(here), u),
            magnitudes(_moment(jax.tree.map(jnp.abs, here), jax.tree.map(jnp.abs, u))),
            label=label,
        )
        for of, label in ((lambda g: g, "C, the second moment"), (_centred, "Σ, the covariance"))
    )


def _noise_equilibrium(point: Point) -> Sides:
    """With ĝ_i = g_i − g, tr AΣ is the mean of ⟨ĝ_i, Aĝ_i⟩."""
    charge, gradients = still_charge_of(point), _alone(point)
    k, count = charge.local.value, _data(point)[2]

    def balance(theta: Tree) -> Array:
        """tr AΣ(θ)."""
        found = _centred(_gradients(point, point.f, theta, np.arange(count)[:, None]))
        return jnp.mean(jax.vmap(charge.bend)(found))

    turned = jax.vmap(charge.turned)(_centred(gradients))
    falls = -2 * jnp.mean(jax.vmap(inner)(turned, turned))
    near = point.near(balance, point.theta)
    along = _moment(gradients, k)
    size = uncancelled(near.push, k, point.theta) - falls
    return (
        in_params(
            point,
            along,
            zeros_like(along),
            magnitudes(_moment(jax.tree.map(jnp.abs, gradients), spread_out(k, point.theta))),
            label="Ck = 0",
        ),
        of_numbers(near.push(k), falls, size, label="d tr AΣ/dt along the orbit"),
    )


def _minibatch_drift(point: Point) -> Sides:
    charge, step, theta = still_charge_of(point), point.probe.rates[0], point.theta
    count = _data(point)[2]
    size = max(1, count // 2)
    batches = np.array(list(combinations(range(count), size)))

    def after(slope: Tree) -> tuple[Tree, Tree]:
        moved = combined(1.0, theta, -step, slope)
        terms = charge.size(moved) + step * inner_magnitude(charge.local.value, slope)
        return charge.value(moved), terms + step**2 * drift_size(charge, slope)

    values, terms = jax.vmap(after)(_gradients(point, point.f, theta, batches))
    gradients = _alone(point)
    noise = jnp.mean(jax.vmap(charge.bend)(_centred(gradients)))
    share = (count - size) / (size * (count - 1))
    expected = charge.value(theta) + 0.5 * step**2 * (charge.bend(_mean(gradients)) + share * noise)
    whole = charge.size(theta) + jnp.max(terms)
    whole += step**2 * jnp.max(jax.vmap(lambda g: drift_size(charge, g))(gradients))
    return (of_numbers(jnp.mean(values), expected, whole, label="E Q after a step on a minibatch"),)


def _entropic_force(point: Point) -> Sides:
    """Of ½‖∇L‖², which a step of gradient descent adds to the loss, times ½η."""
    k, slope, gradient = point.k, point.gradient.value, point.gradient
    along = gradient.push(slope)
    by_generator, terms = inner(slope, k.push(slope)), inner_magnitude(slope, k.push(slope))
    size = inner_magnitude(spread_out(k.value, point.theta), along) + terms
    if not point.transformation.moves_outputs:
        return (of_numbers(inner(k.value, along), -by_generator, size, label="⟨k, H∇L⟩"),)
    rate = point.here.gradient_of(point.loss_rate.function).value
    rhs = inner(slope, rate) - by_generator
    return (of_numbers(inner(k.value, along), rhs, size + inner_magnitude(slope, rate), label="⟨k, H∇L⟩"),)


NOISE_COVARIANCE = Property(
    name="noise-covariance",
    order=1,
    statement="the noise of stochastic gradients is carried over: the second moment and the covariance of the samples' "
    "gradients at the moved parameters, pulled back on both sides, are those at θ",
    formula="C = Σ g_i g_iᵀ/N, Σ = C − g gᵀ:  DKᵀ C(K_gθ) DK u = C(θ) u,  DKᵀ Σ(K_gθ) DK u = Σ(θ) u",
    sides=_noise_covariance,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(elements_leaving_outputs, *ALONE),
    subgroup=LEAVING_OUTPUTS,
    rests_on=("equivariance", "gradient-covariance"),
    source=SOURCE + "; noise and symmetry: Ziyin et al. 2024, arXiv 2402.07193",
    derivation=(
        "gradient-covariance with T = id holds for the loss of each sample: DKᵀ g_i(K_gθ) = g_i(θ).\n"
        "C and Σ are sums of their products. Each sample is run by itself, so that none is coupled to another."
    ),
    consequence_of=("equivariance", "jacobian-covariance"),
    costly=True,
)

MINIBATCH_DRIFT = Property(
    name="minibatch-drift",
    order=1,
    statement="over all minibatches of a size, drawn without replacement, a step changes a charge on average by its "
    "curvature along the gradient and by the noise's share, exactly",
    formula="E_B Q(θ − ηg_B) = Q + ½η²[gᵀA g + (N − B)/(B(N − 1)) tr AΣ],  g_B the gradient of the mean over B samples",
    sides=_minibatch_drift,
    needs=frozenset({"params", "inputs", "algebra", "targets", "rates"}),
    hypotheses=(*AFFINE, charged, still_charge, *ALONE),
    rests_on=("equivariance", "noether"),
    source=SOURCE + "; Kunin et al. 2021, arXiv 2012.04728 (broken conservation laws)",
    derivation=(
        "charge-drift for L_B, for which the symmetry holds too: Q⁺ = Q + ½η²⟨g_B, A g_B⟩. The mean of g_B is g,\n"
        "its covariance without replacement Σ(N − B)/(B(N − 1)); E⟨g_B, A g_B⟩ = gᵀA g + tr A Cov g_B."
    ),
    consequence_of=("jacobian-generator",),
    costly=True,
)

NOISE_EQUILIBRIUM = Property(
    name="noise-equilibrium",
    order=2,
    statement="the gradients' noise has no part along the orbit, and what it does to a charge falls along it: on each "
    "orbit there is one point at most where noise leaves the charge alone",
    formula="C k = 0;  A = Aᵀ: d/dt tr AΣ(e^(tA)θ) = −2 tr A²Σ ≤ 0",
    sides=_noise_equilibrium,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(*AFFINE, charged, still_charge, *ALONE),
    rests_on=("equivariance", "noether", "hessian-generator"),
    smooth="C²; f separately for each sample",
    source=SOURCE + "; Ziyin et al. 2024, arXiv 2402.07193",
    derivation=(
        "noether for each sample: ⟨g_i, k⟩ = 0, so C k = 0. hessian-generator for each: H_i k = −A g_i.\n"
        "d⟨ĝ_i, Aĝ_i⟩/dt = 2⟨Aĝ_i, (H_i − H)k⟩ = −2‖Aĝ_i‖²; tr AΣ is their mean."
    ),
    consequence_of=("noether", "hessian-generator"),
    costly=True,
)

ENTROPIC_FORCE = Property(
    name="entropic-force",
    order=2,
    statement="what finite steps add to the loss, ¼η‖∇L‖², pulls along the orbit: it breaks the conservation law of "
    "every symmetric generator, and keeps an antisymmetric one's",
    formula="⟨k_ξ, ∇½‖∇L‖²⟩ = ⟨k_ξ, H∇L⟩ = ⟨∇L, ∇(s_ξ∘f)⟩ − ⟨∇L, Dk_ξ ∇L⟩",
    sides=_entropic_force,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model, still_inputs),
    rests_on=("equivariance", "hessian-generator"),
    source="derived here; the modified loss: Barrett & Dherin 2021, arXiv 2009.11162",
    derivation=(
        "hessian-generator against ∇L, H symmetric: ⟨∇L, H k⟩ = ⟨∇L, ∇(s∘f)⟩ − ⟨∇L, Dkᵀ∇L⟩.\n"
        "Along the flow of L + ¼η‖∇L‖² with s = 0 so dQ/dt = ½η⟨∇L, A∇L⟩: as charge-drift, to third order in η."
    ),
    consequence_of=("hessian-generator", "hessian-symmetry"),
    costly=True,
)
