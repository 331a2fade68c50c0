"""Channels of networks on images, by XLA's own convolutions; and kernels that are turned together with the images."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import channels
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import bent_outputs, forgets, scaled_outputs, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.activations import activations, homogeneous_activations, odd_activations
from eqprop.strategies.domains import domain, each_apart, moderate
from eqprop.strategies.images import ImageNet, Kind, image_nets

APART = domain(all=moderate, kernel=each_apart)
"""Channels that are alike may cancel in the head to the last bit, and leave rounding alone; pixels that are alike have
no largest."""

MARCOTTE = "Marcotte, Gribonval & Peyré 2025 (arXiv 2506.06194): conservation laws of convolutional layers"
FINITE = {
    "generator": "none: the group is finite",
    "charge": "none: the group is finite",
    "hessian": "Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are moved",
}


def _pair(design: ImageNet, group: groups.Group, name: str, *, depthwise: bool = False) -> Pair:
    """The channels moved in what writes and what reads them; in a depthwise kernel where that is asked for."""
    writes = design.writes | ({"depthwise": design.space + 1} if design.depthwise and depthwise else {})
    move = channels(design.channels, writes=writes, reads=design.reads, group=group, name=name)
    return design.net().pair("image-net", move, design.architecture, domain=APART)


@register(
    name="image-rescaling",
    reference=f"{MARCOTTE}; second order after Yang & Ziyin (2512.21447)",
    action="(K_c, b_c) ↦ a_c (K_c, b_c), what reads channel c ↦ / a_c, a_c > 0",
    generator="k_ξ = (ξ K, ξ b, −ξ A), ξ diagonal in the channels",
    charge="‖K_c‖² + b_c² − ‖A_c‖² per channel",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("σ(cz) = c σ(z) for c > 0: ReLU, leaky ReLU, |z|", "max or mean pooling; depthwise layers stay"),
    pitfalls="behind a flattened image every pixel's weights of a channel follow",
    mutants=[*usual("kernel", "head"), forgets("bias"), wrong_inverse("head")],
)
@st.composite
def image_rescaling(draw: st.DrawFn) -> Pair:
    """Strides, dilations, transposed and depthwise layers and pools let a channel's scale through."""
    design = draw(image_nets(homogeneous_activations(), depthwise=True))
    return _pair(design, groups.Scaling(design.channels), "rescaling")


@register(
    name="image-permutation",
    reference="Brea et al. 2019 (arXiv 1907.02911): permutations of units; channels: own derivation",
    action="channels trade places in kernel and bias, in depthwise kernels, and in what reads them",
    **FINITE,
    hypotheses=("one activation for all channels",),
    pitfalls="a depthwise kernel has the channels where others have what they write",
    mutants=[*usual("kernel", "head", finite=True), forgets("bias"), forgets("depthwise")],
)
@st.composite
def image_permutation(draw: st.DrawFn) -> Pair:
    """Channels of any convolution may trade places, if a depthwise layer and all that reads them follow."""
    design = draw(image_nets(activations(), depthwise=True))
    return _pair(design, groups.Permutation(design.channels), "permutation", depthwise=True)


@register(
    name="image-signs",
    reference="Chen, Lu & Hecht-Nielsen 1993, for units; channels: own derivation",
    action="channels trade places and signs: (K, b) ↦ S (K, b), what reads them ↦ S⁻¹, S a signed permutation",
    **FINITE,
    hypotheses=("σ(−z) = −σ(z)", "mean pooling or none"),
    pitfalls="max pooling is not odd",
    mutants=[*usual("kernel", "head", finite=True), forgets("bias")],
)
@st.composite
def image_signs(draw: st.DrawFn) -> Pair:
    """An odd activation lets the signs of channels through, and so does a mean over pixels."""
    design = draw(image_nets(odd_activations(), poolings=("none", "mean")))
    return _pair(design, groups.SignedPermutation(design.channels), "signs")


