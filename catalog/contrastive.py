"""Similarities between embeddings: of two towers, and of samples with anchors."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.actions import combined, experts, low_rank, norm_scale
from eqprop.claims import Outputs, Pair, Params
from eqprop.engine import Array
from eqprop.groups import Orthogonal
from eqprop.mutants import forgets_part, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import balanced, domain, moderate, skewed, told_apart
from eqprop.strategies.graphs import two_towers
from eqprop.strategies.norms import batch_norm
from eqprop.strategies.surroundings import Block, Embedded, embedded

SECOND = "second order after Yang & Ziyin (2512.21447)"
RADFORD = "the model: Radford et al. 2021 (arXiv 2103.00020)"
RELATIVE = (
    "Moschella et al. 2022 (arXiv 2209.15430): relative representations; García-Castellanos et al. 2024 (2409.10967)"
)


@register(
    name="two-tower-gl",
    reference=f"own derivation, after the matrix case (Zhao et al. 2023, arXiv 2210.17216); {RADFORD}; {SECOND}",
    action="(A, B) ↦ (A M, B M⁻ᵀ) for similarities (a A)(b B)ᵀ, M ∈ GL(d)",
    generator="k_ξ = (A ξ, −B ξᵀ)",
    charge="AᵀA − BᵀB (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("similarities are scalar products",),
    pitfalls="normed embeddings leave O(d) and the size of each tower",
    mutants=[*usual("a", "b"), wrong_inverse("b")],
)
@st.composite
def two_tower_gl(draw: st.DrawFn) -> Pair:
    """Scalar products of two towers do not tell the basis of the space in which they meet."""
    size, net = draw(two_towers(cosine=False))
    return net.pair("two-towers", low_rank(size, writes={"a": 1}, reads={"b": 1}), {}, domain=domain(all=moderate))


@register(
    name="two-tower-cosine",
    reference=f"own derivation, after scale invariance (Kunin et al. 2021, arXiv 2012.04728); {RADFORD}; {SECOND}",
    action="(A, B) ↦ (c A Rᵀ, d B Rᵀ) for cosine similarities, R ∈ O(d), c, d > 0",
    generator="k_(ξ, η, ζ) = (A ξᵀ + η A, B ξᵀ + ζ B), ξ antisymmetric",
    charge="‖A‖² and ‖B‖²; rotations give none",
    hessian="H k = −Dkᵀ ∇L: indefinite where the gradient is not 0",
    hypotheses=("both towers are divided by their length, without ε",),
    pitfalls="a bias in a projection must be scaled as well",
    mutants=[*usual("a", "b")[1:], forgets_part("a"), wrong_inverse("b")],
)
@st.composite
def two_tower_cosine(draw: st.DrawFn) -> Pair:
    """Cosines of two towers tell neither a common rotation nor the size of either projection."""
    size, net = draw(two_towers(cosine=True))
    rotation = low_rank(size, writes={"a": 1, "b": 1}, group=Orthogonal(size), name="rotation")
    sizes = (norm_scale(1, writes={tower: "(units d_in) size"}, name=f"size-{tower}") for tower in "ab")
    move = combined(rotation, *sizes, name="rotation-and-sizes")
    return net.pair("two-towers", move, {}, domain=domain(all=balanced, a=told_apart))


def _relative(draw: st.DrawFn) -> tuple[int, Embedded, dict[str, int]]:
    """The latent size and a model of cosines to the first samples of a batch, after standardisation by dimension."""
    d_in, latent, anchors = draw(st.integers(2, 3)), draw(st.integers(2, 3)), draw(st.integers(1, 2))
    batch = draw(st.integers(4, 5))

    def apply(params: Params, h: Array) -> Outputs:
        z = batch_norm(h @ params["w"], 0.0)
        z = z / jnp.sqrt(jnp.sum(z**2, axis=-1, keepdims=True))
        return z @ z[:anchors].T

    net = embedded(draw, Block(apply, {"w": (d_in, latent)}, d_in, anchors), leading=(batch,), most_before=0)
    return latent, net, {"d_in": d_in, "latent": latent, "anchors": anchors}


TAME = domain(all=balanced, w=skewed)
"""Latent units that are alike have cosines of 1, whose derivatives vanish."""


@register(
    name="relative-representation-scale",
    reference=f"{RELATIVE}; {SECOND}",
    action="W ↦ W D, D > 0 diagonal in the latent units",
    generator="k_ξ = W ξ, ξ diagonal",
    charge="‖w_j‖² per latent unit",
    hessian="H k_ξ = −∇_W L ξ: indefinite where the gradient is not 0",
    hypotheses=("latent units are standardised over the batch, without ε", "anchors pass through the same encoder"),
    pitfalls="with stored embeddings of the anchors it is no symmetry",
    mutants=[forgets_part("block/w"), *usual("block/w")[3:]],
)
@st.composite
def relative_representation_scale(draw: st.DrawFn) -> Pair:
    """Representations relative to anchors forget the scale of every latent unit."""
    latent, net, own = _relative(draw)
    return net.pair("relative", norm_scale(latent, writes={"block/w": 1}), own, domain=TAME)


@register(
    name="relative-representation-permutation",
    reference=f"{RELATIVE}; {SECOND}",
    action="W ↦ W Pᵀ, P a permutation of the latent units",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("anchors pass through the same encoder",),
    pitfalls="rotations are gone: standardisation singles the units out",
    mutants=[forgets_part("block/w"), *usual("block/w", finite=True)[1:]],
)
@st.composite
def relative_representation_permutation(draw: st.DrawFn) -> Pair:
    """Representations relative to anchors do not tell the order of the latent units."""
    latent, net, own = _relative(draw)
    return net.pair("relative", experts(latent, {"block/w": 1}, name="permutation"), own, domain=TAME)
