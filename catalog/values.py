"""Attention values and whole heads: what may be put between values and outputs, and which heads may trade places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import attention_heads, combined, experts, translations
from eqprop.claims import Pair, Params, Transformation
from eqprop.groups import Element
from eqprop.mutants import Mutant, forgets, leaks_into, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.attention import Attention, attentions
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.surroundings import Embedded, batches, embedded

HIDE = "da Silva, Dangel & Oh 2025 (arXiv 2505.05409) and Theus et al. 2025 (2506.22712): the group"
SECOND = "second order after Yang & Ziyin (2512.21447)"
OWN = "own derivation"
TAME = domain(all=moderate)


def _net(draw: st.DrawFn, attention: Attention) -> Embedded:
    leading = (draw(batches()), attention.tokens)
    return embedded(draw, attention.block(), leading=leading, most_before=1, most_after=0)


def _plain(draw: st.DrawFn, *, rotary: bool = False, **fixed: Any) -> tuple[Attention, Embedded]:
    """Attention without a fused kernel, with some fields fixed, in a random network."""
    attention = replace(draw(attentions(rotary=rotary)), kernel="plain", **fixed)
    return attention, _net(draw, attention)


def _values_against_outputs(attention: Attention) -> Transformation:
    values = {"block/wv": (0, 2)} | ({"block/bv": (0, 1)} if attention.biases else {})
    return attention_heads(
        attention.heads, attention.value_width, values=values, outputs={"block/wo": (0, 1)}, name="vo"
    )


@register(
    name="attention-vo",
    reference=f"{HIDE}; Marcotte, Gribonval & Peyré 2025 (2506.06194): charges; {SECOND}",
    action="(W_V, b_V) ↦ (W_V Mᵀ, b_V Mᵀ), W_O ↦ M⁻ᵀ W_O in each head, M ∈ GL(d_v)",
    generator="k_ξ = (W_V ξᵀ, b_V ξᵀ, −ξᵀ W_O)",
    charge="W_VᵀW_V + b_Vᵀb_V − W_O W_Oᵀ per head (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("nothing but the attention weights between values and outputs",),
    pitfalls="positions and masks are free; a norm on the heads' outputs leaves O(d_v), or less",
    mutants=[*usual("block/wv", "block/wo"), forgets("block/bv"), wrong_inverse("block/wo")],
)
@st.composite
def attention_vo(draw: st.DrawFn) -> Pair:
    """What leaves a head is linear in its values, which a basis change between values and outputs keeps."""
    attention, net = _plain(draw)
    return net.pair("attention", _values_against_outputs(attention), attention.architecture, domain=TAME)


@register(
    name="attention-head-permutation",
    reference=f"{HIDE}; {OWN} of the second order",
    action="(W_Q, b_Q, W_K, b_K, W_V, b_V, W_O) of the heads trade places",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("heads of one size, with the same mask and score offsets",),
    pitfalls="ALiBi has a slope for each head; grouped heads may trade places within their group only",
    mutants=[*usual("block/wq", "block/wo", finite=True), forgets("block/wk"), forgets("block/bv")],
)
@st.composite
def attention_head_permutation(draw: st.DrawFn) -> Pair:
    """The heads of an attention layer may trade places: their outputs are added up."""
    attention, net = _plain(draw, heads=draw(st.integers(2, 3)), alibi=False)
    move = experts(attention.heads, {"block/w?": 0} | ({"block/b[qv]": 0} if attention.biases else {}), name="heads")
    return net.pair("attention", move, attention.architecture, domain=TAME)


def _shifts_queries(pair: Pair) -> Pair:
    """The shift of the key bias is added to the queries' bias as well."""
    move = pair.transformation

    def on_params(element: Element, params: Params) -> Params:
        moved = move.on_params(element, params)
        shift = moved["block"]["bk"] - params["block"]["bk"]
        return {**moved, "block": {**moved["block"], "bq": moved["block"]["bq"] + shift}}

    return pair.replaced(transformation=replace(move, on_params=on_params))


@register(
    name="attention-key-bias",
    reference="own derivation, after the translation symmetry of softmax (Kunin et al. 2021, arXiv 2012.04728)",
    action="b_K ↦ b_K + a in each head, together with attention-vo",
    generator="k_(a, ξ) = (a, W_V ξᵀ, b_V ξᵀ, −ξᵀ W_O)",
    charge="b_K, besides that of attention-vo",
    hessian="H (a, 0) = 0 everywhere: every direction of b_K is flat, whatever the data",
    hypotheses=("no rotary positions and no norm on keys",),
    pitfalls=(
        "the gradient of b_K vanishes, so that claims of b_K alone compare rounding with rounding; it is verified "
        "together with the values"
    ),
    mutants=[
        *usual("block/wv", "block/wo"),
        Mutant("shifts-queries-too", 0, "K adds the shift to the queries' bias as well", _shifts_queries),
        leaks_into("block/bk"),
    ],
)
@st.composite
def attention_key_bias(draw: st.DrawFn) -> Pair:
    """A key bias adds the same to all scores of a query, which the softmax forgets."""
    attention, net = _plain(draw, biases=True, free_key_bias=True)
    shift = translations(net.params, {"block/bk": None}, name="key-bias")
    move = combined(shift, _values_against_outputs(attention), name="key-bias-and-vo")
    return net.pair("attention", move, attention.architecture, domain=TAME)


@register(
    name="rope-key-bias",
    reference="negative control of attention-key-bias; own derivation",
    action="b_K ↦ b_K + a in each head",
    control="rotary positions turn the bias by the position of its key: the scores of a query change unevenly",
)
@st.composite
def rope_key_bias(draw: st.DrawFn) -> Pair:
    """The shift of the key bias is claimed under rotary positions."""
    attention, net = _plain(draw, rotary=True, biases=True, causal=False)
    shift = translations(net.params, {"block/bk": None}, name="key-bias")
    return net.pair("attention", shift, attention.architecture, domain=TAME)


def _absorbed(shifts: Element, params: Params) -> Params:
    """b_V + a in each head and b_O − Σ_heads a W_O."""
    block = params["block"]
    a = jnp.reshape(shifts, block["bv"].shape)
    moved = {"bv": block["bv"] + a, "bo": block["bo"] - jnp.einsum("hv,hvo->o", a, block["wo"])}
    return {**params, "block": {**block, **moved}}


@register(
    name="attention-value-bias",
    reference=OWN,
    action="b_V ↦ b_V + a, b_O ↦ b_O − Σ_heads a W_O",
    generator="k_a = (a, −Σ a W_O) on (b_V, b_O): affine in W_O",
    charge="none: Dk_a is not symmetric, W_O moves b_O and not the other way round",
    hessian="H k_a + Dk_aᵀ ∇L = 0: the gradient of b_O enters through W_O",
    hypotheses=("attention weights of a query sum to 1",),
    pitfalls="unnormalised attention, and weights that are dropped out, break it",
    mutants=[*usual("block/bv", "block/bo"), wrong_inverse("block/bo")],
)
@st.composite
def attention_value_bias(draw: st.DrawFn) -> Pair:
    """A value bias passes through the attention weights unchanged, and the output bias can take it up."""
    attention, net = _plain(draw, biases=True)
    shift = Transformation(groups.Translation(attention.heads * attention.value_width), _absorbed, name="value-bias")
    return net.pair("attention", shift, attention.architecture, domain=TAME)
