"""Variants of attention: what grouped queries, partial rotary positions, norms and linear scores leave, or add."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop.actions import attention_heads, combined, experts, hidden_units, norm_scale
from eqprop.claims import Pair
from eqprop.groups import ComplexLinear, ComplexScaling, DirectSum, GeneralLinear, Group, Scaling
from eqprop.mutants import forgets, slips, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.attention_variants import Variant, variants
from eqprop.strategies.domains import balanced, domain, moderate, told_apart
from eqprop.strategies.surroundings import Embedded, batches, embedded

THEUS = "own derivation, after the case of single heads (Theus et al. 2025, arXiv 2506.22712)"
SECOND = "second order after Yang & Ziyin (2512.21447)"
TAME = domain(all=moderate)
QUERIES, VALUES = "(copies members) d_in units", "(copies members) units d_out"
"""Query heads, and what reads the values, come in groups along one axis."""


def _net(draw: st.DrawFn, design: Variant) -> Embedded:
    leading = (draw(batches()), design.tokens)
    return embedded(draw, design.block(), leading=leading, most_before=1, most_after=0, residual=False)


def _against_keys(draw: st.DrawFn, design: Variant, per_group: Group | None = None) -> Pair:
    """In each group of heads the group acts on queries, its dual on keys."""
    net = _net(draw, design)
    queries = {"block/wq": QUERIES} | ({"block/bq": "(copies members) units"} if design.biases else {})
    keys = {"block/wk": (0, 2)} | ({"block/bk": (0, 1)} if "bk" in net.params["block"] else {})
    move = attention_heads(design.groups, design.key_width, queries=queries, keys=keys, group=per_group, name="qk")
    return net.pair("attention", move, design.architecture, domain=TAME)


@register(
    name="grouped-query-qk",
    reference=f"{THEUS}; {SECOND}",
    action="W_Q ↦ W_Q Mᵀ for every query head of a group, W_K ↦ W_K M⁻¹, M ∈ GL(d_k) for each group",
    generator="k_ξ = (W_Q ξᵀ, b_Q ξᵀ, −W_K ξ)",
    charge="Σ over the group of W_QᵀW_Q + b_Qᵀb_Q, less W_KᵀW_K (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("no rotary positions and no norm on queries or keys",),
    pitfalls="the query heads of a group share one matrix: a separate one for each is no symmetry",
    mutants=[*usual("block/wq", "block/wk"), forgets("block/bq"), wrong_inverse("block/wk")],
)
@st.composite
def grouped_query_qk(draw: st.DrawFn) -> Pair:
    """With grouped queries a basis change of the keys of a group is undone in all of its query heads alike."""
    return _against_keys(draw, draw(variants(members=2)))


@register(
    name="grouped-query-vo",
    reference=f"{THEUS}; {SECOND}",
    action="(W_V, b_V) ↦ (W_V Mᵀ, b_V Mᵀ), W_O ↦ M⁻ᵀ W_O for every query head of a group, M ∈ GL(d_v) for each group",
    generator="k_ξ = (W_V ξᵀ, b_V ξᵀ, −ξᵀ W_O)",
    charge="W_VᵀW_V + b_Vᵀb_V, less Σ over the group of W_O W_Oᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("nothing but the attention weights between values and outputs",),
    pitfalls="the query heads of a group share one matrix",
    mutants=[*usual("block/wv", "block/wo"), forgets("block/bv"), wrong_inverse("block/wo")],
)
@st.composite
def grouped_query_vo(draw: st.DrawFn) -> Pair:
    """With grouped queries a basis change of the values of a group is undone in what reads each of its query heads."""
    design = draw(variants(members=2))
    values = {"block/wv": (0, 2)} | ({"block/bv": (0, 1)} if design.biases else {})
    move = attention_heads(design.groups, design.value_width, values=values, outputs={"block/wo": VALUES}, name="vo")
    return _net(draw, design).pair("attention", move, design.architecture, domain=TAME)


@register(
    name="head-permutation-across-groups",
    reference="negative control of attention-head-permutation; own derivation",
    action="query heads trade places in W_Q, b_Q and W_O, keys and values stay",
    control="a query head that moves to another group meets other keys and values",
)
@st.composite
def head_permutation_across_groups(draw: st.DrawFn) -> Pair:
    """Heads are permuted as if every one had its own keys and values."""
    design = draw(variants(groups=2))
    axes = {"block/w[qo]": 0} | ({"block/bq": 0} if design.biases else {})
    return _net(draw, design).pair("attention", experts(design.heads, axes), design.architecture, domain=TAME)


@register(
    name="rope-partial",
    reference="own derivation; partial rotary positions: Black et al. 2022 (arXiv 2204.06745)",
    action="c ∈ C* on the plane that positions turn, M ∈ GL(m) on the units behind it; the duals on keys",
    generator="k_(ξ, η): ξ complex on the turned plane, η any matrix on the others",
    charge="‖Q_1‖² − ‖K_1‖² of the plane, and QᵀQ − KᵀK of the units that are not turned",
    hessian="H k = −Dkᵀ ∇L: flat at critical points",
    hypotheses=("positions turn the first two units only",),
    pitfalls="nothing may be mixed between units that are turned and units that are not",
    mutants=[*usual("block/wq", "block/wk"), forgets("block/bk")],
)
@st.composite
def rope_partial(draw: st.DrawFn) -> Pair:
    """Where positions turn a part of the units, the rest keeps the whole general linear group."""
    design = draw(variants(key_widths=(3, 4), frequencies=(1.0,)))
    return _against_keys(draw, design, DirectSum(ComplexScaling(1), GeneralLinear(design.key_width - 2)))


@register(
    name="rope-equal-frequencies",
    reference="own derivation: what commutes with rotations of several planes by one angle are complex matrices",
    action="q ↦ M q, k ↦ M⁻ᴴ k with q and k complex, M ∈ GL(2, C) for two planes of one frequency",
    generator="k_ξ = (ξ q, −ξᴴ k) on the columns of W_Q, b_Q, W_K and b_K",
    charge="QᴴQ − KᴴK (one number for each Hermitian ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("rotary positions on all units, with one frequency",),
    pitfalls="axial embeddings of images, and scaled ones that saturate, have equal frequencies",
    mutants=[*usual("block/wq", "block/wk"), wrong_inverse("block/wk")],
)
@st.composite
def rope_equal_frequencies(draw: st.DrawFn) -> Pair:
    """Planes that positions turn by the same angle may be mixed by any complex matrix."""
    return _against_keys(draw, draw(variants(key_widths=(4, 4), frequencies=(0.7, 0.7))), ComplexLinear(2))


@register(
    name="qk-norm-scale",
    reference=f"own derivation, after the scale symmetry of norms (Kunin et al. 2021, arXiv 2012.04728); {SECOND}",
    action="(W_Q, b_Q) ↦ c (W_Q, b_Q), W_K ↦ d W_K in each head, c, d > 0",
    generator="k_(ξ, η) = (ξ W_Q, ξ b_Q, η W_K)",
    charge="‖W_Q‖² + ‖b_Q‖² and ‖W_K‖² per head",
    hessian="H k = −(ξ ∇_{W_Q}L, ξ ∇_{b_Q}L, η ∇_{W_K}L): indefinite where the gradient is not 0",
    hypotheses=("queries and keys are divided by their norm, ε = 0",),
    pitfalls="basis changes between queries and keys are gone; with ε > 0 it holds up to O(ε) only",
    # A gradient that is stopped altogether is orthogonal to W_K, too.
    mutants=[slips("block/wq"), *usual("block/wq", "block/wk")[3:], forgets("block/bq")],
)
@st.composite
def qk_norm_scale(draw: st.DrawFn) -> Pair:
    """Attention with normed queries and keys forgets the size of either projection."""
    design = draw(variants(key_widths=(2, 3), least_in=2, normed=True))
    queries = {"block/wq": 0} | ({"block/bq": 0} if design.biases else {})
    of_queries = norm_scale(design.heads, writes=queries, name="queries")
    move = combined(of_queries, norm_scale(design.groups, writes={"block/wk": 0}, name="keys"), name="scale")
    # Of one feature a norm leaves the sign, and scores that are all equal; so do queries along their keys.
    apart = domain(all=balanced, wk=told_apart)
    return _net(draw, design).pair("qk-norm", move, design.architecture, domain=apart)


@register(
    name="linear-attention-kv-scale",
    reference=f"own derivation; linear attention: Katharopoulos et al. 2020 (arXiv 2006.16236); {SECOND}",
    action="(W_K, b_K) ↦ c (W_K, b_K), (W_V, b_V) ↦ (W_V, b_V) / c in each head, c > 0",
    generator="k_ξ = (ξ W_K, ξ b_K, −ξ W_V, −ξ b_V)",
    charge="‖W_K‖² + ‖b_K‖² − ‖W_V‖² − ‖b_V‖² per head",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("scores σ(q)·σ(k) without a normaliser, σ positively homogeneous",),
    pitfalls="a softmax, or a division by the sum of scores, breaks it",
    mutants=[*usual("block/wk", "block/wv"), forgets("block/bv"), wrong_inverse("block/wv")],
)
@st.composite
def linear_attention_kv_scale(draw: st.DrawFn) -> Pair:
    """Without a normaliser the keys of a head may be scaled up if its values are scaled down."""
    design = draw(variants(scores="linear"))
    keys, values = ({f"block/w{kind}": 0} | ({f"block/b{kind}": 0} if design.biases else {}) for kind in ("k", "v"))
    move = hidden_units(Scaling(design.groups), writes=keys, reads=values, name="kv-scale")
    return _net(draw, design).pair("linear-attention", move, design.architecture, domain=TAME)
