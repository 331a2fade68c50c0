"""What normalisation layers remove: scales and shifts of the linear map before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from eqprop.actions import combined, norm_scale, residual_stream, softmax_shift, translations
from eqprop.claims import Pair, Transformation
from eqprop.mutants import (
    backward_bends,
    backward_drops_term,
    backward_scales,
    forgets,
    forgets_part,
    leaks_into,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    third_derivative,
    usual,
    usual_of_shifts,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.domains import Domain, at_least_a_tenth, balanced, domain, small, told_apart
from eqprop.strategies.norms import Normalised, batch_norms, group_norms
from eqprop.strategies.surroundings import Block, Embedded, embedded

KUNIN = "Kunin et al. 2021, Neural Mechanics (arXiv 2012.04728)"


@register(
    name="batchnorm-scale-with-epsilon",
    reference=f"own derivation (ε transformed too, so exact at any ε); for ε = 0 {KUNIN}, scale symmetry of batch norm",
    action="(W, ε) ↦ (W c, ε c²), one factor c > 0 per feature",
    generator="k_ξ = (W ξ, 2 ε ξ), ξ diagonal",
    charge="½‖w_i‖² + ε_i² per feature, where ε is trained",
    hessian="H k_ξ = −(∇_W L ξ, 2 ∇_ε L ξ)",
    hypotheses=("statistics of the batch (training mode)", "ε > 0, one for each feature"),
    pitfalls=(
        "with ε kept it holds up to O(ε) only; a batch of one is constant; ε far below the variance makes the gradient "
        "of W a difference of equal numbers (probes keep ε ≥ 0.1)"
    ),
    mutants=[
        forgets("block/w"),
        forgets("block/epsilon"),
        wrong_inverse("block/epsilon"),
        slips("block/w"),
        slips("block/epsilon"),
        stopped("block/epsilon"),
        scaled_gradient("block/w"),
        backward_scales("block/epsilon"),
        second_derivative("block/w"),
        backward_bends("block/epsilon"),
    ],
)
@st.composite
def batchnorm_scale_with_epsilon(draw: st.DrawFn) -> Pair:
    """A feature behind a batch norm keeps its value when its weights are scaled by c and its ε by c²."""
    norm, net = _batch_normed(draw)
    scale = norm_scale(norm.width, writes={"block/w": 1}, epsilon={"block/epsilon": 0}, name="scale")
    tame = domain(all=small, epsilon=at_least_a_tenth)
    return net.pair("batch-norm", scale, norm.architecture, domain=tame)


def _batch_normed(draw: st.DrawFn, **options: Any) -> tuple[Normalised, Embedded]:
    """A batch norm in a random network, with two samples or more."""
    norm = draw(batch_norms(**options))
    return norm, embedded(draw, norm.block(), leading=(draw(st.integers(2, 4)),), most_before=1)


@register(
    name="batchnorm-scale",
    reference=f"{KUNIN}, scale symmetry of batch norm",
    action="W ↦ W c, one factor c > 0 per feature",
    generator="k_ξ = W ξ, ξ diagonal",
    charge="‖w_i‖² per feature",
    hessian="H k_ξ = −∇_W L ξ: indefinite where the gradient is not 0",
    hypotheses=("statistics of the batch (training mode)", "ε = 0", "three samples or more"),
    pitfalls="with ε > 0 it holds up to O(ε / variance) only; two samples of a feature are mapped to ±1",
    # A gradient that is stopped altogether is orthogonal to W, too.
    mutants=[forgets_part("block/w"), slips("block/w"), *usual("block/w")[3:]],
)
@st.composite
def batchnorm_scale(draw: st.DrawFn) -> Pair:
    """A feature behind a batch norm without ε keeps its value when its weights are scaled."""
    norm = draw(batch_norms(epsilon=0.0))
    norm = replace(norm, d_in=norm.d_in + 1)
    net = embedded(draw, norm.block(), leading=(draw(st.integers(3, 4)),), most_before=0)
    move = norm_scale(norm.width, writes={"block/w": 1}, name="scale")
    return net.pair("batch-norm", move, norm.architecture, domain=domain(all=balanced))


@register(
    name="batchnorm-bias-shift",
    reference=f"own derivation, after {KUNIN}, translation symmetry",
    action="b ↦ b + β on the bias before the norm, together with batchnorm-scale-with-epsilon on the weights",
    generator="k_(β, ξ) = (β, W ξ, 2 ε ξ) on (b, W, ε)",
    charge="b, besides ½‖w_i‖² + ε_i² per feature",
    hessian="H (β, 0) = 0 everywhere: every direction of b is flat",
    hypotheses=("statistics of the batch (training mode)", "any ε"),
    pitfalls="the gradient of b vanishes: alone the claim would compare rounding; it is verified with the scale",
    mutants=[*usual("block/w", "block/epsilon"), leaks_into("block/b")],
)
@st.composite
def batchnorm_bias_shift(draw: st.DrawFn) -> Pair:
    """A bias before a batch norm is taken off again with the mean."""
    norm, net = _batch_normed(draw, bias=True)
    scale = norm_scale(norm.width, writes={"block/w": 1}, epsilon={"block/epsilon": 0}, name="scale")
    move = combined(translations(net.params, {"block/b": None}), scale, name="shift-and-scale")
    return net.pair("batch-norm", move, norm.architecture, domain=domain(all=small, epsilon=at_least_a_tenth))


SHIFT_MUTANTS = (*usual_of_shifts("block/w"), third_derivative("block/w"))
"""Of W + a 1ᵀ. A forgotten bias or a stopped tensor is no defect: each tensor's shift is a symmetry by itself."""


