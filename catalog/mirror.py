"""Sign flips of hidden units: where σ(−z) is −σ(z), 1 − σ(z) or σ(z) − z, something downstream can absorb the flip."""

from __future__ import annotations

import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.claims import Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import (
    Mutant,
    acting_otherwise,
    backward_bends,
    backward_drops_term,
    backward_scales,
    forgets,
    leaf_at,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    straight_through,
    wrong_axis,
    wrong_inverse,
)
from eqprop.registry import register
from eqprop.strategies.activations import SIGMOID, odd_activations, skip_activations, smooth_activations
from eqprop.strategies.architectures import hidden_layer
from eqprop.strategies.domains import balanced, domain

MODERATE = domain(all=balanced)
"""A saturated unit has the derivative 1 − 1 up to rounding, and what K adds to a bias must not be absorbed by it."""


def _several(pair: Pair) -> bool:
    """Where there are units to permute: a rule that differs from unit to unit commutes with sign flips."""
    return pair.architecture["hidden"] > 1  # pyright: ignore[reportOperatorIssue]


@register(
    name="odd-mirror",
    reference=(
        "Godfrey et al. 2022 (arXiv 2205.14258): intertwiners of odd activations; Tran et al. 2024 (2409.11697): sign "
        "groups; Ziyin 2024 (2309.16932): mirror symmetries; second order derived here"
    ),
    action="(w, b, a) ↦ (±w, ±b, ±a) for each hidden unit, and permutations of the units",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ), K orthogonal: the spectrum is kept; at w = b = a = 0 H splits into two blocks",
    hypotheses=("σ(−z) = −σ(z): tanh, sin, erf",),
    pitfalls="no continuous flatness follows",
    mutants=[
        forgets("block/b_in"),
        forgets("block/w_out"),
        wrong_inverse("block/w_out").only(_several),
        wrong_axis("block/w_in"),
        slips("block/w_in"),
        straight_through("block/w_in"),
        scaled_gradient("block/w_out").only(_several),
        backward_drops_term("block/w_in").only(_several),
        second_derivative("block/w_in"),
        backward_bends("block/w_out"),
    ],
)
@st.composite
def odd_mirror(draw: st.DrawFn) -> Pair:
    """A hidden unit with an odd activation may change sign with everything that it reads and that reads it."""
    layer = hidden_layer(draw, odd_activations())
    transformation = hidden_units(
        groups.SignedPermutation(layer.hidden), writes=layer.writes, reads=layer.reads, name="mirror"
    )
    return Pair(layer.net.model("hidden-layer", domain=MODERATE), transformation, architecture=layer.architecture)


def _flip(signs: Element, block: Params) -> Params:
    """(w, b) ↦ s (w, b)."""
    return {**block, "w_in": block["w_in"] * signs[None, :]} | (
        {"b_in": block["b_in"] * signs} if "b_in" in block else {}
    )


def _flipped(signs: Element, units: Array) -> Array:
    """The rows (or entries) of the flipped units; zero elsewhere."""
    flipped = jnp.reshape(signs < 0, (-1,) + (1,) * (units.ndim - 1))
    return jnp.where(flipped, units, 0)


def _sigmoid_flip(signs: Element, params: Params) -> Params:
    block = params["block"]
    moved = {
        **_flip(signs, block),
        "w_out": block["w_out"] * signs[:, None],
        "b_out": block["b_out"] + jnp.sum(_flipped(signs, block["w_out"]), axis=0),
    }
    return {**params, "block": moved}


def _shear_the_wrong_way(pair: Pair, element: Element, params: Params, path: str) -> Array:
    return 2 * leaf_at(params, path) - leaf_at(pair.transformation.on_params(element, params), path)


