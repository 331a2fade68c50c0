"""Mamba-2 blocks: the basis of a head's state, and what the convolution in front of B and C leaves of it."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import experts, hidden_units, states
from eqprop.claims import Pair, Transformation
from eqprop.mutants import forgets, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import domain, moderate, small
from eqprop.strategies.mamba import Mamba2, mamba2s
from eqprop.strategies.surroundings import embedded

MAMBA2 = "Mamba-2: Dao & Gu 2024 (arXiv 2405.21060)"


def _pair(draw: st.DrawFn, design: Mamba2, move: Transformation) -> Pair:
    """The block in a random network."""
    leading = (draw(st.integers(1, 2)), design.steps)
    net = embedded(draw, design.block(), leading=leading, most_before=1, most_after=0, residual=False)
    return net.pair("mamba2", move, design.architecture, domain=domain(all=moderate, decay=small))


def _basis(design: Mamba2) -> Transformation:
    return states(groups.GeneralLinear(design.states), inputs={"block/w_b": 1}, outputs={"block/w_c": 1})


@register(
    name="mamba2-state-gl",
    reference=f"own derivation, after rnn-linear-gl; {MAMBA2}",
    action="(W_B, W_C) ↦ (W_B M, W_C M⁻ᵀ), M ∈ GL(n), for s' = e^(−δa) s + δ x (h W_B)ᵀ, y = s (h W_C)",
    generator="k_ξ = (W_B ξ, −W_C ξᵀ)",
    charge="W_BᵀW_B − W_CᵀW_C (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("the decay of a head is one number for all of its states", "B and C are linear in the input"),
    pitfalls="a decay for each state (Mamba) leaves scalings; a convolution with an activation, permutations",
    mutants=[*usual("block/w_b", "block/w_c"), wrong_inverse("block/w_c")],
)
@st.composite
def mamba2_state_gl(draw: st.DrawFn) -> Pair:
    """States that decay alike are seen in products of B and C only, and may be written in any basis."""
    design = draw(mamba2s(convolved=False))
    return _pair(draw, design, _basis(design))


@register(
    name="mamba2-state-gl-through-convolution",
    reference=f"negative control of mamba2-state-gl; own derivation; {MAMBA2}",
    action="as mamba2-state-gl",
    control="B and C pass a convolution and a SiLU, channel by channel, which no basis change commutes with",
)
@st.composite
def mamba2_state_gl_through_convolution(draw: st.DrawFn) -> Pair:
    """The basis of the states is changed in the projections, in front of the convolution of a released block."""
    design = draw(mamba2s(convolved=True))
    return _pair(draw, design, _basis(design))


@register(
    name="mamba2-state-permutation",
    reference=f"own derivation; {MAMBA2}",
    action="(W_B, W_C) ↦ (W_B Pᵀ, W_C Pᵀ), their convolutions' kernels and biases alike, P a permutation of states",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("B and C pass a convolution for each channel, and any activation",),
    pitfalls="B, C and x lie in one tensor in released checkpoints, and in one depthwise kernel",
    mutants=[*usual("block/w_b", "block/w_c", finite=True), forgets("block/kernel_b"), forgets("block/bias_c")],
)
@st.composite
def mamba2_state_permutation(draw: st.DrawFn) -> Pair:
    """Behind a convolution and an activation the states of a group of heads may still trade places."""
    design = draw(mamba2s(convolved=True, states=2))
    moved = {"block/w_[bc]": 1, "block/kernel_[bc]": 1, "block/bias_[bc]": 0}
    return _pair(draw, design, hidden_units(groups.Permutation(design.states), writes=moved, name="states"))


@register(
    name="mamba2-head-permutation",
    reference=f"own derivation; {MAMBA2}",
    action="W_x, W_z, W_δ, the convolution of x, b_δ, the decay, D, γ and W_out of the heads trade places",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("the heads have one B and one C in common, and one norm",),
    pitfalls="with several groups of B and C, or of the norm, heads trade places within a group only",
    mutants=[*usual("block/w_x", "block/w_out", finite=True), forgets("block/decay"), forgets("block/gain")],
)
@st.composite
def mamba2_head_permutation(draw: st.DrawFn) -> Pair:
    """The heads of a Mamba-2 block may trade places, with their steps, decays, gates and gains."""
    design = draw(mamba2s(convolved=True, heads=2))
    moved = {"block/w_[xz]": 1, "block/w_step": 1, "block/kernel_x": 1, "block/bias_x": 0}
    moved |= dict.fromkeys(("block/step_bias", "block/decay", "block/skip", "block/gain", "block/w_out"), 0)
    return _pair(draw, design, experts(design.heads, moved, name="heads"))