@register(
    name="grouped-image-permutation",
    reference="own derivation, after Brea et al. 2019 (arXiv 1907.02911)",
    action="channels trade places within their group: K, b ↦ P_j (K, b), the j-th part of the grouped kernel ↦ P_j⁻¹",
    **FINITE,
    hypotheses=("each group of the next convolution reads channels of its own",),
    pitfalls="from one group to another no channel may go",
    mutants=[*usual("kernel", "head", finite=True), forgets("bias")],
)
@st.composite
def grouped_image_permutation(draw: st.DrawFn) -> Pair:
    """In front of a grouped convolution channels may trade places within the groups that are read together."""
    design = draw(image_nets(activations(), least_groups=2))
    return _pair(design, groups.Power(groups.Permutation(design.width), design.groups), "permutation")


@register(
    name="grouped-image-rescaling",
    reference=f"own derivation, after {MARCOTTE}",
    action="(K_c, b_c) ↦ a_c (K_c, b_c); the part of the grouped kernel that reads channel c ↦ / a_c",
    generator="k_ξ = (ξ K, ξ b, −ξ A), ξ diagonal in the channels of each group",
    charge="‖K_c‖² + b_c² − ‖A_c‖² per channel, A_c in its group alone",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("σ(cz) = c σ(z) for c > 0",),
    pitfalls="the grouped kernel has the channels of one group on its axis, and the groups among its outputs",
    mutants=[*usual("kernel", "head"), forgets("bias"), wrong_inverse("head")],
)
@st.composite
def grouped_image_rescaling(draw: st.DrawFn) -> Pair:
    """A channel's scale is taken off in the only group that reads it."""
    design = draw(image_nets(homogeneous_activations(), least_groups=2))
    return _pair(design, groups.Power(groups.Scaling(design.width), design.groups), "rescaling")


# -- kernels and images together --------------------------------------------------------------------------------------


def _squares(*kinds: Kind) -> st.SearchStrategy[ImageNet]:
    return image_nets(activations(), kinds=kinds, poolings=("none",), heads=("conv",), least_space=2)


def _turned(design: ImageNet) -> Pair:
    """Kernels and images by the same quarter turns, and with them what comes out."""

    def turned(turns: Element, array: Array, axes: tuple[int, int]) -> Array:
        return jnp.stack([jnp.rot90(array, k, axes) for k in range(4)])[turns]

    def kernels(turns: Element, params: Params) -> Params:
        return {**params, **{name: turned(turns, params[name], (0, 1)) for name in ("kernel", "head")}}

    def images(turns: Element, x: Array) -> Array:
        return turned(turns, x, (1, 2))

    move = Transformation(groups.Cyclic(4), kernels, images, images, name="turn", isometry=True)
    return design.net().pair("image-net", move, design.architecture, domain=domain(all=moderate))


@register(
    name="image-turn",
    reference="Cohen & Welling 2016 (arXiv 1602.07576): p4; second order after Yang & Ziyin (2512.21447)",
    action="kernels, images and what comes out are turned by the same quarter turns",
    **(FINITE | {"hessian": "Kᵀ H(Kθ; Xx, Tt) K = H(θ; x, t), K orthogonal, of a loss whose targets t turn, too"}),
    hypotheses=("odd kernels with zeros on all sides", "stride 1"),
    pitfalls="on an even side a stride of two pads one border only; a dense layer behind would have to be turned, too",
    mutants=[*usual("kernel", "head", finite=True), scaled_outputs(), bent_outputs()],
)
@st.composite
def image_turn(draw: st.DrawFn) -> Pair:
    """A turned image through turned kernels is the image that came out, turned."""
    return _turned(draw(_squares("plain", "dilated")))


@register(
    name="strided-image-turn",
    reference="negative control of image-turn; own derivation",
    action="as image-turn, with a stride of two",
    control="on an even side a stride of two begins at one border and leaves out the other",
)
@st.composite
def strided_image_turn(draw: st.DrawFn) -> Pair:
    """Quarter turns are claimed of a network that takes every other pixel."""
    return _turned(draw(_squares("strided").filter(lambda design: design.side % 2 == 0)))
