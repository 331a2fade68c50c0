"""Gated linear units, act(h W_g + b_g) ∘ (h W_u + b_u) then W_d: the up-projection against the down-projection."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import factor_swap, glu
from eqprop.claims import Outputs, Pair, Params
from eqprop.engine import Array
from eqprop.groups import Element, Group, Tensor
from eqprop.mutants import (
    Mutant,
    acting_otherwise,
    backward_bends,
    backward_drops_term,
    backward_straight_through,
    forgets,
    leaf_at,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    straight_through,
    usual,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.activations import ABS, GELU, IDENTITY, LEAKY_RELU, RELU, SIGMOID, SILU, Activation
from eqprop.strategies.surroundings import Apply, Block, Embedded, batches, dense, embedded, widths

GATES = (SILU, GELU, SIGMOID, IDENTITY)
"""SwiGLU, GEGLU, GLU, and the bilinear unit."""


def _glu(gate: Activation) -> Apply:
    def apply(params: Params, h: Array) -> Outputs:
        names = ("gate", "up", "down")
        layers = {n: {"w": params[f"w_{n}"]} | ({"b": params[f"b_{n}"]} if f"b_{n}" in params else {}) for n in names}
        return dense(layers["down"], gate(dense(layers["gate"], h)) * dense(layers["up"], h))

    return apply


class GatedUnit(NamedTuple):
    """A gated unit in a random network: its size, and what moves, by path."""

    net: Embedded
    hidden: int
    up: dict[str, int]
    gate: dict[str, int]
    own: dict[str, Hashable]


DOWN = {"block/w_down": 0}


def _gated_unit(draw: st.DrawFn, gates: tuple[Activation, ...], *, least: int = 1, batch: int = 1) -> GatedUnit:
    d_in, n, d_out = draw(widths()), draw(widths(least)), draw(widths())
    gate, bias = draw(st.sampled_from(gates)), draw(st.booleans())
    shapes: dict[str, tuple[int, ...]] = {"w_gate": (d_in, n), "w_up": (d_in, n), "w_down": (n, d_out)}
    shapes |= {"b_gate": (n,), "b_up": (n,), "b_down": (d_out,)} if bias else {}
    net = embedded(draw, Block(_glu(gate), shapes, d_in, d_out), leading=(draw(batches(batch)),))
    up, gated = ({f"block/w_{part}": 1} | ({f"block/b_{part}": 0} if bias else {}) for part in ("up", "gate"))
    return GatedUnit(net, n, up, gated, {"gate": gate.name, "d_in": d_in, "hidden": n, "d_out": d_out, "bias": bias})


def _up_against_down(draw: st.DrawFn, group: Callable[[int], Group]) -> Pair:
    unit = _gated_unit(draw, GATES)
    return unit.net.pair("glu", glu(unit.hidden, up=unit.up, down=DOWN, group=group(unit.hidden)), unit.own)


def _gate_too(pair: Pair) -> Pair | None:
    """K also moves the gate, as if it were homogeneous."""

    def rule(pair: Pair, element: Element, params: Params, path: str) -> Tensor:
        return pair.transformation.group.act(element, leaf_at(params, path), 1)

    return acting_otherwise("block/w_gate", rule)(pair)


GATE_TOO = Mutant("moves-the-gate-too", 0, "K moves the gate's weights as well as the up-projection's", _gate_too)


@register(
    name="glu-rescaling",
    reference=(
        "own derivation, after the rescaling of ReLU units (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.1); "
        "Shazeer 2020 (2002.05202): the units"
    ),
    action="(W_u, b_u) ↦ (W_u a, b_u a), W_d ↦ a⁻¹ W_d, one factor a > 0 per hidden unit",
    generator="k_ξ = (W_u ξ, b_u ξ, −ξ W_d), ξ diagonal",
    charge="‖u_i‖² + b_{u,i}² − ‖d_i‖² per unit",
    hessian="H k_ξ = −(∇_{W_u}L ξ, ∇_{b_u}L ξ, −ξ ∇_{W_d}L): flat at critical points",
    hypotheses=("any gate activation: the gate's weights and bias stay where they are",),
    pitfalls="the gate cannot be scaled, unless it is homogeneous; a closed gate passes trivially",
    mutants=[
        forgets("block/w_up"),
        forgets("block/b_up"),
        wrong_inverse("block/w_down"),
        GATE_TOO,
        slips("block/w_up"),
        slips("block/w_down"),
        stopped("block/w_down"),
        scaled_gradient("block/w_up"),
        backward_drops_term("block/w_down"),
        second_derivative("block/w_up"),
        backward_bends("block/w_down"),
    ],
)
@st.composite
def glu_rescaling(draw: st.DrawFn) -> Pair:
    """A gated unit is linear in its up-projection: a factor there is undone by its inverse in the down-projection."""
    return _up_against_down(draw, groups.Scaling)


@register(
    name="glu-sign",
    reference="own derivation; sign groups: Godfrey et al. 2022 (arXiv 2205.14258), Tran et al. 2024 (2409.11697)",
    action="(W_u, b_u) ↦ (W_u s, b_u s), W_d ↦ s W_d, one sign s = ±1 per hidden unit",
    generator="none: the group is finite, the other component of the nonzero factors of glu-rescaling",
    charge="none: the group is finite",
    hessian="K H(Kθ) K = H(θ) with K diagonal: the spectrum stays",
    hypotheses=("any gate activation: the gate's weights and bias stay where they are",),
    pitfalls="a gradient scaled by a constant for each entry commutes with signs and is invisible (see glu-rescaling)",
    mutants=[
        forgets("block/w_up"),
        forgets("block/b_up"),
        forgets("block/w_down"),
        GATE_TOO,
        slips("block/w_up"),
        slips("block/w_down"),
        straight_through("block/w_up"),
        backward_straight_through("block/w_down"),
        second_derivative("block/w_up"),
        backward_bends("block/w_down"),
    ],
)
@st.composite
def glu_sign(draw: st.DrawFn) -> Pair:
    """A gated unit is linear in its up-projection: a sign there is undone by the same sign in the down-projection."""
    return _up_against_down(draw, groups.Sign)


@register(
    name="reglu-rescaling",
    reference="own derivation, after the rescaling of ReLU units (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.1)",
    action="(W_u, b_u) ↦ a (W_u, b_u), (W_g, b_g) ↦ c (W_g, b_g), W_d ↦ W_d / (a c), a, c > 0 for each hidden unit",
    generator="k_(ξ, η) = (ξ W_u, ξ b_u, η W_g, η b_g, −(ξ + η) W_d)",
    charge="‖u_i‖² + b_{u,i}² − ‖d_i‖² and ‖g_i‖² + b_{g,i}² − ‖d_i‖² per unit",
    hessian="H k = −Dkᵀ ∇L with Dk diagonal: flat at critical points",
    hypotheses=("a positively homogeneous gate: ReLU, leaky ReLU, |z|",),
    pitfalls="the gate's factor is positive, that of the up-projection may be negative; a closed gate passes trivially",
    mutants=[*usual("block/w_gate", "block/w_down"), forgets("block/w_up"), wrong_inverse("block/w_down")],
)
@st.composite
def reglu_rescaling(draw: st.DrawFn) -> Pair:
    """With a homogeneous gate both projections of a gated unit share its size with the down-projection."""
    unit = _gated_unit(draw, (RELU, ABS, LEAKY_RELU), least=2, batch=4)
    move = glu(unit.hidden, up=unit.up, down=DOWN, gate=unit.gate, name="gate-up-down")
    return unit.net.pair("reglu", move, unit.own)


@register(
    name="bilinear-glu-swap",
    reference="own derivation; the bilinear unit: Shazeer 2020 (arXiv 2002.05202)",
    action="(W_u, b_u) ⇄ (W_g, b_g) in any of the hidden units",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K a permutation of parameters: the spectrum is kept",
    hypotheses=("a gate without activation",),
    pitfalls="the sign and the size of each factor are free as well",
    mutants=usual("block/w_gate", "block/w_up", finite=True),
)
@st.composite
def bilinear_glu_swap(draw: st.DrawFn) -> Pair:
    """The two factors of a bilinear unit may trade places."""
    unit = _gated_unit(draw, (IDENTITY,))
    trades = {up: (up.replace("_up", "_gate"), axis) for up, axis in unit.up.items()}
    swap = factor_swap(unit.hidden, trades, name="swap")
    return unit.net.pair("bilinear", swap, unit.own)
