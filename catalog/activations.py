"""Activations with a symmetry of their own: the exponential, squares, and the sine's periods."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import half_periods, low_rank
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import Mutant, acting_otherwise, leaf_at, usual, wrong_axis, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.activations import EXP, SIN
from eqprop.strategies.architectures import hidden_layer
from eqprop.strategies.domains import balanced, domain, small
from eqprop.strategies.surroundings import Block, embedded

SECOND = "second order after Yang & Ziyin (2512.21447)"


def _raised(shifts: Element, params: Params) -> Params:
    """b + s and e^(−s) a for each hidden unit."""
    block = params["block"]
    factors = jnp.broadcast_to(jnp.exp(-shifts)[:, None], block["w_out"].shape)
    return {**params, "block": {**block, "b_in": block["b_in"] + shifts, "w_out": block["w_out"] * factors}}


@register(
    name="exponential-shift",
    reference=f"own derivation; {SECOND}",
    action="(b, a) ↦ (b + s, e^(−s) a) for each hidden unit",
    generator="k_ξ = (ξ, −ξ a): affine",
    charge="b − ½‖a‖² for each unit",
    hessian="H k_ξ = −(0, −ξ ∇_a L): flat at critical points",
    hypotheses=("σ(z) = e^z",),
    pitfalls="it overflows soon: probes keep weights at most 1 in size",
    mutants=[*usual("block/b_in", "block/w_out"), wrong_inverse("block/w_out")],
)
@st.composite
def exponential_shift(draw: st.DrawFn) -> Pair:
    """What the bias of an exponential unit adds, its readers can divide out."""
    layer = hidden_layer(draw, st.just(EXP), bias=True)
    shift = Transformation(groups.Translation(layer.hidden), _raised, name="shift")
    return layer.net.pair("exponential", shift, layer.architecture, domain=domain(all=small))


def _sum_of_squares(params: Params, h: Array) -> Array:
    return jnp.sum((h @ params["w"]) ** 2, axis=-1, keepdims=True)


@register(
    name="quadratic-orthogonal",
    reference=f"own derivation; quadratic networks: Du & Lee 2018 (arXiv 1803.01206); {SECOND}",
    action="W ↦ W Rᵀ for Σ_j (h w_j)², R ∈ O(n)",
    generator="k_ξ = W ξᵀ, ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric",
    hessian="H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
    hypotheses=("a quadratic activation", "readers of equal weight that are not trained"),
    pitfalls="readers of both signs leave the pseudo-orthogonal group O(p, q)",
    mutants=[*usual("block/w", finite=True)[1:], wrong_axis("block/w")],
)
@st.composite
def quadratic_orthogonal(draw: st.DrawFn) -> Pair:
    """A sum of squares of hidden units does not tell rotations and reflections of them."""
    d_in, n = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    net = embedded(draw, Block(_sum_of_squares, {"w": (d_in, n)}, d_in, 1))
    move = low_rank(n, writes={"block/w": 1}, name="rotation")
    return net.pair("quadratic", move, {"d_in": d_in, "hidden": n}, domain=domain(all=balanced))


def _turns_whole(pair: Pair, element: Element, params: Params, path: str) -> Array:
    return leaf_at(pair.transformation.on_params(2 * element, params), path)


@register(
    name="sine-shift",
    reference=f"own derivation; sinusoidal networks: Sitzmann et al. 2020 (arXiv 2006.09661); {SECOND}",
    action="(b, a) ↦ (b + π m, (−1)^m a) for each hidden unit, m a whole number",
    generator="none: the group is discrete",
    charge="none: the group is discrete",
    hessian="DKᵀ H(Kθ) DK = H(θ) with DK a diagonal of signs: the spectrum is kept",
    hypotheses=("σ = sin", "a bias"),
    pitfalls="with a frequency ω in front of the bias the shift is π / ω",
    mutants=[
        *usual("block/b_in", "block/w_out", finite=True)[:1],
        Mutant("turns-twice", 0, "K shifts b by twice as much", acting_otherwise("block/b_in", _turns_whole)),
        *usual("block/b_in", "block/w_out", finite=True)[2:],
    ],
)
@st.composite
def sine_shift(draw: st.DrawFn) -> Pair:
    """Half a period in the bias of a sine unit changes its sign, which its readers can take back."""
    layer = hidden_layer(draw, st.just(SIN), bias=True)
    shift = half_periods(layer.hidden, bias="block/b_in", reads={"block/w_out": 0})
    return layer.net.pair("sine", shift, layer.architecture, domain=domain(all=small))
