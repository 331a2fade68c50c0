"""Sizes that are said twice: the gain of a norm and the layer behind it, a direction and its length."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import norm_gain, norm_scale
from eqprop.catalog.norms import KUNIN
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element, Tensor
from eqprop.mutants import Mutant, acting_otherwise, forgets, forgets_part, leaf_at, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import balanced, domain, moderate, small, told_apart
from eqprop.strategies.gains import directed_weights, gained_norms
from eqprop.strategies.surroundings import embedded


@register(
    name="norm-gain",
    reference=f"own derivation, after {KUNIN}, rescale symmetry; second order after Yang & Ziyin (2512.21447)",
    action="(γ_i, β_i) ↦ c_i (γ_i, β_i), W_i: ↦ W_i: / c_i, c_i > 0 for each feature of the norm",
    generator="k_ξ = (ξ γ, ξ β, −ξ W), ξ diagonal",
    charge="γ_i² + β_i² − ‖W_i:‖² per feature",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("one layer reads the norm, or all that do move",),
    pitfalls="while γ is there a stream cannot be rotated: fold it into W first",
    mutants=[*usual("block/gain", "block/w"), forgets("block/shift"), wrong_inverse("block/w")],
)
@st.composite
def norm_gain_rescaling(draw: st.DrawFn) -> Pair:
    """What the gain of a norm multiplies in, the next layer divides out."""
    design = draw(gained_norms())
    gains = {"block/gain": 0} | ({"block/shift": 0} if design.shift else {})
    net = embedded(draw, design.block())
    move = norm_gain(design.width, gains=gains, reads={"block/w": 0})
    return net.pair("norm-gain", move, design.architecture, domain=domain(all=moderate))


def _divided_out(params: Params, gain: Array, c: Array) -> Params:
    """The block with another stored gain, its shift multiplied by c and its reader divided by it."""
    block = params["block"]
    moved = {"gain": gain, "w": block["w"] / c[:, None]} | ({"shift": block["shift"] * c} if "shift" in block else {})
    return {**params, "block": {**block, **moved}}


def _scales_what_is_stored(pair: Pair, element: Element, params: Params, path: str) -> Tensor:
    return pair.transformation.group.act(element, leaf_at(params, path), 0)


@register(
    name="norm-gain-minus-one",
    reference="own derivation, after norm-gain; gains stored as γ − 1: Gemma Team 2024 (arXiv 2403.08295), its code",
    action="g_i ↦ c_i (1 + g_i) − 1 for the gains 1 + g_i, β_i ↦ c_i β_i, W_i: ↦ W_i: / c_i, c_i > 0 for each feature",
    generator="k_ξ = (ξ (1 + g), ξ β, −ξ W), ξ diagonal: affine, and about g = −1 linear",
    charge="(1 + g_i)² + β_i² − ‖W_i:‖² per feature",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("one layer reads the norm, or all that do move",),
    pitfalls="c g is another function; decay pulls gains towards 1, and the charge does not go to 0",
    mutants=[
        *usual("block/gain", "block/w"),
        wrong_inverse("block/w"),
        Mutant(
            "scales-what-is-stored",
            0,
            "K takes the stored number for the gain: g ↦ c g",
            acting_otherwise("block/gain", _scales_what_is_stored),
        ),
    ],
)
@st.composite
def norm_gain_minus_one(draw: st.DrawFn) -> Pair:
    """A gain that is stored as what it adds to 1 is scaled about −1."""
    design = draw(gained_norms("minus one"))

    def scaled(c: Element, params: Params) -> Params:
        return _divided_out(params, c * (1 + params["block"]["gain"]) - 1, c)

    move = Transformation(groups.Scaling(design.width), scaled, name="norm-gain")
    return embedded(draw, design.block()).pair("norm-gain", move, design.architecture, domain=domain(all=moderate))


@register(
    name="norm-log-gain",
    reference="own derivation, after norm-gain (Kunin et al. 2021, arXiv 2012.04728) and exponential-shift",
    action="s_i ↦ s_i + t_i for the gains e^(s_i), β_i ↦ e^(t_i) β_i, W_i: ↦ e^(−t_i) W_i:",
    generator="k_ξ = (ξ, ξ β, −ξ W), ξ diagonal",
    charge="2 s_i + β_i² − ‖W_i:‖² per feature",
    hessian="H k_ξ = −Dk_ξᵀ ∇L, where Dk_ξ is 0 on s: flat at critical points",
    hypotheses=("one layer reads the norm, or all that do move",),
    pitfalls="temperatures and scales are stored as logarithms as well; a clipped logarithm breaks it",
    mutants=[*usual("block/gain", "block/w"), forgets("block/shift"), wrong_inverse("block/w")],
)
@st.composite
def norm_log_gain(draw: st.DrawFn) -> Pair:
    """A gain that is stored as a logarithm is shifted by what the next layer divides out."""
    design = draw(gained_norms("log"))

    def shifted(t: Element, params: Params) -> Params:
        return _divided_out(params, params["block"]["gain"] + t, jnp.exp(t))

    move = Transformation(groups.Translation(design.width), shifted, name="log-gain")
    tame = domain(all=moderate, gain=small)
    return embedded(draw, design.block()).pair("norm-gain", move, design.architecture, domain=tame)


@register(
    name="weight-norm-scale",
    reference=(
        f"{KUNIN}, scale symmetry; Salimans & Kingma 2016 (1602.07868): weight norm; Liu et al. 2024 (2402.09353): DoRA"
    ),
    action="v_j ↦ c_j v_j (with its low-rank update B_:j ↦ c_j B_:j), c_j > 0 for each output",
    generator="k_ξ = (v ξ, B ξ), ξ diagonal",
    charge="‖v_j‖² + ‖B_:j‖² per output",
    hessian="H k_ξ = −(∇_v L ξ, ∇_B L ξ): indefinite where the gradient is not 0",
    hypotheses=("w_j = g_j v_j / ‖v_j‖", "with an update A B, the base v is trained as well"),
    pitfalls="at v = 0 nothing is defined; an ε in the norm breaks it",
    mutants=[*usual("block/v", "block/up"), forgets_part("block/v")],
)
@st.composite
def weight_norm_scale(draw: st.DrawFn) -> Pair:
    """A weight that is given by its direction and its size forgets the length of what gives the direction."""
    design = draw(directed_weights())
    net = embedded(draw, design.block(), most_before=0)
    move = norm_scale(design.d_out, writes={"block/v": 1} | ({"block/up": 1} if design.rank else {}))
    return net.pair("weight-norm", move, design.architecture, domain=domain(all=balanced, v=told_apart))
