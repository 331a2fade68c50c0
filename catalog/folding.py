"""Conversions that fold what acts on each feature into the weights beside it: gains, and the statistics of norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import residual_stream
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element, along
from eqprop.mutants import Mutant, usual
from eqprop.registry import register
from eqprop.strategies.conversions import BatchNormed, Function, OnBlock, batch_normed_layers, conversion, gained_norms
from eqprop.strategies.domains import at_least_a_tenth, balanced, domain, moderate, told_apart
from eqprop.strategies.streams import Stream, streams
from eqprop.strategies.surroundings import batches, embedded

TAME = domain(all=moderate)
TOOLS = "own derivation: what conversion tools rely on"
ASHKBOOS = "Ashkboos et al. 2024, SliceGPT (arXiv 2401.15024) and QuaRot (2404.00456)"
BETWEEN_MODELS = {
    "generator": "none: K maps between two models",
    "charge": "none: K maps between two models",
    "hessian": "H(θ) = DKᵀ H′(Kθ) DK + Σᵢ ∂ᵢL′(Kθ) ∇²Kᵢ",
}

Wrong = Callable[[Function, Element, Params], Params]
"""``wrong(convert, element, block)``, what a mistaken conversion makes of a block."""


def misconverts(name: str, why: str, wrong: Wrong, *, needs: str = "") -> Mutant:
    """K is ``wrong(convert, element, block)`` in place of ``convert(element, block)``.

    Args:
        name: of the mutant.
        why: what is wrong.
        wrong: the conversion.
        needs: a parameter of the block without which there is nothing to do wrong.
    """

    def change(pair: Pair) -> Pair | None:
        move, params = pair.transformation, pair.model.params
        if needs and needs not in params.get("block", params):
            return None
        assert isinstance(move.on_params, OnBlock)
        convert = move.on_params.convert
        return pair.replaced(
            transformation=replace(move, on_params=OnBlock(lambda element, block: wrong(convert, element, block)))
        )

    return Mutant(name, 0, why, change)


def usual_of_conversions(source: str, other: str = "") -> tuple[Mutant, ...]:
    """A slip of 1e-9 in all that is converted, and wrong derivatives of the source in one or two of its tensors."""

    def slips(convert: Function, element: Element, block: Params) -> Params:
        return jax.tree.map(lambda leaf: leaf * (1 + 1e-9), convert(element, block))

    return (misconverts("slips", "K is off by a relative 1e-9", slips, needs=""), *usual(source, other)[2:])


def added(block: Params, bias: Array) -> Array:
    """The block's bias and another one."""
    return bias + block["b"] if "b" in block else bias


def _without(name: str, neutral: float) -> Wrong:
    return lambda convert, element, block: convert(element, {**block, name: jnp.full_like(block[name], neutral)})


def _fold_norm(element: Element, block: Params) -> Params:
    del element
    folded = {"w": block["w"] * along(block["gain"], block["w"], 0)}
    if "shift" in block:
        return {**folded, "b": added(block, block["shift"] @ block["w"])}
    return folded | ({"b": block["b"]} if "b" in block else {})


@register(
    name="fold-norm-gain",
    reference=f"{ASHKBOOS}: gains are folded first; {TOOLS}",
    action="(γ, β, W, b) ↦ (diag(γ) W, β W + b): norm(h) γ + β and the layer behind it become norm(h) and a layer",
    **BETWEEN_MODELS,
    hypotheses=("RMSNorm or LayerNorm with any ε", "whatever reads the norm is folded"),
    pitfalls="with a shift the layer needs a bias, if it has none",
    mutants=[
        misconverts("forgets-shift", "the norm's shift is dropped", _without("shift", 0.0), needs="shift"),
        misconverts("forgets-gain", "the norm's gain is dropped", _without("gain", 1.0), needs="gain"),
        *usual_of_conversions("block/gain", "block/w"),
    ],
)
@st.composite
def fold_norm_gain(draw: st.DrawFn) -> Pair:
    """The gain and the shift of a norm may be made a part of the layer that reads it."""
    design = draw(gained_norms())
    net = embedded(draw, design.block())
    apart = domain(all=moderate, gain=told_apart)
    return conversion("fold-norm", net, net.around(design.plain), _fold_norm, design.architecture, domain=apart)


def _fold_batch_norm(design: BatchNormed) -> Function:
    def convert(element: Element, block: Params) -> Params:
        del element
        w, scale = block["w"], block["gain"] / jnp.sqrt(block["variance"] + design.epsilon)
        shift = block["shift"] - block["mean"] * scale
        if not design.norm_first:
            bias = shift + scale * block["b"] if "b" in block else shift
            return {"w": w * along(scale, w, w.ndim - 1), "b": bias}
        taps = jnp.sum(jnp.reshape(w, (-1, *w.shape[-2:])), axis=0)
        return {"w": w * along(scale, w, w.ndim - 2), "b": added(block, shift @ taps)}

    return convert


def _batch_norm_pair(draw: st.DrawFn, design: BatchNormed) -> Pair:
    length = () if not design.size else (design.size + draw(st.integers(0, 2)),)
    net = embedded(draw, design.block(), leading=(draw(batches()), *length), residual=not design.size)
    tame = domain(all=moderate, variance=at_least_a_tenth)
    own = {**design.architecture, "length": length}
    return conversion("fold-batch-norm", net, net.around(design.layer), _fold_batch_norm(design), own, domain=tame)


def _epsilon_twice(convert: Function, element: Element, block: Params) -> Params:
    return convert(element, {**block, "variance": block["variance"] + 1e-5})