@register(
    name="sigmoid-mirror",
    reference="derived here from σ(−z) = 1 − σ(z); the odd case: sign groups in Tran et al. 2024 (arXiv 2409.11697)",
    action="(w, b, a, c) ↦ (−w, −b, −a, c + a) for each hidden unit, c the output bias",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with a shear K: the inertia is kept, the spectrum is not",
    hypotheses=("σ(−z) = 1 − σ(z): the logistic sigmoid", "an output bias"),
    pitfalls="not an isometry, so nothing that needs orthogonal K follows",
    mutants=[
        forgets("block/b_out"),
        forgets("block/b_in"),
        Mutant("shears-the-wrong-way", 0, "K takes a from c", acting_otherwise("block/b_out", _shear_the_wrong_way)),
        slips("block/b_out"),
        slips("block/w_in"),
        stopped("block/b_out"),
        scaled_gradient("block/w_out"),
        straight_through("block/w_in"),
        backward_scales("block/b_out"),
        second_derivative("block/w_in"),
        backward_bends("block/w_out"),
    ],
)
@st.composite
def sigmoid_mirror(draw: st.DrawFn) -> Pair:
    """A sigmoid unit may change sign if the output bias takes up the constant that this leaves behind."""
    layer = hidden_layer(draw, st.just(SIGMOID), bias_out=True)
    transformation = Transformation(groups.Sign(layer.hidden), _sigmoid_flip, name="mirror")
    return Pair(layer.net.model("hidden-layer", domain=MODERATE), transformation, architecture=layer.architecture)


def _skip_flip(signs: Element, params: Params) -> Params:
    block = params["block"]
    absorbed = _flipped(signs, block["w_out"])
    moved = {**_flip(signs, block), "w_skip": block["w_skip"] + block["w_in"] @ absorbed}
    if "b_in" in block:
        moved["b_out"] = block["b_out"] + block["b_in"] @ absorbed
    return {**params, "block": moved}


@register(
    name="gelu-mirror",
    reference="derived here from σ(z) − σ(−z) = z; D²K terms after Yang & Ziyin (arXiv 2512.21447)",
    action="(w, b, a, S, c) ↦ (−w, −b, a, S + w aᵀ, c + b a) for each hidden unit; S a linear skip, c the output bias",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="DKᵀ H(Kθ) DK + Σᵢ ∂ᵢL(Kθ) ∇²Kᵢ = H(θ): K is nonlinear, its curvature couples w and b to a",
    hypotheses=(
        "σ(z) − σ(−z) = z: GELU, SiLU, softplus",
        "a linear skip past the hidden units",
        "an output bias with biases",
    ),
    pitfalls="without the curvature term of K the Hessian statement is wrong, however flat the loss",
    mutants=[
        forgets("block/w_skip"),
        forgets("block/b_out").only(lambda pair: bool(pair.architecture["bias"])),
        forgets("block/w_in"),
        slips("block/w_skip"),
        slips("block/w_in"),
        stopped("block/w_skip"),
        scaled_gradient("block/w_in"),
        straight_through("block/w_in"),
        backward_scales("block/w_skip"),
        second_derivative("block/w_in"),
        backward_bends("block/w_skip"),
    ],
)
@st.composite
def gelu_mirror(draw: st.DrawFn) -> Pair:
    """A GELU, SiLU or softplus unit may change sign if a linear skip takes up the linear map that is left."""
    layer = hidden_layer(draw, skip_activations(), bias_out=True, skip=True)
    transformation = Transformation(groups.Sign(layer.hidden), _skip_flip, name="mirror")
    return Pair(layer.net.model("hidden-layer", domain=MODERATE), transformation, architecture=layer.architecture)


@register(
    name="sign-flips-through-gelu",
    reference="control; GELU, SiLU, softplus and the sigmoid are not odd",
    action="(w, b, a) ↦ (−w, −b, −a) for each hidden unit",
    control="σ(−z) ≠ −σ(z): flipping a GELU unit as if it were odd changes the outputs",
)
@st.composite
def sign_flips_through_gelu(draw: st.DrawFn) -> Pair:
    """Sign flips as if GELU, SiLU, softplus or the sigmoid were odd. Must be falsified at order 0."""
    layer = hidden_layer(draw, smooth_activations())
    transformation = hidden_units(groups.Sign(layer.hidden), writes=layer.writes, reads=layer.reads, name="mirror")
    return Pair(layer.net.model("hidden-layer", domain=MODERATE), transformation, architecture=layer.architecture)
