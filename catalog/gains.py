"""Sizes that are said twice: the gain of a norm and the layer behind it, a direction and its length."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop.actions import norm_gain, norm_scale
from eqprop.catalog.norms import KUNIN
from eqprop.claims import Pair
from eqprop.mutants import forgets, forgets_part, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import balanced, domain, moderate, told_apart
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
