"""Whole transformers: the classes of symmetries that are known for them, each on all blocks at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import strategies as st

from eqprop.actions import attention_heads, combined, experts, hidden_units, residual_stream
from eqprop.catalog.folding import BETWEEN_MODELS, usual_of_conversions
from eqprop.catalog.widening import in_copies, positive_shares
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element, Permutation, Translation
from eqprop.mutants import Mutant, acting_otherwise, forgets, leaf_at, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.activations import homogeneous_activations
from eqprop.strategies.conversions import Function, conversion
from eqprop.strategies.domains import domain, moderate, told_apart
from eqprop.strategies.streams import Stream, transformers

THEUS = "Theus et al. 2025 (arXiv 2506.22712): the class; composed over blocks and second order: own derivation"
TAME = domain(all=moderate, embed=told_apart)


def _pair(design: Stream, move: Transformation) -> Pair:
    return design.net().pair("transformer", move, design.architecture, domain=TAME)


def _permutations(design: Stream) -> Iterator[Transformation]:
    """Of the heads and of the hidden units, block by block."""
    for i in range(design.blocks):
        block = f"blocks/{i}"
        yield experts(design.heads, {f"{block}/w[qkvo]": 0}, name=f"heads{i}")
        writes = {f"{block}/w_in": 1} | ({f"{block}/b_in": 0} if design.biases else {})
        units = Permutation(design.hidden)
        yield hidden_units(units, writes=writes, reads={f"{block}/w_out": 0}, name=f"units{i}")


@register(
    name="transformer-permutation",
    reference=THEUS,
    action="in every block heads trade places in W_Q, W_K, W_V, W_O, and hidden units in W_in, b_in, W_out",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("heads of one size", "one activation for all hidden units of a block"),
    pitfalls="blocks do not trade places: they act one after the other",
    mutants=[*usual("blocks/0/wq", "blocks/0/w_out", finite=True), forgets("blocks/0/wo"), forgets("blocks/0/b_in")],
)
@st.composite
def transformer_permutation(draw: st.DrawFn) -> Pair:
    """The heads and the hidden units of every block of a transformer may trade places."""
    design = draw(transformers(heads=2))
    return _pair(design, combined(*_permutations(design), name="permutation"))


@register(
    name="transformer-orthogonal",
    reference=f"{THEUS}; Ashkboos et al. 2024, SliceGPT (2401.15024)",
    action="writers (E, W_O, W_out, b_out) ↦ · Rᵀ, readers (W_Q, W_K, W_V, W_in, U) ↦ R ·, R ∈ O(d)",
    generator="k_ξ: writers · ξᵀ, readers ξ ·, ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric",
    hessian="H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
    hypotheses=("RMSNorm without gains in front of every reader",),
    pitfalls="one reader or writer that is forgotten breaks it, a norm's gain or a LayerNorm as well",
    mutants=[*usual("blocks/0/w_out", "unembed", finite=True), forgets("blocks/0/wk"), forgets("blocks/0/wo")],
)
@st.composite
def transformer_orthogonal(draw: st.DrawFn) -> Pair:
    """The whole stream of a transformer with RMSNorm may be rotated, from the embedding to the unembedding."""
    design = draw(transformers())
    return _pair(design, residual_stream(design.width, writes=design.writes, reads=design.reads, norm="rms"))


def _circuits(design: Stream) -> Iterator[Transformation]:
    """Queries against keys, and values against outputs, in every head of every block."""
    for i in range(design.blocks):
        block = f"blocks/{i}"
        queries, keys, values = ({f"{block}/w{kind}": (0, 2)} for kind in "qkv")
        yield attention_heads(design.heads, 2, queries=queries, keys=keys, name=f"qk{i}")
        yield attention_heads(design.heads, 2, values=values, outputs={f"{block}/wo": (0, 1)}, name=f"vo{i}")


@register(
    name="transformer-invertible",
    reference=f"{THEUS}; da Silva, Dangel & Oh 2025 (2505.05409)",
    action="in every head of every block (W_Q, W_K) ↦ (W_Q Mᵀ, W_K M⁻¹), (W_V, W_O) ↦ (W_V Nᵀ, N⁻ᵀ W_O), M, N ∈ GL",
    generator="k_(ξ, η) = (W_Q ξᵀ, −W_K ξ, W_V ηᵀ, −ηᵀ W_O) in every head",
    charge="W_QᵀW_Q − W_KᵀW_K and W_VᵀW_V − W_O W_Oᵀ in every head",
    hessian="H k = −Dkᵀ ∇L: flat at critical points",
    hypotheses=("no rotary positions and no norm on queries or keys",),
    pitfalls="rotary positions leave a complex number for each frequency in place of M",
    mutants=[*usual("blocks/0/wq", "blocks/0/wk"), forgets("blocks/0/wv"), wrong_inverse("blocks/0/wo")],
)
@st.composite
def transformer_invertible(draw: st.DrawFn) -> Pair:
    """Every head of every block keeps both of its circuits under basis changes of its own."""
    design = draw(transformers())
    return _pair(design, combined(*_circuits(design), name="invertible"))


def _split(units: tuple[int, ...]) -> Function:
    """K: in each block one unit in two copies, by positive shares of its weights and bias."""
    convert = [in_copies(positive_shares, unit, {"w_in": 1, "b_in": 0}, {"w_out": 0}) for unit in units]

    def split(element: Element, params: Params) -> Params:
        blocks = [convert[i](element[i : i + 1], block) for i, block in enumerate(params["blocks"])]
        return {**params, "blocks": blocks}

    return split


def _keeps_whole(path: str, what: str) -> Mutant:
    """The first copy keeps all of this tensor."""

    def rule(pair: Pair, element: Element, params: Params, p: str) -> Array:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), p), leaf_at(params, p)
        return moved.at[..., : kept.shape[-1]].set(kept)

    return Mutant(f"keeps-whole-{what}", 0, f"the first copy keeps the whole {what}", acting_otherwise(path, rule))


@register(
    name="transformer-semi-permutation",
    reference=THEUS,
    action="in every block a hidden unit (w, b, a) ↦ (α w, α b, a), ((1 − α) w, (1 − α) b, a), 0 < α < 1",
    **BETWEEN_MODELS,
    hypotheses=("σ(cz) = c σ(z) for c > 0, so that σ(z) = σ(α z) + σ((1 − α) z)",),
    pitfalls="weights of copies are positive and sum to 1; GELU and SiLU, usual in transformers, allow no split",
    mutants=[
        _keeps_whole("blocks/0/w_in", "weights"),
        _keeps_whole("blocks/0/b_in", "bias"),
        *usual_of_conversions("blocks/0/w_in", "blocks/0/w_out"),
    ],
)
@st.composite
def transformer_semi_permutation(draw: st.DrawFn) -> Pair:
    """In every block of a transformer a homogeneous unit may be split in two by weights that sum to 1."""
    design = replace(draw(transformers()), activation=draw(homogeneous_activations()))
    units = tuple(draw(st.integers(0, design.hidden - 1)) for _ in range(design.blocks))
    target = replace(design, hidden=design.hidden + 1).net().apply
    own, group = {**design.architecture, "units": units}, Translation(design.blocks)
    return conversion("split-units", design.net(), target, _split(units), own, group=group, domain=TAME)
