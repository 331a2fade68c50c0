"""Asymmetric networks: made to have none of the usual symmetries. Each is claimed here, and must be falsified."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Pair
from eqprop.groups import Group
from eqprop.registry import register
from eqprop.strategies.activations import IDENTITY, LEAKY_RELU, TANH, Activation
from eqprop.strategies.asymmetric import Kind, asymmetric_layers
from eqprop.strategies.domains import balanced, domain

LIM = "Lim et al. 2024 (arXiv 2405.20231)"
FIXED_WEIGHTS = f"negative control; {LIM}: networks with fixed weights"
FIXED_GATE = f"negative control; {LIM}: networks with a fixed matrix in their activation"
OWN = f"negative control; own derivation, after {LIM}"


def _claimed(draw: st.DrawFn, kind: Kind, activation: Activation, group: type[Group]) -> Pair:
    """A symmetry of the plain hidden layer, claimed of the asymmetric one."""
    hidden, net = draw(asymmetric_layers(kind, activation))
    writes = {"block/w_in": 1, "block/b_in": 0}
    move = hidden_units(group(hidden), writes=writes, reads={"block/w_out": 0})  # pyright: ignore[reportCallIssue]
    return net.pair("asymmetric", move, {}, domain=domain(all=balanced))


@register(
    name="frozen-weights-permutation",
    reference=FIXED_WEIGHTS,
    action="as neuron-permutation",
    control="one weight of every unit is a constant, and stays behind when the units trade places",
)
@st.composite
def frozen_weights_permutation(draw: st.DrawFn) -> Pair:
    """Hidden units that each have one fixed weight are permuted."""
    return _claimed(draw, "weights", TANH, groups.Permutation)


@register(
    name="frozen-weights-rescaling",
    reference=FIXED_WEIGHTS,
    action="as relu-rescaling",
    control="the trained weights of a unit are scaled, and the fixed one is not",
)
@st.composite
def frozen_weights_rescaling(draw: st.DrawFn) -> Pair:
    """Hidden units that each have one fixed weight are rescaled."""
    return _claimed(draw, "weights", LEAKY_RELU, groups.Scaling)


@register(
    name="frozen-weights-sign",
    reference=FIXED_WEIGHTS,
    action="as odd-mirror, signs only",
    control="the trained weights of a unit change sign, and the fixed one does not",
)
@st.composite
def frozen_weights_sign(draw: st.DrawFn) -> Pair:
    """Hidden units that each have one fixed weight change sign."""
    return _claimed(draw, "weights", TANH, groups.Sign)


@register(
    name="own-activations-permutation",
    reference=OWN,
    action="as neuron-permutation",
    control="every unit has an activation of its own",
)
@st.composite
def own_activations_permutation(draw: st.DrawFn) -> Pair:
    """Hidden units with different activations are permuted."""
    return _claimed(draw, "activations", TANH, groups.Permutation)


@register(
    name="own-activations-rescaling",
    reference=OWN,
    action="as relu-rescaling",
    control="the waves that are added to the activations are not homogeneous",
)
@st.composite
def own_activations_rescaling(draw: st.DrawFn) -> Pair:
    """Hidden units with different activations are rescaled."""
    return _claimed(draw, "activations", LEAKY_RELU, groups.Scaling)


@register(
    name="own-activations-sign",
    reference=OWN,
    action="as odd-mirror, signs only",
    control="the waves that are added to the odd activation are even",
)
@st.composite
def own_activations_sign(draw: st.DrawFn) -> Pair:
    """Hidden units with different activations change sign."""
    return _claimed(draw, "activations", TANH, groups.Sign)


@register(
    name="fixed-gate-permutation",
    reference=FIXED_GATE,
    action="as neuron-permutation",
    control="the fixed matrix of the gate does not commute with permutations",
)
@st.composite
def fixed_gate_permutation(draw: st.DrawFn) -> Pair:
    """Hidden units z that pass as z ∘ sigmoid(z F) with a fixed matrix F are permuted."""
    return _claimed(draw, "gate", IDENTITY, groups.Permutation)


@register(
    name="fixed-gate-rescaling",
    reference=FIXED_GATE,
    action="as relu-rescaling",
    control="the gate sees the sizes of all units",
)
@st.composite
def fixed_gate_rescaling(draw: st.DrawFn) -> Pair:
    """Hidden units z that pass as z ∘ sigmoid(z F) with a fixed matrix F are rescaled."""
    return _claimed(draw, "gate", IDENTITY, groups.Scaling)