@register(
    name="layernorm-shift",
    reference=f"{KUNIN}, translation symmetry; groups and second order: own derivation after Yang & Ziyin (2512.21447)",
    action="W ↦ W + a 1ᵀ, b ↦ b + β 1 in each group of features",
    generator="k_ξ = (a 1ᵀ, β 1), constant",
    charge="row sums of W and the sum of b, in each group",
    hessian="H k_ξ = 0 everywhere: one flat direction for each input feature, and one for the bias",
    hypotheses=("a layer or group norm that subtracts the mean, with any ε",),
    pitfalls="RMSNorm does not subtract the mean; a residual connection around the norm must not start behind W",
    mutants=SHIFT_MUTANTS,
)
@st.composite
def layernorm_shift(draw: st.DrawFn) -> Pair:
    """A layer norm, and each group of a group norm, forgets what is added to all of its features alike."""
    # With one input feature, x·(w + a) − mean is compiled to one fused multiply-add: the rounding of w + a is then the
    # only one, it is the same in every perturbed copy (a moves on its own grid), and no floor sees it.
    norm = draw(group_norms(least_in=2))
    net = embedded(draw, norm.block())
    axes = {"block/w": (1, norm.groups)} | ({"block/b": (0, norm.groups)} if norm.bias else {})
    return net.pair("layer-norm", softmax_shift(net.params, axes), norm.architecture, domain=_apart(norm))


def _apart(norm: Normalised) -> Domain:
    """Where no two features of the norm are equal."""
    return domain(w=told_apart, b=told_apart) if norm.bias else domain(w=told_apart)


def _scaled_groups(norm: Normalised) -> Transformation:
    """(W, b) ↦ (W c, b c), one factor for each group of features."""
    writes = {"block/w": "d_in (units members)", "block/b": "(units members)"}
    return norm_scale(norm.groups, writes=writes, name="scale")


@register(
    name="layernorm-scale",
    reference=f"{KUNIN}, scale symmetry; groups and second order: own derivation after Yang & Ziyin (2512.21447)",
    action="(W, b) ↦ (W c, b c), one factor c > 0 per group of features",
    generator="k_ξ = (W ξ, b ξ)",
    charge="½‖W‖² + ½‖b‖² in each group",
    hessian="H k_ξ = −(∇_W L ξ, ∇_b L ξ): indefinite where the gradient is not 0",
    hypotheses=("ε = 0", "the features of a group are not all equal"),
    pitfalls="with ε > 0 it holds up to O(ε / variance) only; equal features give 0/0, which the probes' bias avoids",
    mutants=[
        forgets("block/b"),
        wrong_inverse("block/b"),
        slips("block/w"),
        slips("block/b"),
        stopped("block/b"),
        scaled_gradient("block/w"),
        backward_drops_term("block/w"),
        second_derivative("block/w"),
        backward_bends("block/b"),
    ],
)
@st.composite
def layernorm_scale(draw: st.DrawFn) -> Pair:
    """A layer norm without ε, and each group of such a group norm, forgets the scale of what it normalises."""
    norm = draw(group_norms(epsilons=(0.0,), bias=True))
    net = embedded(draw, norm.block())
    return net.pair("layer-norm", _scaled_groups(norm), norm.architecture, domain=_apart(norm))


@register(
    name="layernorm-scale-any-epsilon",
    reference="negative control of layernorm-scale; own derivation",
    action="as layernorm-scale",
    control="with ε > 0 the norm of small features is smaller: the scale symmetry is broken by a relative ε / variance",
)
@st.composite
def layernorm_scale_any_epsilon(draw: st.DrawFn) -> Pair:
    """The scale symmetry of a layer norm is claimed exact at the ε > 0 that every library uses."""
    norm = draw(group_norms(bias=True))
    net = embedded(draw, norm.block())
    return net.pair("layer-norm", _scaled_groups(norm), norm.architecture, domain=_apart(norm))


@register(
    name="layernorm-rotation",
    reference="negative control of the RMSNorm rotation (Ashkboos et al. 2024, SliceGPT, arXiv 2401.15024)",
    action="writers (W, b) ↦ (W Rᵀ, b Rᵀ), readers A ↦ R A, R orthogonal",
    control="subtracting the mean singles out the direction 1, which a rotation moves; RMSNorm has no such direction",
)
@st.composite
def layernorm_rotation(draw: st.DrawFn) -> Pair:
    """A stream with a layer norm between its writer and its reader is rotated as if the norm were RMSNorm."""
    norm = replace(draw(group_norms()), groups=1, affine=False)
    d_out, inner = draw(st.integers(1, 3)), norm.block()
    shapes = {**inner.shapes, "w_out": (norm.width, d_out)}
    block = Block(lambda params, h: inner.apply(params, h) @ params["w_out"], shapes, norm.d_in, d_out)
    net = embedded(draw, block)
    writes = {"block/w": 1} | ({"block/b": 0} if norm.bias else {})
    rotate = residual_stream(norm.width, writes=writes, reads={"block/w_out": 0}, norm="rms", name="rotation")
    return net.pair("layer-norm", rotate, {**norm.architecture, "d_out": d_out}, domain=_apart(norm))
