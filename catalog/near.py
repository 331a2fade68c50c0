"""Near-symmetries: what a positive ε leaves of a scale and of a rescaling, and how far it may be off."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units, norm_scale
from eqprop.claims import Inputs, Pair, Params
from eqprop.engine import Array
from eqprop.groups import Algebra
from eqprop.mutants import (
    backward_bends,
    forgets,
    scaled_gradient,
    second_derivative,
    slides_along_orbit,
    slips,
    stopped,
    understates_defect,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.activations import squareplus
from eqprop.strategies.architectures import hidden_layer
from eqprop.strategies.domains import balanced, domain, told_apart
from eqprop.strategies.norms import Normalised, batch_norms, group_norms
from eqprop.strategies.surroundings import Embedded, embedded

OWN = "own derivation"
EPSILONS = (1e-5, 1e-3, 0.1)


class ScaledNorm:
    """The bound of a scale in front of a norm with ε: max |ξ| · ε/(v + ε) · |normalised feature|, v the variance.

    A norm in front of which everything is scaled by c is z ↦ cz/√(c²v + ε) of the centred z, of which the derivative at
    c = 1 is ε/(v + ε) times its value.

    Args:
        norm: which is the head of the network.
        net: around it.
    """

    def __init__(self, norm: Normalised, net: Embedded) -> None:
        self.norm = norm
        self.lost = net.around(self._lost)

    def _lost(self, params: Params, h: Array) -> Array:
        norm = self.norm
        assert norm.epsilon is not None
        without = replace(norm, affine=False)
        z = without.linear(params, h)
        share = norm.epsilon / (without.variance(z) + norm.epsilon)
        lost = share * without.block().apply(params, h)
        return lost * jnp.broadcast_to(params["gain"], z.shape) if norm.affine else lost

    def __call__(self, algebra: Algebra, params: Params, inputs: Inputs) -> Array:
        """B_ξ(θ, x)."""
        lost = self.lost(params, inputs)
        rates = jnp.repeat(algebra, self.norm.width // algebra.shape[0])
        return jnp.max(jnp.abs(lost * jnp.broadcast_to(rates, lost.shape)))


@register(
    name="layernorm-scale-near",
    reference=f"{OWN}; exact at ε = 0: layernorm-scale",
    action="(W, b) ↦ (W c, b c), one factor c > 0 per group of features, up to ε",
    generator="k_ξ = (W ξ, b ξ), with |δ_ξ| ≤ max |ξ| ε/(v + ε) |γ n|, n the normalised features of variance v",
    charge="½‖W‖² + ½‖b‖² in each group, up to ‖∇ℓ‖₁ times that bound",
    hessian="H k_ξ = −Dk_ξᵀ∇L + ∇⟨∇ℓ, δ_ξ⟩",
    hypotheses=("any ε > 0", "the norm is the head of the network, so that its bound is the network's"),
    pitfalls="where features differ by less than √ε the defect is as large as what is normalised",
    mutants=[
        understates_defect(),
        forgets("block/b"),
        slips("block/w"),
        slides_along_orbit(),
        stopped("block/b"),
        scaled_gradient("block/w"),
        second_derivative("block/w"),
        backward_bends("block/b"),
    ],
)
@st.composite
def layernorm_scale_near(draw: st.DrawFn) -> Pair:
    """A layer or group norm with an ε nearly forgets the scale of what it normalises."""
    norm = draw(group_norms(epsilons=EPSILONS, bias=True))
    net = embedded(draw, norm.block(), most_after=0, residual=False)
    writes = {"block/w": "d_in (units members)", "block/b": "(units members)"}
    move = norm_scale(norm.groups, writes=writes, name="scale")
    near = replace(move, defect=ScaledNorm(norm, net))
    return net.pair("layer-norm", near, norm.architecture, domain=domain(w=told_apart, b=told_apart))


@register(
    name="batchnorm-scale-near",
    reference=f"{OWN}; exact with ε ↦ ε c²: batchnorm-scale-with-epsilon",
    action="W ↦ W c, one factor c > 0 per feature, up to ε",
    generator="k_ξ = W ξ, ξ diagonal, with |δ_ξ| ≤ max |ξ_i| ε/(v_i + ε) |γ_i n_i|, n_i a feature of variance v_i",
    charge="½‖w_i‖² per feature, up to ‖∇ℓ‖₁ times that bound",
    hessian="H k_ξ = −ξ ∇_W L + ∇⟨∇ℓ, δ_ξ⟩",
    hypotheses=(
        "statistics of the batch (training mode)",
        "three samples or more",
        "any ε > 0",
        "the norm is the head of the network",
    ),
    pitfalls="weight decay shrinks W until v is no longer large beside ε: then the network sees the scale",
    mutants=[
        understates_defect(),
        slips("block/w"),
        slides_along_orbit(),
        scaled_gradient("block/w"),
        second_derivative("block/w"),
        backward_bends("block/w"),
    ],
)
@st.composite
def batchnorm_scale_near(draw: st.DrawFn) -> Pair:
    """A feature behind a batch norm with an ε nearly keeps its value when its weights are scaled."""
    norm = draw(batch_norms(epsilon=draw(st.sampled_from(EPSILONS))))
    norm = replace(norm, d_in=norm.d_in + 1)
    leading = (draw(st.integers(3, 4)),)
    net = embedded(draw, norm.block(), leading=leading, most_before=0, most_after=0, residual=False)
    move = norm_scale(norm.width, writes={"block/w": 1}, name="scale")
    near = replace(move, defect=ScaledNorm(norm, net))
    return net.pair("batch-norm", near, norm.architecture, domain=domain(all=balanced))


@register(
    name="squareplus-rescaling",
    reference=f"{OWN}; exact for ReLU: relu-rescaling. The activation: Barron 2021 (arXiv 2112.11687)",
    action="(w, b, a) ↦ (c w, c b, a / c) for each hidden unit, c > 0, up to √ε",
    generator="k_ξ = (ξ w, ξ b, −ξ a), with |δ_ξ| ≤ ½√ε max_o Σ_i |ξ_i a_io|",
    charge="‖w‖² + b² − ‖a‖² for each unit, up to ‖∇ℓ‖₁ √ε max_o Σ_i |a_io|",
    hessian="H k_ξ = −Dk_ξᵀ∇L + ∇⟨∇ℓ, δ_ξ⟩",
    hypotheses=("σ(z) = (z + √(z² + ε))/2", "the layer is the head of the network"),
    pitfalls="the bound does not see how far from its kink a unit is: it is reached at z = 0 only",
    mutants=[
        understates_defect(16.0),
        forgets("block/w_out"),
        wrong_inverse("block/w_out"),
        slips("block/w_in"),
        stopped("block/w_out"),
        second_derivative("block/w_in"),
        backward_bends("block/w_out"),
    ],
)
@st.composite
def squareplus_rescaling(draw: st.DrawFn) -> Pair:
    """Units with a smooth ReLU nearly keep their product when they are rescaled, to a bound of √ε in their readers."""
    epsilon = draw(st.sampled_from(EPSILONS))
    layer = hidden_layer(draw, st.just(squareplus(epsilon)), least_hidden=2, most_after=0)

    def defect(algebra: Algebra, params: Params, inputs: Inputs) -> Array:
        del inputs
        return 0.5 * epsilon**0.5 * jnp.max(jnp.abs(algebra) @ jnp.abs(params["block"]["w_out"]))

    move = hidden_units(groups.Scaling(layer.hidden), writes=layer.writes, reads=layer.reads, name="rescaling")
    return layer.net.pair("hidden-layer", replace(move, defect=defect), layer.architecture)
