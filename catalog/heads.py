"""Heads: the last linear map and the function behind it that a loss looks at."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import softmax_shift as softmax_shift_of
from eqprop.catalog.norms import KUNIN, SHIFT_MUTANTS
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import (
    backward_bends,
    backward_scales,
    forgets,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.domains import domain, moderate, small
from eqprop.strategies.surroundings import Block, dense, embedded, widths


def _log_probabilities(params: Params, h: Array) -> Array:
    """log softmax(tanh(h) W + b): with bounded features the softmax does not saturate.

    Where it does, 1 + e^(−z) is rounded alike in every perturbed copy, and no rounding floor sees the error in what is
    left of gradients.
    """
    return jax.nn.log_softmax(dense(params, jnp.tanh(h)), axis=-1)


def _focal_loss(classes: int, gamma: int) -> Callable[[Array], Array]:
    """−(1 − p)^γ log p of the labels 0, 1, … in turn (Lin et al. 2017, arXiv 1708.02002).

    γ = 0, cross-entropy, is linear in log-probabilities: its Gauss–Newton matrix vanishes. The losses that are drawn
    where a model has none do not all fit: the exponential one with targets −1 is the sum of the probabilities.
    """

    def loss(log_probabilities: Array) -> Array:
        labels = jnp.arange(log_probabilities.shape[0]) % classes
        of_label = jnp.sum(jax.nn.one_hot(labels, classes) * log_probabilities, axis=-1)
        return -jnp.mean((1 - jnp.exp(of_label)) ** gamma * of_label)

    return loss


@register(
    name="softmax-shift",
    reference=f"{KUNIN}, translation symmetry of softmax; Hessian identity after Yang & Ziyin (2512.21447)",
    action="W ↦ W + a 1ᵀ, b ↦ b + s 1: the same vector added to every class",
    generator="k_ξ = (a 1ᵀ, s 1), constant",
    charge="row sums of W (one for each feature) and the sum of b",
    hessian="H k_ξ = 0 everywhere: d_in + 1 flat directions",
    hypotheses=("the loss sees log-probabilities only",),
    pitfalls="a z-loss on the log-normaliser breaks it, weight decay breaks the conservation; one class is constant",
    mutants=SHIFT_MUTANTS,
)
@st.composite
def softmax_shift(draw: st.DrawFn) -> Pair:
    """Log-probabilities of a softmax head forget what is added to the logits of all classes alike."""
    d_in, classes, bias = draw(widths(1, 4)), draw(widths(2, 5)), draw(st.booleans())
    shapes = {"w": (d_in, classes)} | ({"b": (classes,)} if bias else {})
    net = embedded(draw, Block(_log_probabilities, shapes, d_in, classes), most_before=1, most_after=0, residual=False)
    shift = softmax_shift_of(net.params, {"block/w": 1} | ({"block/b": 0} if bias else {}))
    gamma = draw(st.integers(1, 2))
    tame = domain(w=small, b=small) if bias else domain(w=small)
    own = {"d_in": d_in, "classes": classes, "bias": bias, "gamma": gamma}
    return net.pair("softmax-head", shift, own, domain=tame, loss=_focal_loss(classes, gamma))


def _sample_losses(params: Params, h: Array) -> Array:
    """exp(−margin) of every sample, the margin being h w + c."""
    return jnp.exp(-(h @ params["w"] + params["c"]))


def _raised_margin(s: Element, params: Params) -> Params:
    return {**params, "block": {**params["block"], "c": params["block"]["c"] + s}}


@register(
    name="exponential-margin-bias",
    reference="own derivation after Yang & Ziyin (2512.21447); exponential tails: Lyu & Li 2020 (arXiv 1906.05890)",
    action="c ↦ c + s on the margin's bias, T_s y = e^(−s) y on the losses exp(−margin) of the samples",
    generator="k_ξ = ξ e with e the direction of c; τ_ξ(y) = −ξ y",
    charge="none: with L the mean of the losses, ċ = L under gradient flow",
    hessian="H e = −∇L and eᵀ H e = L: the gradient is in the range of H",
    hypotheses=("the same label for all samples, or margins that carry their label but for the bias",),
    pitfalls="with labels ±1 on f + c the bias raises some margins and lowers others; large margins underflow",
    mutants=[
        forgets("block/c"),
        wrong_inverse("block/c"),
        slips("block/c"),
        stopped("block/c"),
        scaled_gradient("block/c"),
        backward_scales("block/c"),
        second_derivative("block/c"),
        backward_bends("block/c"),
    ],
)
@st.composite
def exponential_margin_bias(draw: st.DrawFn) -> Pair:
    """Raising every margin by s multiplies the exponential loss of every sample by e^(−s)."""
    d_in, averaged = draw(widths(1, 4)), draw(st.booleans())
    block = Block(_sample_losses, {"w": (d_in, 1), "c": (1,)}, d_in, 1)
    net = embedded(draw, block, most_before=1, most_after=0, residual=False)
    raised = Transformation(
        groups.Translation(1), _raised_margin, on_outputs=lambda s, y: jnp.exp(-s) * y, name="margin-bias"
    )
    loss = jnp.mean if averaged else jnp.sum
    own = {"d_in": d_in, "averaged": averaged}
    return net.pair("margin", raised, own, domain=domain(all=moderate), loss=loss)
