"""What normalisation layers remove: scales and shifts of the linear map before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.model import Model
from eqprop.mutants import (
    Mutant,
    acting_otherwise,
    backward_bends,
    backward_drops_term,
    backward_scales,
    forgets,
    leaf_at,
    ramp,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    straight_through,
    third_derivative,
    wrong_inverse,
)
from eqprop.pair import Pair
from eqprop.registry import register
from eqprop.strategies.domains import at_least_a_tenth, domain, small, told_apart
from eqprop.strategies.norms import Normalised, batch_norms, group_norms
from eqprop.strategies.surroundings import Block, Embedded, embedded
from eqprop.transformation import Transformation

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
    norm = draw(batch_norms())
    net = embedded(draw, norm.block(), leading=(draw(st.integers(2, 4)),), most_before=1)

    def on_params(c: Any, params: Any) -> Any:
        block = params["block"]
        return {**params, "block": {**block, "w": block["w"] * c, "epsilon": block["epsilon"] * c**2}}

    scale = Transformation(groups.Scaling(norm.width), on_params, name="scale")
    model = net.model("batch-norm", domain=domain(all=small, epsilon=at_least_a_tenth))
    return Pair(model, scale, architecture={**norm.architecture, **net.architecture})


def _keeps_last_unit(pair: Pair, element: Any, params: Any, path: str) -> Any:
    moved, kept = leaf_at(pair.transformation.on_params(element, params), path), leaf_at(params, path)
    return jnp.concatenate([moved[..., :-1], kept[..., -1:]], axis=-1)


def _slips_unevenly(pair: Pair, element: Any, params: Any, path: str) -> Any:
    moved = leaf_at(pair.transformation.on_params(element, params), path)
    return moved * (1 + 1e-9 * ramp(moved))


SHIFT_MUTANTS = (
    Mutant(
        "forgets-last-unit", 0, "K leaves the last unit's weights alone", acting_otherwise("block/w", _keeps_last_unit)
    ),
    Mutant(
        "slips-in-w",
        0,
        "K is off by a relative 1e-9 or less in block/w, by more in later units",
        acting_otherwise("block/w", _slips_unevenly),
    ),
    scaled_gradient("block/w"),
    straight_through("block/w"),
    backward_drops_term("block/w"),
    second_derivative("block/w"),
    backward_bends("block/w"),
    third_derivative("block/w"),
)
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

    def on_params(shifts: Any, params: Any) -> Any:
        block = params["block"]
        per_unit = jnp.repeat(jnp.reshape(shifts, (-1, norm.groups)), norm.group_width, axis=1)
        shifted = {"w": block["w"] + per_unit[: norm.d_in]}
        if norm.bias:
            shifted["b"] = block["b"] + per_unit[norm.d_in]
        return {**params, "block": {**block, **shifted}}

    shift = Transformation(groups.Translation((norm.d_in + norm.bias) * norm.groups), on_params, name="shift")
    return Pair(_apart(norm, net), shift, architecture={**norm.architecture, **net.architecture})


def _apart(norm: Normalised, net: Embedded) -> Model:
    """The model, probed where no two features of the norm are equal."""
    apart = domain(w=told_apart, b=told_apart) if norm.bias else domain(w=told_apart)
    return net.model("layer-norm", domain=apart)


def _scaled_groups(norm: Normalised) -> Transformation:
    """(W, b) ↦ (W c, b c), one factor for each group of features."""

    def on_params(c: Any, params: Any) -> Any:
        block, per_unit = params["block"], jnp.repeat(c, norm.group_width)
        return {**params, "block": {**block, "w": block["w"] * per_unit, "b": block["b"] * per_unit}}

    return Transformation(groups.Scaling(norm.groups), on_params, name="scale")


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
    model = _apart(norm, net)
    return Pair(model, _scaled_groups(norm), architecture={**norm.architecture, **net.architecture})


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
    model = _apart(norm, net)
    return Pair(model, _scaled_groups(norm), architecture={**norm.architecture, **net.architecture})


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
    rotate = hidden_units(groups.Orthogonal(norm.width), writes=writes, reads={"block/w_out": 0}, name="rotation")
    own = {**norm.architecture, "d_out": d_out}
    return Pair(_apart(norm, net), rotate, architecture={**own, **net.architecture})
