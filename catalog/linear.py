"""Linear layers one after the other: the general linear group of the space between them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import combined, hidden_units
from eqprop.claims import Outputs, Pair, Params
from eqprop.engine import Array
from eqprop.groups import Algebra
from eqprop.mutants import (
    backward_bends,
    backward_drops_term,
    claims_isometry,
    forgets,
    misstates_charge,
    scaled_gradient,
    second_derivative,
    slides_along_orbit,
    slips,
    stopped,
    third_derivative,
    usual,
    wrong_axis,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.domains import domain, skewed, told_apart
from eqprop.strategies.surroundings import Block, embedded, shifted, widths


def _apply(params: Params, h: Array) -> Outputs:
    hidden = h @ params["w_in"]
    if "b_in" in params:
        hidden = shifted(hidden, params["b_in"])
    return hidden @ params["w_out"]


def _charge(algebra: Algebra, params: Params) -> Array:
    """½⟨ξ, Wᵀ W + bᵀ b − A Aᵀ⟩ for symmetric ξ."""
    block = params["block"]
    gram = block["w_in"].T @ block["w_in"] - block["w_out"] @ block["w_out"].T
    return 0.5 * jnp.sum(algebra * (gram + jnp.outer(block["b_in"], block["b_in"]) if "b_in" in block else gram))


@register(
    name="linear-gl",
    reference=(
        "Du, Hu & Lee 2018 (arXiv 1806.00900), Thm 2.2: balancedness of linear layers; Zhao et al. 2023 (2210.17216): "
        "the group and its charges; second order after Yang & Ziyin (2512.21447)"
    ),
    action="(W, b, A) ↦ (W M, b M, M⁻¹ A) for rows h W + b, M ∈ GL(n)",
    generator="k_ξ = (W ξ, b ξ, −ξ A)",
    charge="Wᵀ W + bᵀ b − A Aᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −(∇_W L ξᵀ, ∇_b L ξᵀ, −ξᵀ ∇_A L): flat at critical points",
    hypotheses=("nothing but linear maps between the two layers",),
    pitfalls="only symmetric ξ give a charge; where W or A has no full rank the orbit is smaller",
    mutants=[
        forgets("block/w_out"),
        forgets("block/b_in"),
        wrong_inverse("block/w_out"),
        wrong_axis("block/w_in"),
        slips("block/w_in"),
        slips("block/w_out"),
        stopped("block/w_out"),
        scaled_gradient("block/w_in"),
        backward_drops_term("block/w_out"),
        second_derivative("block/w_in"),
        backward_bends("block/w_out"),
        third_derivative("block/w_in"),
        slides_along_orbit(),
        misstates_charge(),
        claims_isometry(),
    ],
)
@st.composite
def linear_gl(draw: st.DrawFn) -> Pair:
    """Two linear layers around a space of n hidden units keep their product when a basis change is put between them."""
    d_in, n, d_out = draw(widths()), draw(widths()), draw(widths())
    bias = draw(st.booleans())
    shapes = {"w_in": (d_in, n), "w_out": (n, d_out)} | ({"b_in": (n,)} if bias else {})
    net = embedded(draw, Block(_apply, shapes, d_in, d_out))
    writes = {"block/w_in": 1} | ({"block/b_in": 0} if bias else {})
    transformation = hidden_units(groups.GeneralLinear(n), writes=writes, reads={"block/w_out": 0}, name="gl")
    transformation = replace(transformation, charge=_charge)
    own = {"d_in": d_in, "hidden": n, "d_out": d_out, "bias": bias}
    return Pair(net.model("linear"), transformation, architecture={**own, **net.architecture})


@register(
    name="deep-linear-gl",
    reference="Du, Hu & Lee 2018 (arXiv 1806.00900), Thm 2.2; second order after Yang & Ziyin (2512.21447)",
    action="(W_1, …, W_L) ↦ (W_1 M_1, M_1⁻¹ W_2 M_2, …, M_{L−1}⁻¹ W_L), M_l ∈ GL(n_l)",
    generator="k_ξ = (W_1 ξ_1, −ξ_1 W_2 + W_2 ξ_2, …, −ξ_{L−1} W_L)",
    charge="W_lᵀ W_l − W_{l+1} W_{l+1}ᵀ at each interface",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("nothing but linear maps between the layers",),
    pitfalls="a bottleneck, or layers without full rank, make orbits smaller",
    mutants=[*usual("block/w0", "block/w1"), wrong_inverse("block/w2")],
)
@st.composite
def deep_linear_gl(draw: st.DrawFn) -> Pair:
    """Every space between the layers of a deep linear network has a basis change of its own."""
    sizes = tuple(draw(st.lists(widths(1, 3), min_size=4, max_size=5)))
    shapes = {f"w{i}": shape for i, shape in enumerate(pairwise(sizes))}
    net = embedded(draw, Block(_product, shapes, sizes[0], sizes[-1]), most_before=0, most_after=0, residual=False)
    moves = (
        hidden_units(groups.GeneralLinear(n), writes={f"block/w{i}": 1}, reads={f"block/w{i + 1}": 0}, name=f"gl{i}")
        for i, n in enumerate(sizes[1:-1])
    )
    return net.pair("deep-linear", combined(*moves, name="gl"), {"widths": sizes}, domain=domain(all=_not_cancelling))


def _not_cancelling(weights: np.ndarray) -> np.ndarray:
    """A product of matrices of ±1 would often vanish, and rounding be all that is left of it in another basis."""
    return told_apart(skewed(weights))


def _product(params: Params, h: Array) -> Array:
    for name in sorted(params):
        h = h @ params[name]
    return h
