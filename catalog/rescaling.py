"""Rescaling of hidden units: what a layer multiplies in, the next one divides out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Pair, Params
from eqprop.engine import Array
from eqprop.groups import Algebra
from eqprop.mutants import (
    backward_bends,
    backward_scales,
    claims_isometry,
    forgets,
    misstates_charge,
    mixes_logarithm,
    scaled_gradient,
    second_derivative,
    slides_along_orbit,
    slips,
    stopped,
    straight_through,
    third_derivative,
    usual,
    wrong_axis,
    wrong_inverse,
    wrong_power,
)
from eqprop.registry import register
from eqprop.strategies.activations import Activation, homogeneous_activations, smooth_activations
from eqprop.strategies.architectures import hidden_layer


def _rescaled(draw: st.DrawFn, activations: st.SearchStrategy[Activation], *, power: int = 1) -> Pair:
    layer = hidden_layer(draw, activations, least_hidden=2, least_batch=4)
    transformation = hidden_units(
        groups.Scaling(layer.hidden), writes=layer.writes, reads=layer.reads, power=power, name="rescaling"
    )
    transformation = replace(transformation, charge=partial(_charge, power))
    return layer.net.pair("hidden-layer", transformation, layer.architecture)


def _charge(power: int, algebra: Algebra, params: Params) -> Array:
    """½ Σ ξ (‖w‖² + b² − p ‖a‖²) over the hidden units."""
    block = params["block"]
    squares = jnp.sum(block["w_in"] ** 2, axis=0) - power * jnp.sum(block["w_out"] ** 2, axis=1)
    return 0.5 * jnp.dot(algebra, squares + block["b_in"] ** 2 if "b_in" in block else squares)


@register(
    name="relu-rescaling",
    reference=(
        "Du, Hu & Lee 2018 (arXiv 1806.00900), Thm 2.1: balancedness per unit; Kunin et al. 2021 (2012.04728): rescale "
        "symmetry, first and second order; Dinh et al. 2017 (1703.04933): sharpness along the orbit"
    ),
    action="(w, b, a) ↦ (c w, c b, a / c) for each hidden unit, c > 0",
    generator="k_ξ = (ξ w, ξ b, −ξ a)",
    charge="‖w‖² + b² − ‖a‖² for each unit",
    hessian="H k_ξ = −(ξ ∇_w L, ξ ∇_b L, −ξ ∇_a L): flat at critical points, sharpness varies along the orbit",
    hypotheses=("σ(cz) = c σ(z) for c > 0: ReLU, leaky ReLU, PReLU, |z|",),
    pitfalls="at a kink nothing is differentiable; a unit that is dead on the batch passes trivially",
    mutants=[
        forgets("block/w_out"),
        forgets("block/b_in"),
        wrong_inverse("block/w_out"),
        wrong_power("block/w_out"),
        wrong_axis("block/w_in"),
        slips("block/w_in"),
        slips("block/b_in"),
        stopped("block/w_out"),
        scaled_gradient("block/w_in"),
        straight_through("block/w_out"),
        backward_scales("block/w_in"),
        second_derivative("block/w_in"),
        second_derivative("block/w_out"),
        backward_bends("block/w_out"),
        third_derivative("block/w_in"),
        mixes_logarithm("block/w_in"),
        slides_along_orbit(),
        misstates_charge(),
        claims_isometry(),
    ],
)
@st.composite
def relu_rescaling(draw: st.DrawFn) -> Pair:
    """A hidden unit whose activation is positively homogeneous may be scaled up if its readers are scaled down."""
    return _rescaled(draw, homogeneous_activations())


@register(
    name="relu-power-rescaling",
    reference="own derivation, after relu-rescaling (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.1)",
    action="(w, b, a) ↦ (c w, c b, a / c^p) for each hidden unit, c > 0",
    generator="k_ξ = (ξ w, ξ b, −p ξ a)",
    charge="‖w‖² + b² − p ‖a‖² for each unit",
    hessian="H k_ξ = −(ξ ∇_w L, ξ ∇_b L, −p ξ ∇_a L): flat at critical points",
    hypotheses=("σ(cz) = c^p σ(z) for c > 0: the square of a ReLU",),
    pitfalls="for p = 2 the second derivative jumps at the kink",
    mutants=[*usual("block/w_in", "block/w_out"), wrong_power("block/w_out"), misstates_charge()],
)
@st.composite
def relu_power_rescaling(draw: st.DrawFn) -> Pair:
    """What a unit with a homogeneous activation of degree p is scaled by is divided out with its p-th power."""
    return _rescaled(draw, homogeneous_activations(2), power=2)


@register(
    name="rescaling-through-gelu",
    reference="control; GELU, SiLU, softplus and the sigmoid are not positively homogeneous",
    action="as relu-rescaling",
    control="a smooth activation with σ(cz) = c σ(z) would be linear: rescaling through GELU changes the outputs",
)
@st.composite
def rescaling_through_gelu(draw: st.DrawFn) -> Pair:
    """Rescaling as if GELU, SiLU, softplus or the sigmoid were homogeneous. Must be falsified at order 0."""
    return _rescaled(draw, smooth_activations())
