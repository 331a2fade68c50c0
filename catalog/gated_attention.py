"""Gated attention outputs and attention sinks: what they leave of the symmetries of heads."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import attention_heads, combined, experts, translations
from eqprop.claims import Pair, Params, Transformation
from eqprop.groups import Element, Group
from eqprop.mutants import forgets, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.attention_variants import Variant, variants
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.surroundings import Embedded, batches, embedded

TAME = domain(all=moderate)
OF_GROUP = "(copies members) units d_out"
"""What reads the values of a group: the query heads of a group come one after the other."""
SINKS = "attention sinks: Xiao et al. 2023 (arXiv 2309.17453), and as learned logits gpt-oss (2508.10925)"


def _net(draw: st.DrawFn, design: Variant) -> Embedded:
    leading = (draw(batches()), design.tokens)
    return embedded(draw, design.block(), leading=leading, most_before=1, most_after=0, residual=False)


def _values_against_outputs(design: Variant, group: Group | None = None) -> Transformation:
    values = {"block/wv": (0, 2)} | ({"block/bv": (0, 1)} if design.biases else {})
    read = {"block/wo": OF_GROUP}
    return attention_heads(design.groups, design.value_width, values=values, outputs=read, group=group, name="vo")


@register(
    name="gated-attention-vo",
    reference="own derivation, after attention-vo; the gate: Qiu et al. 2025, gated attention (arXiv 2505.06708)",
    action="(W_V, b_V) ↦ (W_V D, b_V D), W_O ↦ D⁻¹ W_O for every query head of a group, D > 0 diagonal",
    generator="k_ξ = (W_V ξ, b_V ξ, −ξ W_O), ξ diagonal",
    charge="‖W_V,i‖² + b_V,i² − Σ over the group of ‖W_O,i‖², for each unit of a group's values",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("a gate σ(h W_G) for each unit between values and outputs; W_G stays where it is",),
    pitfalls="signs are free as well, permutations where the gate's units follow; one gate for a head leaves all of GL",
    mutants=[*usual("block/wv", "block/wo"), forgets("block/bv"), wrong_inverse("block/wo")],
)
@st.composite
def gated_attention_vo(draw: st.DrawFn) -> Pair:
    """A gate multiplies each unit that leaves a head: of the basis changes of values it leaves scalings."""
    design = draw(variants(gated=True))
    move = _values_against_outputs(design, groups.Scaling(design.value_width))
    return _net(draw, design).pair("gated-attention", move, design.architecture, domain=TAME)


@register(
    name="gated-attention-vo-gl",
    reference="negative control of gated-attention-vo; own derivation",
    action="as attention-vo",
    control="the gate multiplies each unit by a number of its own, which a basis change mixes",
)
@st.composite
def gated_attention_vo_gl(draw: st.DrawFn) -> Pair:
    """The general linear group of values is claimed through an output gate."""
    design = draw(variants(gated=True, value_widths=(2, 3)))
    move = _values_against_outputs(design)
    return _net(draw, design).pair("gated-attention", move, design.architecture, domain=TAME)


@register(
    name="attention-sinks-gl",
    reference=f"own derivation, after grouped-query-qk and grouped-query-vo; {SINKS}",
    action="in each group (W_Q, b_Q, W_K) ↦ (W_Q Mᵀ, b_Q Mᵀ, W_K M⁻¹) and (W_V, b_V, W_O) ↦ (W_V Nᵀ, b_V Nᵀ, N⁻ᵀ W_O)",
    generator="k_(ξ, η) = (W_Q ξᵀ, b_Q ξᵀ, −W_K ξ, W_V ηᵀ, b_V ηᵀ, −ηᵀ W_O); sinks stay",
    charge="those of grouped-query-qk and grouped-query-vo",
    hessian="H k = −Dkᵀ ∇L: flat at critical points",
    hypotheses=("no rotary positions and no norm on queries or keys", "one logit for each head, of no token"),
    pitfalls="a shift of the key bias, and moving the value bias behind the heads, are symmetries without sinks only",
    mutants=[*usual("block/wq", "block/wk"), forgets("block/wo"), wrong_inverse("block/wo")],
)
@st.composite
def attention_sinks_gl(draw: st.DrawFn) -> Pair:
    """A sink takes a part of the attention of a head, whatever the basis of its queries, keys and values."""
    design = draw(variants(sinks=True))
    queries = {"block/wq": "(copies members) d_in units"}
    queries |= {"block/bq": "(copies members) units"} if design.biases else {}
    scores = attention_heads(design.groups, design.key_width, queries=queries, keys={"block/wk": (0, 2)}, name="qk")
    move = combined(scores, _values_against_outputs(design), name="qk-and-vo")
    return _net(draw, design).pair("attention-sinks", move, design.architecture, domain=TAME)


@register(
    name="attention-sinks-permutation",
    reference=f"own derivation, after attention-head-permutation; {SINKS}",
    action="(W_Q, b_Q, W_K, W_V, b_V, W_O, s) of the heads trade places, s their sinks",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("every head has keys and values of its own",),
    pitfalls="the sinks move with their heads; grouped heads trade places within their group only",
    mutants=[*usual("block/wq", "block/wo", finite=True), forgets("block/sinks"), forgets("block/wk")],
)
@st.composite
def attention_sinks_permutation(draw: st.DrawFn) -> Pair:
    """Heads trade places together with their sinks."""
    design = draw(variants(groups=2, members_most=1, sinks=True))
    axes = {"block/w?": 0, "block/sinks": 0} | ({"block/b[qv]": 0} if design.biases else {})
    return _net(draw, design).pair("attention-sinks", experts(design.heads, axes), design.architecture, domain=TAME)


def _absorbed(shifts: Element, params: Params) -> Params:
    """b_V + a in each head and b_O − Σ_heads a W_O."""
    block = params["block"]
    a = jnp.reshape(shifts, block["bv"].shape)
    moved = {"bv": block["bv"] + a, "bo": block["bo"] - jnp.einsum("hv,hvo->o", a, block["wo"])}
    return {**params, "block": {**block, **moved}}


@register(
    name="attention-sinks-value-bias",
    reference=f"negative control of attention-value-bias; own derivation; {SINKS}",
    action="as attention-value-bias",
    control="weights of a query sum to less than 1: a part of the value bias is lost to the sink",
)
@st.composite
def attention_sinks_value_bias(draw: st.DrawFn) -> Pair:
    """The value bias is moved behind heads that have sinks."""
    design = draw(variants(biases=True, members_most=1, sinks=True))
    shift = Transformation(groups.Translation(design.heads * design.value_width), _absorbed, name="value-bias")
    return _net(draw, design).pair("attention-sinks", shift, design.architecture, domain=TAME)


@register(
    name="attention-sinks-softmax-shift",
    reference=f"negative control of softmax-shift; own derivation; {SINKS}",
    action="s ↦ s + a, one number for each head",
    control="a softmax forgets what is added to all of its logits, and the scores have no bias that follows a sink",
)
@st.composite
def attention_sinks_softmax_shift(draw: st.DrawFn) -> Pair:
    """The sinks are shifted as if they were all that the softmax sees."""
    design = draw(variants(sinks=True))
    net = _net(draw, design)
    shift = translations(net.params, {"block/sinks": None}, name="sinks")
    return net.pair("attention-sinks", shift, design.architecture, domain=TAME)