@register(
    name="fold-batchnorm",
    reference=f"Jacob et al. 2018 (arXiv 1712.05877), §3.2: batch norms are folded into weights; {TOOLS}",
    action=(
        "s = γ / √(v + ε); behind a layer (W, b) ↦ (W diag(s), (b − μ) s + β); in front of it "
        "(W, b) ↦ (diag(s) W, b + (β − μ s) W), W summed over the taps of a convolution"
    ),
    **BETWEEN_MODELS,
    hypotheses=("running statistics (inference mode)", "nothing between the norm and the layer, zero padding included"),
    pitfalls="the bias passes the norm as well; in training mode there is nothing to fold",
    mutants=[
        misconverts("epsilon-twice", "ε is added to the variance once more", _epsilon_twice, needs="variance"),
        misconverts("forgets-mean", "the running mean is dropped", _without("mean", 0.0), needs="mean"),
        misconverts("forgets-bias", "the bias is dropped", _without("b", 0.0), needs="b"),
        *usual_of_conversions("block/variance", "block/w"),
    ],
)
@st.composite
def fold_batchnorm(draw: st.DrawFn) -> Pair:
    """A batch norm with running statistics is affine: it may be made a part of the layer on either side of it."""
    return _batch_norm_pair(draw, draw(batch_normed_layers()))


@register(
    name="fold-batchnorm-before-padding",
    reference="negative control of fold-batchnorm; own derivation",
    action="as fold-batchnorm, of a norm in front of a convolution that pads with zeros",
    control="zeros that are added behind the norm do not carry its shift, which the folded bias adds at the ends too",
)
@st.composite
def fold_batchnorm_before_padding(draw: st.DrawFn) -> Pair:
    """A batch norm is folded into the convolution behind it, across the padding between the two."""
    return _batch_norm_pair(draw, replace(draw(batch_normed_layers()), norm_first=True, size=2, padding=1))


# -- a stream with gains, folded and rotated --------------------------------------------------------------------------


def _fold_stream(params: Params) -> Params:
    """The gain of every block's norm in the hidden layer that reads it."""
    blocks: list[Params] = []
    for block in params["blocks"]:
        rest = {name: leaf for name, leaf in block.items() if name != "gain"}
        blocks.append({**rest, "w_in": block["w_in"] * along(block["gain"], block["w_in"], 0)})
    return {**params, "blocks": blocks}


def _rotated_stream(draw: st.DrawFn, convert: Callable[[Transformation], Function]) -> Pair:
    ends = draw(st.sampled_from(("dense", "untied", "tied")))
    design: Stream = draw(streams(norm="rms", least_width=2, gains=True, epsilons=(1e-2, 1e-5), ends=ends))  # pyright: ignore[reportArgumentType]
    d = design.width
    rotate = residual_stream(d, writes=design.writes, reads=design.reads, norm="rms")
    tame = domain(all=balanced, embed=told_apart, **{"blocks/*/gain": told_apart})
    own, group, target = design.architecture, groups.Orthogonal(d), replace(design, gains=False).net().apply
    return conversion("rotate-stream", design.net(), target, convert(rotate), own, group=group, domain=tame)


def _folded_first(rotate: Transformation) -> Function:
    return lambda element, params: rotate.on_params(element, _fold_stream(params))


def _folded_last(rotate: Transformation) -> Function:
    return lambda element, params: _fold_stream(rotate.on_params(element, params))


def _kept(name: str) -> Wrong:
    return lambda convert, element, params: {**convert(element, params), name: params[name]}


def _rotated_first(convert: Function, element: Element, params: Params) -> Params:
    ones = [{**block, "gain": jnp.ones_like(block["gain"])} for block in params["blocks"]]
    moved = convert(element, {**params, "blocks": ones})
    pairs = zip(moved["blocks"], params["blocks"], strict=True)
    return _fold_stream({**moved, "blocks": [{**block, "gain": old["gain"]} for block, old in pairs]})


@register(
    name="rotate-rmsnorm-stream",
    reference=f"{ASHKBOOS}; {TOOLS}",
    action="gains into their readers, diag(γ) A; then writers ↦ · Rᵀ, readers ↦ R ·, R ∈ O(d)",
    **BETWEEN_MODELS,
    hypotheses=("RMSNorm in front of every reader", "all that writes or reads the stream is converted"),
    pitfalls="gains are folded first; a table of positions is a writer, too",
    mutants=[
        misconverts("rotates-first", "gains are folded after the rotation", _rotated_first),
        misconverts("forgets-positions", "the positions are not rotated", _kept("positions"), needs="positions"),
        misconverts("forgets-embedding", "the embedding is not rotated", _kept("embed"), needs="embed"),
        *usual_of_conversions("blocks/0/gain", "blocks/0/w_out"),
    ],
)
@st.composite
def rotate_rmsnorm_stream(draw: st.DrawFn) -> Pair:
    """Once its gains are folded, the stream of an RMSNorm network may be written in any orthonormal basis."""
    return _rotated_stream(draw, _folded_first)


@register(
    name="rotate-before-folding",
    reference="negative control of rotate-rmsnorm-stream; own derivation",
    action="writers ↦ · Rᵀ, readers ↦ R ·, then gains into their readers",
    control="diag(γ) R A and R diag(γ) A are different: a gain belongs to features that the rotation has mixed",
)
@st.composite
def rotate_before_folding(draw: st.DrawFn) -> Pair:
    """A stream is rotated, and its gains are folded afterwards."""
    return _rotated_stream(draw, _folded_last)
