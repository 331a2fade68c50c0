"""Permutations of hidden units, whatever the activation."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Pair
from eqprop.mutants import (
    backward_bends,
    backward_drops_term,
    forgets,
    scaled_gradient,
    second_derivative,
    slips,
    straight_through,
    wrong_axis,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.activations import activations
from eqprop.strategies.architectures import HiddenLayer, hidden_layer


def _permuted(layer: HiddenLayer, writes: dict[str, int]) -> Pair:
    transformation = hidden_units(
        groups.Permutation(layer.hidden), writes=writes, reads=layer.reads, name="permutation"
    )
    return Pair(layer.net.model("hidden-layer"), transformation, architecture=layer.architecture)


@register(
    name="neuron-permutation",
    reference=(
        "Brea et al. 2019 (arXiv 1907.02911) and Şimşek et al. 2021 (2105.12221): permutation symmetry of hidden "
        "neurons; second order derived here"
    ),
    action="(W, b, A) ↦ (W Pᵀ, P b, P A) for rows h W + b, P a permutation of the hidden units",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("one activation for all hidden units of the layer",),
    pitfalls="with a single unit there is nothing to permute",
    mutants=[
        forgets("block/b_in"),
        forgets("block/w_out"),
        wrong_inverse("block/w_out").only(lambda pair: pair.architecture["hidden"] > 2),  # pyright: ignore[reportOperatorIssue]
        wrong_axis("block/w_in"),
        slips("block/w_in"),
        scaled_gradient("block/w_in"),
        straight_through("block/w_out"),
        backward_drops_term("block/w_out"),
        # Carried along by every permutation: only the averages from θ to K_gθ tell, that of the gradient where g is no
        # involution.
        straight_through("block/w_in", 0.5, alike=True).only(lambda pair: pair.architecture["hidden"] > 2),  # pyright: ignore[reportOperatorIssue]
        second_derivative("block/w_in"),
        second_derivative("block/w_in", 0.5, alike=True),
        backward_bends("block/w_out"),
    ],
)
@st.composite
def neuron_permutation(draw: st.DrawFn) -> Pair:
    """The hidden units of a layer may trade places if everything that writes and reads them follows."""
    layer = hidden_layer(draw, activations(), least_hidden=2)
    return _permuted(layer, layer.writes)


@register(
    name="permutation-forgets-bias",
    reference="control; a usual mistake of permutation alignment",
    action="(W, b, A) ↦ (W Pᵀ, b, P A)",
    control="the biases stay behind when the units trade places",
)
@st.composite
def permutation_forgets_bias(draw: st.DrawFn) -> Pair:
    """A permutation of hidden units that leaves their biases where they are. Must be falsified at order 0."""
    layer = hidden_layer(draw, activations(), least_hidden=2, bias=True)
    return _permuted(layer, {"block/w_in": 1})
