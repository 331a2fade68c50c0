"""Losses as outputs: energies with a bias, and targets or noise levels that are trained with the last layer."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import forgets, misapplies_to_outputs, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import balanced, domain, moderate, small
from eqprop.strategies.surroundings import Apply, Block, Embedded, Shape, embedded, widths

OWN = "own derivation after Yang & Ziyin (2512.21447)"
WRONG_T = misapplies_to_outputs(
    lambda group, element: group.compose(element, element), name="moves-outputs-twice", why="T moves the outputs twice"
)


def _head(draw: st.DrawFn, apply: Apply, extra: dict[str, Shape], *, batch: int) -> tuple[Embedded, dict[str, int]]:
    """A head of one output for each of the samples of a batch, behind a random network."""
    d_in = draw(widths(1, 4))
    block = Block(apply, {"w": (d_in, 1), **extra}, d_in, 1)
    return embedded(draw, block, leading=(batch,), most_before=1, most_after=0, residual=False), {"d_in": d_in}


def _moved(params: Params, **changes: Array) -> Params:
    return {**params, "block": {**params["block"], **changes}}


def _energies(params: Params, h: Array) -> Array:
    """h w − c of every sample."""
    return h @ params["w"] - jnp.broadcast_to(params["c"], (*h.shape[:-1], 1))


@register(
    name="energy-bias",
    reference=OWN,
    action="c ↦ c + s on the bias of E = h w − c, T_s y = y − s",
    generator="k_ξ = ξ e with e the direction of c; τ_ξ = −ξ",
    charge="none: with L the mean of the energies, ċ = 1 under gradient flow",
    hessian="H e = Jᵀ ∇s_ξ; for L linear in the energies H e = 0 and ⟨∇L, e⟩ = −1",
    hypotheses=("the bias is added to all energies alike",),
    pitfalls="a translation of outputs, not of logits: the loss itself moves",
    mutants=[*usual("block/c"), wrong_inverse("block/c"), WRONG_T],
)
@st.composite
def energy_bias(draw: st.DrawFn) -> Pair:
    """A bias of an energy, or of a log-loss, moves every output by as much."""
    net, own = _head(draw, _energies, {"c": (1,)}, batch=draw(st.integers(1, 4)))
    shift = Transformation(
        groups.Translation(1),
        lambda s, params: _moved(params, c=params["block"]["c"] + s),
        lambda s, y: y - s[0],
        name="bias",
    )
    return net.pair("energy", shift, own, domain=domain(all=moderate))


@register(
    name="squared-error-joint-scale",
    reference=OWN,
    action="(w, t) ↦ (c w, c t) on the last layer and the targets, T = c² on the squared errors (h w − t)²",
    generator="k_ξ = (ξ w, ξ t), τ_ξ = 2 ξ y",
    charge="none: ½ d(‖w‖² + ‖t‖²)/dt = −2 L for L the sum of squared errors",
    hessian="H k_ξ + Dk_ξᵀ ∇L = Jᵀ ∇s_ξ; for L linear in the errors H k_ξ = Λ ∇L with Λ = 1 on (w, t), 2 elsewhere",
    hypotheses=("no bias in the last layer, or one that scales as well", "targets among the parameters"),
    pitfalls="with targets that are data the scale is no transformation of parameters at all",
    mutants=[*usual("block/w", "block/t"), WRONG_T],
)
@st.composite
def squared_error_joint_scale(draw: st.DrawFn) -> Pair:
    """Squared errors are multiplied by c² where the last layer and its targets are multiplied by c."""
    batch = draw(st.integers(1, 4))
    net, own = _head(draw, lambda p, h: (h @ p["w"] - p["t"]) ** 2, {"t": (batch, 1)}, batch=batch)
    scale = Transformation(
        groups.Scaling(1),
        lambda c, params: _moved(params, w=params["block"]["w"] * c[0], t=params["block"]["t"] * c[0]),
        lambda c, y: y * c[0] ** 2,
        name="joint-scale",
    )
    return net.pair("squared-error", scale, own, domain=domain(all=balanced))


def _negative_log_likelihood(params: Params, h: Array) -> Array:
    """½ ((h w − t) / σ)² + log σ of every sample."""
    log_sigma = jnp.broadcast_to(params["log_sigma"], (*h.shape[:-1], 1))
    return 0.5 * ((h @ params["w"] - params["t"]) * jnp.exp(-log_sigma)) ** 2 + log_sigma


@register(
    name="gaussian-nll-joint-scale",
    reference=OWN,
    action="(w, t, log σ) ↦ (e^s w, e^s t, log σ + s), T = y + s on the negative log-likelihoods",
    generator="k_ξ = (ξ w, ξ t, ξ): affine; τ_ξ = ξ",
    charge="none: s_ξ does not vanish",
    hessian="H k_ξ + Dk_ξᵀ ∇L = Jᵀ ∇s_ξ",
    hypotheses=("one σ for all samples, trained as its logarithm", "targets among the parameters"),
    pitfalls="a floor on σ breaks it",
    mutants=[
        *usual("block/w", "block/log_sigma"),
        forgets("block/t"),
        WRONG_T,
    ],
)
@st.composite
def gaussian_nll_joint_scale(draw: st.DrawFn) -> Pair:
    """A Gaussian that is stretched with its targets costs the logarithm of the stretch."""
    batch = draw(st.integers(1, 4))
    net, own = _head(draw, _negative_log_likelihood, {"t": (batch, 1), "log_sigma": (1,)}, batch=batch)

    def on_params(s: Element, params: Params) -> Params:
        block, c = params["block"], jnp.exp(s[0])
        return _moved(params, w=block["w"] * c, t=block["t"] * c, log_sigma=block["log_sigma"] + s)

    stretch = Transformation(groups.Translation(1), on_params, lambda s, y: y + s[0], name="joint-scale")
    return net.pair("gaussian", stretch, own, domain=domain(all=balanced, log_sigma=small))
