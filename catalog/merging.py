"""Conversions to fewer tensors: updates that are merged, projections that are fused, units that are left out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.catalog.folding import BETWEEN_MODELS, TAME, TOOLS, misconverts, usual_of_conversions
from eqprop.claims import Outputs, Pair, Params
from eqprop.engine import Array
from eqprop.groups import Element, Group
from eqprop.registry import register
from eqprop.strategies.activations import activations
from eqprop.strategies.architectures import hidden_layer
from eqprop.strategies.attention import Attention, attentions
from eqprop.strategies.conversions import Function, conversion, low_rank_updates
from eqprop.strategies.domains import Domain, domain, moderate, told_apart
from eqprop.strategies.surroundings import batches, dense, embedded


def _merge(scale: float) -> Function:
    def convert(element: Element, block: Params) -> Params:
        del element
        merged = {"w": block["w"] + scale * block["down"] @ block["up"]}
        return merged | ({"b": block["b"]} if "b" in block else {})

    return convert


def _twice(convert: Function, element: Element, block: Params) -> Params:
    return convert(element, {**block, "down": 2 * block["down"]})


def _not_at_all(convert: Function, element: Element, block: Params) -> Params:
    return {**convert(element, block), "w": block["w"]}


@register(
    name="merge-lora",
    reference=f"Hu et al. 2021, LoRA (arXiv 2106.09685), §4.1: a merged update costs nothing; {TOOLS}",
    action="(W, A, B) ↦ W + (α / r) A B",
    **BETWEEN_MODELS,
    hypotheses=("the update sees what the layer sees, without dropout in front of A",),
    pitfalls="the scale α / r belongs to the update; an update that is merged twice counts twice",
    mutants=[
        misconverts("wrong-scale", "the update is merged with twice its scale", _twice),
        misconverts("forgets-update", "the update is dropped", _not_at_all),
        *usual_of_conversions("block/down", "block/up"),
    ],
)
@st.composite
def merge_lora(draw: st.DrawFn) -> Pair:
    """A low-rank update may be added to the weights beside it."""
    design = draw(low_rank_updates())
    net = embedded(draw, design.block())
    return conversion("merge", net, net.around(dense), _merge(design.scale), design.architecture, domain=TAME)


# -- attention --------------------------------------------------------------------------------------------------------


def attention_pair(
    draw: st.DrawFn,
    name: str,
    design: Attention,
    target: Function,
    convert: Function,
    *,
    own: Mapping[str, Hashable] | None = None,
    group: Group | None = None,
    tame: Domain = TAME,
    most_before: int = 1,
) -> Pair:
    """An attention block in a random network, and what it is converted to."""
    net = embedded(draw, design.block(), leading=(draw(batches()), design.tokens), most_before=most_before)
    drawn = {**design.architecture, **(own or {})}
    return conversion(name, net, net.around(target), convert, drawn, group=group, domain=tame)


def _fuse(element: Element, block: Params) -> Params:
    """W_QKV = [W_Q W_K W_V], and the biases likewise, a missing one for keys as zeros."""
    del element
    fused = {"wqkv": jnp.concatenate([block["wq"], block["wk"], block["wv"]], axis=-1), "wo": block["wo"]}
    if "bq" not in block:
        return fused
    biases = [block["bq"], jnp.zeros_like(block["bq"]), block["bv"]]
    return {**fused, "bqkv": jnp.concatenate(biases, axis=-1), "bo": block["bo"]}


def _fused(design: Attention) -> Function:
    """The same attention, its queries, keys and values cut out of one tensor."""
    apart = replace(design, free_key_bias=True).block().apply
    cuts = (design.key_width, 2 * design.key_width)

    def apply(params: Params, h: Array) -> Outputs:
        cut = {name: params[name] for name in ("wo", "bo") if name in params}
        for kind in ("w", "b") if "bqkv" in params else ("w",):
            parts = jnp.split(params[f"{kind}qkv"], cuts, axis=-1)
            cut |= dict(zip((f"{kind}q", f"{kind}k", f"{kind}v"), parts, strict=True))
        return apart(cut, h)

    return apply


def _wrong_order(convert: Function, element: Element, block: Params) -> Params:
    return convert(element, {**block, "wq": block["wk"], "wk": block["wq"]})


def _one_head_after_the_other(convert: Function, element: Element, block: Params) -> Params:
    fused = convert(element, block)
    return {**fused, "wqkv": jnp.reshape(jnp.swapaxes(fused["wqkv"], 0, 1), fused["wqkv"].shape)}


@register(
    name="fuse-qkv",
    reference=TOOLS,
    action="(W_Q, W_K, W_V) ↦ [W_Q W_K W_V] and (b_Q, b_V) ↦ [b_Q 0 b_V] in each head",
    **BETWEEN_MODELS,
    hypotheses=("the fused layer is cut in the same order: the head, then queries, keys, values",),
    pitfalls="libraries differ in the order; with queries and keys exchanged the model still looks sane",
    mutants=[
        misconverts("exchanges-queries-and-keys", "keys come first", _wrong_order).only(
            lambda pair: np.shape(pair.model.params["block"]["wq"])[1] > 1  # or scores are symmetric
        ),
        misconverts("wrong-layout", "features and heads are laid out the other way", _one_head_after_the_other).only(
            lambda pair: min(np.shape(pair.model.params["block"]["wq"])[:2]) > 1
        ),
        *usual_of_conversions("block/wq", "block/wv"),
    ],
)
@st.composite
def fuse_qkv(draw: st.DrawFn) -> Pair:
    """The projections to queries, keys and values may be fused into one tensor."""
    design = draw(attentions())
    return attention_pair(draw, "fuse", design, _fused(design), _fuse)


# -- units that nobody reads ------------------------------------------------------------------------------------------


def _leave_out(dead: int) -> Function:
    def convert(element: Element, block: Params) -> Params:
        del element
        axes = {"w_in": 1, "b_in": 0}
        return {name: jnp.delete(leaf, dead, axis=axes[name]) if name in axes else leaf for name, leaf in block.items()}

    return convert


def _another(convert: Function, element: Element, block: Params) -> Params:
    rolled = {name: jnp.roll(block[name], 1, axis=-1) for name in ("w_in", "b_in") if name in block}
    return convert(element, {**block, **rolled})


@register(
    name="remove-dead-unit",
    reference=f"Brea et al. 2019 (arXiv 1907.02911), §3, on units without readers; {TOOLS}",
    action="the weights and the bias (w, b) of a unit that nobody reads are left out",
    **BETWEEN_MODELS,
    hypotheses=("the unit's outgoing weights are 0 for good (pruned): they are no parameters of the source",),
    pitfalls="of weights that just happen to be 0 the gradient is not: the smaller model cannot be trained alike",
    mutants=[
        misconverts("removes-another", "the unit beside it is left out", _another),
        *usual_of_conversions("block/w_in", "block/w_out"),
    ],
)
@st.composite
def remove_dead_unit(draw: st.DrawFn) -> Pair:
    """A hidden unit that nobody reads may be left out, whatever it computes."""
    layer = hidden_layer(draw, activations())
    net, dead = layer.net, draw(st.integers(0, layer.hidden))
    block = dict(net.params["block"])
    for name, axis in layer.writes.items():
        leaf = name.removeprefix("block/")
        block[leaf] = np.insert(block[leaf], dead, 1.0, axis=axis)

    def pruned(params: Params, x: Array) -> Outputs:
        rows = jnp.insert(params["block"]["w_out"], dead, 0.0, axis=0)
        return net.apply({**params, "block": {**params["block"], "w_out": rows}}, x)

    source = net._replace(apply=pruned, params={**net.params, "block": block})
    own = {**layer.architecture, "dead": dead}
    return conversion("remove", source, net.apply, _leave_out(dead), own, domain=domain(all=moderate, w_in=told_apart))
