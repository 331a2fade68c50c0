"""Channels of convolutional networks: rescaled where what follows is homogeneous, and permuted in any case."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import channels
from eqprop.claims import Pair
from eqprop.mutants import forgets, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.activations import ERF, SIN, TANH, activations, homogeneous_activations
from eqprop.strategies.convolution import conv_nets
from eqprop.strategies.domains import domain, moderate, told_apart

APART = domain(all=moderate, kernel=told_apart)
"""Channels that are alike may cancel in the head to the last bit, and leave rounding alone."""

MARCOTTE = "Marcotte, Gribonval & Peyré 2025 (arXiv 2506.06194): conservation laws of convolutional layers"


@register(
    name="conv-rescaling",
    reference=f"{MARCOTTE}; Du, Hu & Lee 2018 (1806.00900); second order after Yang & Ziyin (2512.21447)",
    action="(K_c, b_c) ↦ a_c (K_c, b_c), what reads channel c ↦ / a_c, a_c > 0",
    generator="k_ξ = (ξ K, ξ b, −ξ A), ξ diagonal in the channels",
    charge="‖K_c‖² + b_c² − ‖A_c‖² per channel",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("σ(cz) = c σ(z) for c > 0: ReLU, leaky ReLU, |z|", "max or mean pooling; depthwise layers stay"),
    pitfalls="behind a flattened image every pixel's weights of a channel follow; a dead channel passes trivially",
    mutants=[*usual("kernel", "head"), forgets("bias"), wrong_inverse("head")],
)
@st.composite
def conv_rescaling(draw: st.DrawFn) -> Pair:
    """A channel of a ReLU convolution may be scaled up if all that reads it is scaled down; pooling does not mind."""
    design = draw(conv_nets(homogeneous_activations(), least_channels=2, least_batch=4))
    move = channels(design.channels, writes=design.writes, reads=design.reads, name="rescaling")
    return design.net().pair("conv-net", move, design.architecture, domain=APART)


@register(
    name="conv-permutation",
    reference="Brea et al. 2019 (arXiv 1907.02911): permutations of units; channels: own derivation",
    action="channels trade places in kernel and bias, in depthwise kernels, and in what reads them",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("one activation for all channels",),
    pitfalls="behind a flattened image it matters whether channels or pixels come first",
    mutants=[*usual("kernel", "head", finite=True), forgets("bias"), forgets("depthwise")],
)
@st.composite
def conv_permutation(draw: st.DrawFn) -> Pair:
    """The channels of a convolution may trade places if a depthwise layer and all that reads them follow."""
    design = draw(conv_nets(activations(), least_channels=2, least_batch=3))
    writes = design.writes | ({"depthwise": 1} if design.depthwise else {})
    group = groups.Permutation(design.channels)
    move = channels(design.channels, writes=writes, reads=design.reads, group=group, name="permutation")
    return design.net().pair("conv-net", move, design.architecture, domain=APART)


@register(
    name="max-pool-sign",
    reference="negative control; own derivation",
    action="(K_c, b_c, A_c) ↦ ± (K_c, b_c, A_c) through an odd activation and max pooling",
    control="the largest of −a and −b is not −max(a, b): max pooling is not odd",
)
@st.composite
def max_pool_sign(draw: st.DrawFn) -> Pair:
    """Sign flips of channels are claimed through max pooling, because the activation is odd."""
    design = draw(conv_nets(st.sampled_from((TANH, SIN, ERF)), poolings=("max",)).filter(lambda d: d.pixels > 0))
    group = groups.Sign(design.channels)
    move = channels(design.channels, writes=design.writes, reads=design.reads, group=group, name="sign")
    return design.net().pair("conv-net", move, design.architecture, domain=domain(all=moderate))
