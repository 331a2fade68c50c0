"""Asymmetric networks: made to have none of the usual symmetries. Each is claimed here, and must be falsified."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.groups.base import Group
from eqprop.pair import Pair
from eqprop.registry import register
from eqprop.strategies.activations import LEAKY_RELU, TANH, Activation
from eqprop.strategies.asymmetric import asymmetric_layers
from eqprop.strategies.domains import balanced, domain

LIM = "negative control; Lim et al. 2024 (arXiv 2405.20231): networks without parameter symmetries"


def _claimed(draw: st.DrawFn, kind: str, activation: Activation, group: type[Group]) -> Pair:
    """A symmetry of the plain hidden layer, claimed of the asymmetric one."""
    hidden, net = draw(asymmetric_layers(kind, activation))
    writes = {"block/w_in": 1, "block/b_in": 0}
    move = hidden_units(group(hidden), writes=writes, reads={"block/w_out": 0})  # pyright: ignore[reportCallIssue]
    return net.pair("asymmetric", move, {}, domain=domain(all=balanced))


@register(
    name="frozen-weights-permutation",
    reference=LIM,
    action="as neuron-permutation",
    control="a frozen matrix beside the trained one gives every unit a place of its own",
)
@st.composite
def frozen_weights_permutation(draw: st.DrawFn) -> Pair:
    """Hidden units with frozen weights besides the trained ones are permuted."""
    return _claimed(draw, "weights", TANH, groups.Permutation)


@register(
    name="frozen-weights-rescaling",
    reference=LIM,
    action="as relu-rescaling",
    control="the trained weights are scaled, and the frozen ones are not",
)
@st.composite
def frozen_weights_rescaling(draw: st.DrawFn) -> Pair:
    """Hidden units with frozen weights besides the trained ones are rescaled."""
    return _claimed(draw, "weights", LEAKY_RELU, groups.Scaling)


@register(
    name="frozen-weights-sign",
    reference=LIM,
    action="as odd-mirror, signs only",
    control="the trained weights change sign, and the frozen ones do not",
)
@st.composite
def frozen_weights_sign(draw: st.DrawFn) -> Pair:
    """Hidden units with frozen weights besides the trained ones change sign."""
    return _claimed(draw, "weights", TANH, groups.Sign)


@register(
    name="own-activations-permutation",
    reference=LIM,
    action="as neuron-permutation",
    control="every unit has an activation of its own",
)
@st.composite
def own_activations_permutation(draw: st.DrawFn) -> Pair:
    """Hidden units with different activations are permuted."""
    return _claimed(draw, "activations", TANH, groups.Permutation)


@register(
    name="own-activations-rescaling",
    reference=LIM,
    action="as relu-rescaling",
    control="the waves that are added to the activations are not homogeneous",
)
@st.composite
def own_activations_rescaling(draw: st.DrawFn) -> Pair:
    """Hidden units with different activations are rescaled."""
    return _claimed(draw, "activations", LEAKY_RELU, groups.Scaling)
