"""Permutations of the units of recurrent cells: every gate's tensors follow, and recurrent kernels on both axes."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Pair, Params, Transformation
from eqprop.groups import Element, Tensor
from eqprop.mutants import (
    LeafRule,
    Mutant,
    acting_otherwise,
    backward_bends,
    backward_drops_term,
    forgets,
    leaf_at,
    scaled_gradient,
    second_derivative,
    slips,
    straight_through,
    usual,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.recurrent import GATES, CellKind, Recurrent, recurrent_cells
from eqprop.strategies.surroundings import Embedded, embedded


def _cell(draw: st.DrawFn, kinds: Sequence[CellKind]) -> tuple[Recurrent, Embedded]:
    """A cell in a random network."""
    cell = draw(st.sampled_from(kinds).flatmap(recurrent_cells))
    net = embedded(
        draw,
        cell.block(),
        leading=(draw(st.integers(1, 3)), cell.steps),
        most_before=1,
        most_after=0,
        residual=cell.readout == "every step",
    )
    return cell, net


TAME = domain(all=moderate)


def _permuted(draw: st.DrawFn, kinds: Sequence[CellKind]) -> Pair:
    """The units trade places in every tensor that writes or reads them."""
    cell, net = _cell(draw, kinds)
    move = hidden_units(groups.Permutation(cell.hidden), writes=cell.writes, reads=cell.reads, name="permutation")
    return net.pair(cell.kind, move, cell.architecture, domain=TAME)


def _leaves_gates(gates: slice) -> LeafRule:
    """K with some gates' part of a tensor (…, gates, hidden) left where it is."""

    def rule(pair: Pair, element: Element, params: Params, path: str) -> Tensor:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), path), leaf_at(params, path)
        stays = np.zeros((moved.shape[-2], 1), dtype=bool)
        stays[gates] = True
        return jnp.where(np.broadcast_to(stays, moved.shape), kept, moved)

    return rule


def _moves_written_axis_only(pair: Pair, element: Element, params: Params, path: str) -> Tensor:
    return pair.transformation.group.act(element, leaf_at(params, path), -1)


MUTANTS = (
    forgets("block/w_out"),
    forgets("block/h0"),
    Mutant(
        "forgets-recurrent-columns",
        0,
        "K permutes what the recurrent kernel writes, not what it reads",
        acting_otherwise("block/u", _moves_written_axis_only),
    ),
    Mutant(
        "forgets-bias-of-a-gate",
        0,
        "K leaves the bias of the second gate (an LSTM's forget gate, a GRU's update gate) alone",
        acting_otherwise("block/b", _leaves_gates(slice(1, 2))),
    ),
    Mutant(
        "permutes-one-gate-only",
        0,
        "K permutes the kernels and biases of the candidate, and leaves those of the other gates alone",
        acting_otherwise("block/[wub]", _leaves_gates(slice(0, -1))),
    ),
    wrong_inverse("block/w_out").only(lambda pair: pair.transformation.group.size != 2),
    slips("block/u"),
    slips("block/w"),
    scaled_gradient("block/u"),
    straight_through("block/w"),
    backward_drops_term("block/w_out"),
    second_derivative("block/w"),
    backward_bends("block/u"),
)


@register(
    name="recurrent-permutation",
    reference=(
        "own derivation, after Brea et al. 2019 (arXiv 1907.02911), permutation symmetry of hidden neurons; the cells: "
        "Hochreiter & Schmidhuber 1997, peepholes Gers & Schmidhuber 2000; Cho et al. 2014 (arXiv 1406.1078)"
    ),
    action="(w, b, p, h₀, c₀) ↦ (w Pᵀ, P b, P p, P h₀, P c₀), u ↦ P u Pᵀ for all gates, A ↦ P A",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("all units of a cell share their activations", "all gates permute together, and the initial state too"),
    pitfalls=(
        "backpropagation truncated between steps commutes with the permutation and stays unseen; a state that starts "
        "at zero meets the recurrent kernels from the second step on only"
    ),
    mutants=MUTANTS,
)
@st.composite
def recurrent_permutation(draw: st.DrawFn) -> Pair:
    """The units of an LSTM or GRU may trade places: all gates, both axes of recurrent kernels, states and readers."""
    return _permuted(draw, ("gru", "lstm"))


@register(
    name="lstm-permutation-forgets-a-gate",
    reference="negative control of recurrent-permutation; own derivation",
    action="as recurrent-permutation on an LSTM, with the forget gate's kernels and bias kept",
    control="the forget gate of a unit stays behind when the units trade places",
)
@st.composite
def lstm_permutation_forgets_a_gate(draw: st.DrawFn) -> Pair:
    """A permutation of an LSTM's units in three of its four gates. Must be falsified at order 0."""
    pair = _permuted(draw, ("lstm",))
    forget = GATES["lstm"].index("forget")
    broken = acting_otherwise("block/[wub]", _leaves_gates(slice(forget, forget + 1)))(pair)
    assert broken is not None, "every cell has kernels"
    return broken


STATE = ("h0", "c0", "p", "d")
"""What belongs to a unit as a whole: initial states, peepholes, the candidate's own bias."""


def _flipped(signs: Element, params: Params) -> Params:
    """Units change sign: in the candidate that writes them, in the state, and in all that reads them."""
    block = params["block"]
    gates = block["w"].shape[-2]
    is_candidate = jnp.arange(gates)[:, None] == gates - 1
    shape = (gates, signs.shape[0])
    written = jnp.where(jnp.broadcast_to(is_candidate, shape), jnp.broadcast_to(signs, shape), 1)
    moved = {
        name: block[name] * jnp.broadcast_to(written, block[name].shape) for name in ("w", "u", "b") if name in block
    }
    moved["u"] = moved["u"] * signs[:, None, None]
    moved["w_out"] = block["w_out"] * signs[:, None]
    moved |= {name: block[name] * jnp.broadcast_to(signs, block[name].shape) for name in STATE if name in block}
    return {**params, "block": {**block, **moved}}


@register(
    name="recurrent-sign",
    reference="own derivation, after the sign flips of odd activations (Godfrey et al. 2022, arXiv 2205.14258)",
    action="(w, u, b) of the candidate ↦ −, u ↦ −u on what it reads, (p, h₀, c₀, A) ↦ −, for any of the units",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="K H(Kθ) K = H(θ) with K diagonal: the spectrum is kept",
    hypotheses=("an odd candidate (tanh) and an odd squashing of the cell state", "linear peepholes"),
    pitfalls="the gates' own weights stay where they are; only what they read of the state changes sign",
    mutants=[
        *usual("block/u", "block/w_out", finite=True),
        forgets("block/h0"),
        Mutant("flips-gates-too", 0, "K flips the gates too", acting_otherwise("block/w", _moves_written_axis_only)),
    ],
)
@st.composite
def recurrent_sign(draw: st.DrawFn) -> Pair:
    """A unit of an LSTM or GRU may change sign, if its candidate does, and all that reads its state follows."""
    cell, net = _cell(draw, ("gru", "lstm"))
    flip = Transformation(groups.Sign(cell.hidden), _flipped, name="sign", isometry=True)
    return net.pair(cell.kind, flip, cell.architecture, domain=TAME)
