"""Conversions to wider models: units and heads in several copies, padding, and streams laid into wider ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop import groups
from eqprop.catalog.folding import ASHKBOOS, BETWEEN_MODELS, TAME, TOOLS, Wrong, misconverts, usual_of_conversions
from eqprop.catalog.merging import attention_pair
from eqprop.claims import Pair, Params
from eqprop.engine import Array, leaf_paths, matching
from eqprop.groups import Element, along, multiply_along
from eqprop.registry import register
from eqprop.strategies.activations import activations, homogeneous_activations
from eqprop.strategies.architectures import HiddenLayer, hidden_layer
from eqprop.strategies.attention import attentions
from eqprop.strategies.conversions import Function, conversion
from eqprop.strategies.domains import balanced, domain, moderate, small, told_apart
from eqprop.strategies.streams import Stream, streams

THEUS = "Theus et al. 2025 (arXiv 2506.22712): semi-permutations"


def _shares(element: Array) -> Array:
    """Real numbers that sum to 1: (1 − Σα, α₁, α₂, …)."""
    return jnp.concatenate([1 - jnp.sum(element, keepdims=True), element])


def positive_shares(element: Array) -> Array:
    """Positive numbers that sum to 1, softmax(0, t₁, t₂, …)."""
    return jax.nn.softmax(jnp.concatenate([jnp.zeros_like(element[:1]), element]))


def _copied(array: Array, axis: int, unit: int, copies: Array) -> Array:
    """The unit times the first of these factors, and behind the last unit the unit times each of the others."""
    n = array.shape[axis]
    factors = jnp.concatenate([jnp.ones(n, copies.dtype).at[unit].set(copies[0]), copies[1:]])
    wide = jnp.take(array, np.append(np.arange(n), np.full(copies.size - 1, unit)), axis=axis)
    return wide * along(factors, wide, axis)


Axes = Mapping[str, int]


def in_copies(shares: Callable[[Array], Array], unit: int, shared: Axes, repeated: Axes) -> Function:
    """K: a unit in several copies, by shares that the element says, in the shared tensors."""

    def convert(element: Element, block: Params) -> Params:
        parts = shares(element)
        moved = dict(block)
        for axes, factors in ((shared, parts), (repeated, jnp.ones_like(parts))):
            moved |= {name: _copied(block[name], axis, unit, factors) for name, axis in axes.items() if name in block}
        return moved

    return convert


def _whole(name: str) -> Wrong:
    """The first copy keeps all of this tensor."""

    def wrong(convert: Function, element: Element, block: Params) -> Params:
        moved = convert(element, block)
        kept = [slice(0, n) for n in np.shape(block[name])]
        return {**moved, name: moved[name].at[tuple(kept)].set(block[name])}

    return wrong


def _units(
    draw: st.DrawFn, name: str, layer: HiddenLayer, shares: Callable[[Array], Array], shared: Axes, repeated: Axes
) -> Pair:
    """A unit of a hidden layer in two or three copies."""
    copies = draw(st.integers(2, 3))
    unit = draw(st.integers(0, layer.hidden - 1))
    own, group = {**layer.architecture, "copies": copies, "unit": unit}, groups.Translation(copies - 1)
    convert = in_copies(shares, unit, shared, repeated)
    return conversion(name, layer.net, layer.net.apply, convert, own, group=group, domain=TAME)


@register(
    name="duplicate-neuron",
    reference=f"Chen et al. 2016, Net2Net (arXiv 1511.05641); Şimşek et al. 2021 (2105.12221); {TOOLS}",
    action="(w, b, a) ↦ (w, b, α_k a), k = 1, 2, …, real numbers α with sum 1",
    **BETWEEN_MODELS,
    hypotheses=("any activation", "readers are linear"),
    pitfalls="the shares of the reader sum to 1: copies that all keep it count several times",
    mutants=[
        misconverts("forgets-to-share", "the first copy keeps the whole reader", _whole("w_out")),
        *usual_of_conversions("block/w_in", "block/w_out"),
    ],
)
@st.composite
def duplicate_neuron(draw: st.DrawFn) -> Pair:
    """A hidden unit may be replaced by copies that share its reader."""
    layer = hidden_layer(draw, activations())
    return _units(draw, "duplicate", layer, _shares, {"w_out": 0}, {"w_in": 1, "b_in": 0})


@register(
    name="split-neuron",
    reference=f"{THEUS}; {TOOLS}",
    action="(w, b, a) ↦ (α_k w, α_k b, a), k = 1, 2, …, positive α with sum 1",
    **BETWEEN_MODELS,
    hypotheses=("σ(cz) = c σ(z) for c > 0, so that σ(z) = Σ_k σ(α_k z)",),
    pitfalls="shares are positive: with α < 0 a ReLU passes the other sign; other activations allow no split",
    mutants=[
        misconverts("forgets-the-bias", "the first copy keeps the whole bias", _whole("b_in"), needs="b_in"),
        misconverts("forgets-to-share", "the first copy keeps the whole weights", _whole("w_in")),
        *usual_of_conversions("block/w_in", "block/w_out"),
    ],
)
@st.composite
def split_neuron(draw: st.DrawFn) -> Pair:
    """A positively homogeneous unit may be split by positive weights that sum to 1."""
    layer = hidden_layer(draw, homogeneous_activations(), least_hidden=2, least_batch=4)
    return _units(draw, "split", layer, positive_shares, {"w_in": 1, "b_in": 0}, {"w_out": 0})


def _half_queries(convert: Function, element: Element, block: Params) -> Params:
    return convert(element, {**block, "wq": block["wq"].at[0].multiply(0.5)})


@register(
    name="split-head",
    reference=f"{THEUS}, of heads; {TOOLS}",
    action="a head's W_Q, W_K, W_V, W_O ↦ W_Q, W_K, W_V, α_k W_O (or α_k W_V, α_k b_V, W_O), α with sum 1",
    **BETWEEN_MODELS,
    hypotheses=("the outputs of heads are added up", "score offsets do not depend on the head"),
    pitfalls="queries and keys are copied whole, the softmax is not linear; ALiBi's slopes go by the place of a head",
    mutants=[
        misconverts("shares-queries-too", "queries of the first head are halved", _half_queries),
        *usual_of_conversions("block/wv", "block/wo"),
    ],
)
@st.composite
def split_head(draw: st.DrawFn) -> Pair:
    """A head may be replaced by copies with the same attention weights, which share its map of values."""
    design, copies = replace(draw(attentions()), alibi=False), draw(st.integers(2, 3))
    head, by_values = draw(st.integers(0, design.heads - 1)), draw(st.booleans())
    values = {"wv": 0, "bv": 0}
    shared, repeated = (values, {"wo": 0}) if by_values else ({"wo": 0}, values)
    convert = in_copies(_shares, head, shared, {"wq": 0, "wk": 0, "bq": 0, **repeated})
    target = replace(design, heads=design.heads + copies - 1).block().apply
    own, group = {"copies": copies, "head": head, "by values": by_values}, groups.Translation(copies - 1)
    # Where a softmax saturates, the gradient of scores is rounding alone, and that of copies is rounded otherwise.
    soft = domain(all=moderate, **{"[wb][qk]": lambda values: small(values) / 2})
    return attention_pair(draw, "split-head", design, target, convert, own=own, group=group, tame=soft, most_before=0)


def _padding(more: Axes) -> Function:
    """Zeros behind the units of heads; queries times the root of d′/d."""

    def convert(element: Element, block: Params) -> Params:
        del element
        axes = {"wq": 2, "wk": 2, "bq": 1, "wv": 2, "bv": 1, "wo": 1}
        counts = {name: more["key" if name[1] in "qk" else "value"] for name in axes}
        wide = dict(block)
        for name in axes.keys() & block.keys():
            pads = [(0, counts[name] if axis == axes[name] else 0) for axis in range(block[name].ndim)]
            wide[name] = jnp.pad(block[name], pads)
        old = block["wq"].shape[-1]
        factor = np.sqrt((old + more["key"]) / old)
        return {**wide, **{name: factor * wide[name] for name in ("wq", "bq") if name in wide}}

    return convert


def _only_padded(convert: Function, element: Element, block: Params) -> Params:
    moved = convert(element, block)
    factor = np.sqrt(block["wq"].shape[-1] / moved["wq"].shape[-1])
    return {**moved, "wq": factor * moved["wq"]}


@register(
    name="pad-heads",
    reference=TOOLS,
    action="zeros behind the columns of W_Q, W_K, W_V and the rows of W_O in each head; (W_Q, b_Q) √(d′/d)",
    **BETWEEN_MODELS,
    hypotheses=("scores are divided by the root of the width of keys",),
    pitfalls="the kernel divides by the root of its own width, which queries make up for",
    mutants=[
        misconverts("forgets-the-root", "queries are padded alone", _only_padded),
        *usual_of_conversions("block/wq", "block/wo"),
    ],
)
@st.composite
def pad_heads(draw: st.DrawFn) -> Pair:
    """Heads may be padded with zeros to the width that a kernel wants."""
    design = draw(attentions())
    more = {"key": draw(st.integers(1, 2)), "value": draw(st.integers(0, 2))}
    keys, values = design.key_width + more["key"], design.value_width + more["value"]
    target = replace(design, key_width=keys, value_width=values).block().apply
    return attention_pair(draw, "pad-heads", design, target, _padding(more), own={"more": tuple(more.values())})


# -- a stream of another width ----------------------------------------------------------------------------------------


def _widening(design: Stream) -> Function:
    """Writers · Q and readers √(d/d′) Qᵀ ·, Q the first d rows of an orthogonal matrix of size d′."""

    def convert(element: Element, params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        norm = np.sqrt(design.width / element.shape[0])
        for axes, factor in ((design.writes, 1.0), (design.reads, norm)):
            for pattern, axis in axes.items():
                for i in matching(leaf_paths(params), pattern, role="widening"):
                    leaves[i] = factor * multiply_along(element[: design.width].T, leaves[i], axis)
        return jax.tree.unflatten(treedef, leaves)

    return convert


def _mean_of_the_old_width(convert: Function, element: Element, params: Params) -> Params:
    moved = convert(element, params)
    norm = np.sqrt(params["unembed"].shape[0] / element.shape[0])
    return {**moved, "unembed": moved["unembed"] / norm}


@register(
    name="widen-rmsnorm-stream",
    reference=f"own derivation, after {ASHKBOOS} and Theus et al. 2025 (2506.22712): rectangular orthogonal maps",
    action="writers (W, b) ↦ (W Q, b Q), readers A ↦ √(d/d′) Qᵀ A, ε ↦ ε d/d′, with Q Qᵀ = 1 of size d × d′",
    **BETWEEN_MODELS,
    hypotheses=("RMSNorm without gains in front of every reader",),
    pitfalls="the mean square over d′ features is smaller by d/d′, which readers and ε make up for",
    mutants=[
        misconverts("forgets-the-mean", "a reader is not scaled by √(d/d′)", _mean_of_the_old_width),
        *usual_of_conversions("blocks/0/w_in", "blocks/0/w_out"),
    ],
)
@st.composite
def widen_rmsnorm_stream(draw: st.DrawFn) -> Pair:
    """The stream of an RMSNorm network may be laid into a wider one in any direction."""
    ends = draw(st.sampled_from(("dense", "untied")))
    design: Stream = draw(streams(norm="rms", least_width=2, epsilons=(1e-2, 1e-5), ends=ends))  # pyright: ignore[reportArgumentType]
    d, wide = design.width, design.width + draw(st.integers(1, 2))
    target = replace(design, width=wide, epsilon=design.epsilon * d / wide).net().apply
    tame, own = domain(all=balanced, embed=told_apart), {**design.architecture, "wide": wide}
    return conversion(
        "widen-stream", design.net(), target, _widening(design), own, group=groups.Orthogonal(wide), domain=tame
    )
