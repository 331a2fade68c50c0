"""Attention scores: what may be put between queries and keys without the model noticing."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop.actions import attention_heads
from eqprop.claims import Pair
from eqprop.mutants import (
    Mutant,
    backward_bends,
    backward_drops_term,
    backward_scales,
    forgets,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.attention import Attention, attentions
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.surroundings import batches, embedded

TAME = domain(all=moderate)
CHARGE_REFERENCE = "charges: Marcotte, Gribonval & Peyré 2025 (arXiv 2506.06194); Hessian: Yang & Ziyin (2512.21447)"


def _queries_against_keys(draw: st.DrawFn, attention: Attention, *, generic: bool = False) -> Pair:
    """An attention block in a random network; in each head a group acts on queries and its dual on keys.

    Args:
        draw: of the entry.
        attention: the block.
        generic: whether all invertible matrices are claimed, whatever the positions.
    """
    net = embedded(draw, attention.block(), leading=(draw(batches()), attention.tokens), most_before=1)
    queries = {"block/wq": (0, 2)} | ({"block/bq": (0, 1)} if attention.biases else {})
    keys = {"block/wk": (0, 2)} | ({"block/bk": (0, 1)} if attention.key_biases else {})
    rotary = None if generic else attention.rotary
    move = attention_heads(attention.heads, attention.key_width, queries=queries, keys=keys, rotary=rotary, name="qk")
    return net.pair("attention", move, attention.architecture, domain=TAME)


def _mutants(bias: str) -> tuple[Mutant, ...]:
    """Defects of queries and keys. One in the gradient of the scores would stay unseen: scores are invariant."""
    return (
        forgets("block/wk"),
        forgets(bias),
        wrong_inverse("block/wk"),
        slips("block/wq"),
        slips("block/wk"),
        stopped("block/wk"),
        scaled_gradient("block/wq"),
        backward_scales("block/wk"),
        backward_drops_term("block/wq"),
        second_derivative("block/wq"),
        backward_bends("block/wk"),
    )


@register(
    name="attention-qk",
    reference=(
        "da Silva, Dangel & Oh 2025 (arXiv 2505.05409) and Theus et al. 2025 (2506.22712): the group; "
        + CHARGE_REFERENCE
    ),
    action="(W_Q, b_Q) ↦ (W_Q Mᵀ, b_Q Mᵀ), W_K ↦ W_K M⁻¹ in each head, M ∈ GL(d_k)",
    generator="k_ξ = (W_Q ξᵀ, b_Q ξᵀ, −W_K ξ)",
    charge="W_QᵀW_Q + b_Qᵀb_Q − W_KᵀW_K per head (one number for each symmetric ξ)",
    hessian="H k_ξ = −(∇_{W_Q}L ξ, ∇_{b_Q}L ξ, −∇_{W_K}L ξᵀ): flat at critical points",
    hypotheses=("no rotary positions and no norm on queries or keys; masks and score offsets such as ALiBi are free",),
    pitfalls="an error in the gradient of the scores is invisible here: it reaches queries and keys alike",
    mutants=_mutants("block/bq"),
)
@st.composite
def attention_qk(draw: st.DrawFn) -> Pair:
    """Attention depends on queries and keys through q·k alone, which a basis change of each head's key space keeps."""
    return _queries_against_keys(draw, draw(attentions()))


@register(
    name="rope-qk",
    reference=(
        "own derivation: what commutes with the rotations of distinct frequencies is one complex number for each; "
        "Su et al. 2021 (arXiv 2104.09864): the embedding; " + CHARGE_REFERENCE
    ),
    action="q_j ↦ c_j q_j, k_j ↦ k_j / conj(c_j), c_j ≠ 0, in each head, q_j and k_j complex for frequency j",
    generator="k_ξ = (ξ_j q_j, −conj(ξ_j) k_j) on the columns of W_Q, b_Q, W_K and b_K",
    charge="‖Q_j‖² − ‖K_j‖² per head and frequency, for real ξ_j; the rotations, imaginary ξ_j, give none",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("rotary positions on all of a query's units", "the group's layout is the embedding's"),
    pitfalls="equal frequencies and units without rotation enlarge the group; two common layouts are easily confused",
    mutants=_mutants("block/bk"),
)
@st.composite
def rope_qk(draw: st.DrawFn) -> Pair:
    """In rotary attention a frequency's queries may turn and scale, if its keys turn alike and scale inversely."""
    return _queries_against_keys(draw, draw(attentions(rotary=True)))


@register(
    name="rope-qk-generic-gl",
    reference="negative control of rope-qk; own derivation",
    action="as attention-qk",
    control="a matrix that is not complex-linear does not commute with the rotations between queries and keys",
)
@st.composite
def rope_qk_generic_gl(draw: st.DrawFn) -> Pair:
    """The general linear group on rotary queries and keys is claimed, and is none."""
    return _queries_against_keys(draw, draw(attentions(rotary=True)), generic=True)
