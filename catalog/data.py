"""Transformations of data: with K = id, what a model makes of reordered and shifted inputs; and with its parameters."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Pair, Transformation, unmoved
from eqprop.engine import Array
from eqprop.groups import Element, Group, Tensor
from eqprop.mutants import Mutant, bent_outputs, forgets, scaled_outputs, usual
from eqprop.registry import register
from eqprop.strategies.activations import GELU, SOFTPLUS, TANH
from eqprop.strategies.architectures import hidden_layer
from eqprop.strategies.attention import attentions
from eqprop.strategies.convolution import conv_nets
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.sets import deep_sets, signal_nets
from eqprop.strategies.surroundings import embedded

TAME = domain(all=moderate)
IN_OUTPUTS = tuple(m.only(lambda pair: pair.transformation.moves_outputs) for m in (scaled_outputs(), bent_outputs()))
"""Where the outputs stay, a defect of theirs is the same at both points."""

DATA = {
    "generator": "none: the group is finite",
    "charge": "none: the group is finite, and parameters stay",
    "hessian": "∇L and H at transformed data are those at the data: K = id",
}


def _along(group: Group, axis: int, *, outputs: bool, name: str) -> Transformation:
    """X on an axis of the inputs, T on the same axis of the outputs or nowhere, and K = id."""

    def act(element: Element, x: Tensor) -> Tensor:
        return group.act(element, x, axis)

    return Transformation(group, unmoved, act if outputs else unmoved, act, name=name, isometry=True)


def _inputs_stay(pair: Pair) -> Pair | None:
    """T moves the outputs, and X forgets to move the inputs."""
    move = pair.transformation
    if not move.moves_outputs:
        return None
    return pair.replaced(transformation=Transformation(move.group, move.on_params, move.on_outputs, name=move.name))


INPUTS_STAY = Mutant("inputs-stay", 0, "X leaves the inputs where they are", _inputs_stay)


@register(
    name="set-permutation",
    reference="Zaheer et al. 2017, Deep Sets (arXiv 1703.06114); second order after Yang & Ziyin (2512.21447)",
    action="K = id; X: members ↦ P members; T = P on outputs of members, id on their sum",
    **DATA,
    hypotheses=("members share their parameters and meet in sums only",),
    pitfalls="sums in another order round differently",
    mutants=[INPUTS_STAY, *IN_OUTPUTS],
)
@st.composite
def set_permutation(draw: st.DrawFn) -> Pair:
    """A model of sets does not tell the order of their members."""
    members, each, net = draw(deep_sets(least_members=3))
    move = _along(groups.Permutation(members), -2, outputs=each, name="permutation")
    return net.pair("deep-sets", move, {}, domain=TAME)


def _tokens_permuted(draw: st.DrawFn, *, rotary: bool) -> Pair:
    attention = draw(attentions(rotary=rotary).filter(lambda a: not a.causal and not a.alibi and a.kernel == "plain"))
    net = embedded(draw, attention.block(), leading=(draw(st.integers(1, 2)), attention.tokens), most_after=0)
    move = _along(groups.Permutation(attention.tokens), -2, outputs=True, name="permutation")
    return net.pair("attention", move, attention.architecture, domain=TAME)


@register(
    name="token-permutation",
    reference="Lee et al. 2019, Set Transformer (arXiv 1810.00825); second order after Yang & Ziyin (2512.21447)",
    action="K = id; X, T: tokens ↦ P tokens",
    **DATA,
    hypotheses=("no positions, no mask and no score offsets",),
    pitfalls="any position embedding, and a causal mask, break it",
    mutants=[INPUTS_STAY, *IN_OUTPUTS],
)
@st.composite
def token_permutation(draw: st.DrawFn) -> Pair:
    """Self-attention without positions returns reordered tokens where it is given reordered ones."""
    return _tokens_permuted(draw, rotary=False)


@register(
    name="token-permutation-with-positions",
    reference="negative control of token-permutation; own derivation",
    action="as token-permutation",
    control="rotary positions turn a token by its place: reordered tokens meet other angles",
)
@st.composite
def token_permutation_with_positions(draw: st.DrawFn) -> Pair:
    """The reordering of tokens is claimed in spite of rotary positions."""
    return _tokens_permuted(draw, rotary=True)


@register(
    name="signal-shift",
    reference="Cohen & Welling 2016 (arXiv 1602.07576): shifts and convolutions; second order after Yang & Ziyin",
    action="K = id; X: x(t) ↦ x(t − s) on a ring; T the same on signals that come out, id on their mean",
    **DATA,
    hypotheses=("circular padding", "stride 1"),
    pitfalls="zero padding and strides break it at the borders and between the steps",
    mutants=[INPUTS_STAY, *IN_OUTPUTS],
)
@st.composite
def signal_shift(draw: st.DrawFn) -> Pair:
    """A circular convolutional network returns shifted signals where it is given shifted ones."""
    length, signal, net = draw(signal_nets())
    return net.pair("signal-net", _along(groups.Cyclic(length), -2, outputs=signal, name="shift"), {}, domain=TAME)


@register(
    name="strided-signal-shift",
    reference="negative control of signal-shift; Zhang 2019 (arXiv 1904.11486): strides break shifts",
    action="as signal-shift, on the mean of what comes out",
    control="with stride 2 every other place is left out, and a shift by one changes which",
)
@st.composite
def strided_signal_shift(draw: st.DrawFn) -> Pair:
    """The invariance under shifts is claimed of a network with stride 2."""
    length, _, net = draw(signal_nets(stride=2, least_size=1).filter(lambda drawn: not drawn[1]))
    return net.pair("signal-net", _along(groups.Cyclic(length), -2, outputs=False, name="shift"), {}, domain=TAME)


# -- data and parameters together -------------------------------------------------------------------------------------


@register(
    name="joint-rotation",
    reference="own derivation after Yang & Ziyin (2512.21447), first order with ∂L/∂x",
    action="X: x ↦ x Rᵀ; W ↦ R W on the first layer, R ∈ O(d)",
    generator="k_ξ = ξ W, χ_ξ = x ξᵀ, ξ antisymmetric",
    charge="none: the data move too; over data with the same symmetry the angular momentum of W",
    hessian="D²f[k_ξ, ·] + ∂_x Df[χ_ξ, ·] + Df Dk_ξ = 0",
    hypotheses=("the first layer is linear in the inputs", "nothing else reads them"),
    pitfalls="on fixed data it is no symmetry of the loss, unless the data have it; a residual connection around the "
    "first layer carries inputs past it that have moved",
    mutants=usual("block/w_in", finite=True),
)
@st.composite
def joint_rotation(draw: st.DrawFn) -> Pair:
    """A network does not tell whether its inputs were turned, if its first layer is turned with them."""
    layer = hidden_layer(draw, st.sampled_from((TANH, GELU, SOFTPLUS)), least_in=2, most_before=0, residual=False)
    group = groups.Orthogonal(layer.net.inputs.shape[-1])
    turn = hidden_units(group, reads={"block/w_in": 0}, name="rotation")
    move = Transformation(
        group, turn.on_params, on_inputs=lambda r, x: group.act(r, x, -1), name="joint-rotation", isometry=True
    )
    return layer.net.pair("hidden-layer", move, layer.architecture, domain=TAME)


def _reversed(sign: Element, x: Array, axis: int) -> Array:
    """The array the other way round along an axis, where the sign is −1."""
    return jnp.where(sign[0] < 0, jnp.flip(x, axis), x)


@register(
    name="joint-reflection",
    reference="own derivation after Yang & Ziyin (2512.21447); data that are reflected at random: augmentation",
    action="X: x(t) ↦ x(−t); kernels the other way round; the head sees a mean over the signal",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="K H(Kθ; Xx) K = H(θ; x): over data with the symmetry, K H(Kθ) K = H(θ)",
    hypotheses=("a head that sees the mean over the signal",),
    pitfalls="a reflected kernel on data that are not reflected is another model",
    mutants=[forgets("kernel"), *usual("kernel", "kernel", finite=True)[1:]],
)
@st.composite
def joint_reflection(draw: st.DrawFn) -> Pair:
    """A convolutional network with a mean over the signal does not tell mirrored data with mirrored kernels."""
    activations = st.sampled_from((TANH, GELU, SOFTPLUS))
    design = draw(conv_nets(activations, poolings=("none",), least_size=2, head="global", depthwise=False))
    flip = Transformation(
        groups.Sign(1),
        lambda sign, params: {**params, "kernel": _reversed(sign, params["kernel"], 0)},
        on_inputs=lambda sign, x: _reversed(sign, x, -2),
        name="reflection",
        isometry=True,
    )
    return design.net().pair("conv-net", flip, design.architecture, domain=TAME)
