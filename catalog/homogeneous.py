"""Networks that are homogeneous in all their parameters at once: general equivariances, the outputs scale too."""

from __future__ import annotations

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.claims import Inputs, Outputs, Pair, Params, Transformation
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import (
    Mutant,
    backward_bends,
    backward_scales,
    forgets,
    misapplies_to_outputs,
    scaled_gradient,
    second_derivative,
    slips,
    stopped,
    straight_through,
    wrong_inverse,
    wrong_power,
)
from eqprop.registry import register
from eqprop.strategies.activations import Activation, homogeneous_activations
from eqprop.strategies.architectures import dense_net
from eqprop.strategies.surroundings import Apply, Embedded, Shape, batches, examples, widths

WRONG_DEGREE = misapplies_to_outputs(
    lambda group, element: group.power(element, 2.0), name="wrong-degree", why="T has twice the degree of the outputs"
)


WEIGHTS = "layers/0/w"


def _mutants(path: str, weights: str = WEIGHTS) -> list[Mutant]:
    """Defects of K in one tensor of the first layer, and of derivatives there and in its weights."""
    return [
        forgets(path),
        WRONG_DEGREE,
        wrong_power(path),
        *(slips(slipping) for slipping in dict.fromkeys((weights, path))),
        stopped(weights),
        scaled_gradient(path),
        straight_through(weights),
        backward_scales(weights),
        second_derivative(path),
        backward_bends(weights),
    ]


def degree_in_parameters(depth: int, of_activation: int) -> int:
    """The degree p of a bias-free network of this depth: a layer adds 1, an activation of degree d multiplies by d."""
    degree = 1
    for _ in range(depth - 1):
        degree = of_activation * degree + 1
    return degree


@register(
    name="homogeneous-network",
    reference=(
        "Lyu & Li 2020 (arXiv 1906.05890): Euler's theorem for homogeneous networks; second order: the same theorem "
        "applied to ∇f, derived here"
    ),
    action="θ ↦ cθ, T = c^p, c > 0",
    generator="k_ξ = ξ θ, τ_ξ = p ξ y",
    charge="none: under gradient flow the norm grows, ½ d‖θ‖²/dt = −p⟨∇ℓ, f⟩",
    hessian="∇²f·θ = (p − 1) ∇f; for the loss, H θ + ∇L = Jᵀ ∇(p⟨∇ℓ, y⟩)",
    hypotheses=("no biases", "every activation homogeneous of one degree", "no residual connections"),
    pitfalls="the loss is not equivariant, only f is; biases and skip connections break it",
    mutants=_mutants(WEIGHTS),
)
@st.composite
def homogeneous_network(draw: st.DrawFn) -> Pair:
    """A bias-free network with homogeneous activations is homogeneous in its parameters; depth gives the degree."""
    degree = draw(st.sampled_from((1, 2)))
    drawn = dense_net(draw, homogeneous_activations(degree), bias=False, deepest=4 if degree == 1 else 3, alive=True)
    p = degree_in_parameters(drawn.depth, degree)
    transformation = Transformation(
        groups.Scaling(1),
        lambda c, params: jax.tree.map(lambda leaf: leaf * c[0], params),
        lambda c, y: y * c[0] ** p,
        name="scaling",
    )
    return Pair(drawn.net.model("homogeneous"), transformation, architecture=drawn.architecture)


@register(
    name="layerwise-homogeneous-network",
    reference=(
        "Euler's theorem layer by layer, after Lyu & Li 2020 (arXiv 1906.05890); second order, negative directions and "
        "the bound on the sharpness derived here"
    ),
    action="W_l ↦ c_l W_l for the layers l = 1 … n, T = Π c_l^(d^(n−l)), c_l > 0, d the degree of the activation",
    generator="k_ξ = (ξ_l W_l), τ_ξ = Σ ξ_l d^(n−l) y",
    charge="none: under gradient flow ½ d‖W_l‖²/dt = −d^(n−l)⟨∇ℓ, f⟩; for d = 1 the ‖W_l‖² − ‖W_m‖² are conserved",
    hessian="∇²f·W_l = (d^(n−l) − P_l) ∇f: of L = ⟨w, f⟩ > 0 n − 1 directions of negative curvature at least",
    hypotheses=("no biases", "every activation homogeneous of one degree", "no residual connections"),
    pitfalls="of one layer it says what homogeneous-network says",
    mutants=_mutants(WEIGHTS),
)
@st.composite
def layerwise_homogeneous_network(draw: st.DrawFn) -> Pair:
    """A bias-free network with homogeneous activations is homogeneous in each of its layers by itself."""
    degree = draw(st.sampled_from((1, 2)))
    drawn = dense_net(draw, homogeneous_activations(degree), bias=False, deepest=4 if degree == 1 else 3, alive=True)
    degrees = [degree ** (drawn.depth - 1 - place) for place in range(drawn.depth)]

    def on_params(c: Element, params: Params) -> Params:
        return {"layers": [{"w": layer["w"] * c[place]} for place, layer in enumerate(params["layers"])]}

    def on_outputs(c: Element, y: Array) -> Array:
        return y * math.prod(c[place] ** p for place, p in enumerate(degrees))

    transformation = Transformation(groups.Scaling(drawn.depth), on_params, on_outputs, name="layerwise-scaling")
    return Pair(drawn.net.model("homogeneous"), transformation, architecture=drawn.architecture)


@register(
    name="quasi-homogeneous-network",
    reference="Kunin et al. 2023 (arXiv 2210.03820): quasi-homogeneous networks; second order derived here",
    action="w_l ↦ c w_l, b_l ↦ c^l b_l for the layers l = 1 … L, T = c^L, c > 0",
    generator="k_ξ = ξ Λθ with Λ = 1 on weights, l on b_l; τ_ξ = L ξ y",
    charge="none: ½ d⟨θ, Λθ⟩/dt = −L⟨∇ℓ, f⟩ under gradient flow",
    hessian="∇²f·Λθ = (L − Λ) ∇f",
    hypotheses=("every activation homogeneous of degree 1", "no residual connections"),
    pitfalls="skip connections break it, because the branches would have different degrees",
    mutants=_mutants("layers/0/b"),
)
@st.composite
def quasi_homogeneous_network(draw: st.DrawFn) -> Pair:
    """With biases, a network is homogeneous of degree L where the bias of layer l scales with the l-th power."""
    drawn = dense_net(draw, homogeneous_activations(), bias=True, alive=True)
    depth = drawn.depth

    def on_params(c: Element, params: Params) -> Params:
        scaled = [
            {"w": layer["w"] * c[0], "b": layer["b"] * c[0] ** (place + 1)}
            for place, layer in enumerate(params["layers"])
        ]
        return {"layers": scaled}

    transformation = Transformation(groups.Scaling(1), on_params, lambda c, y: y * c[0] ** depth, name="quasi-scaling")
    return Pair(drawn.net.model("quasi-homogeneous"), transformation, architecture=drawn.architecture)


def _with_skips(activation: Activation) -> Apply:
    """Blocks h ↦ σ(h W₁) W₂ + h S, one after the other."""

    def apply(params: Params, inputs: Inputs) -> Outputs:
        h = inputs
        for block in params["blocks"]:
            h = activation(h @ block["w1"]) @ block["w2"] + h @ block["skip"]
        return h

    return apply


def _shapes(d_in: int, d_out: int, hidden: int) -> dict[str, Shape]:
    return {"w1": (d_in, hidden), "w2": (hidden, d_out), "skip": (d_in, d_out)}


@register(
    name="homogeneous-network-with-skips",
    reference="own derivation, after Lyu & Li 2020 (arXiv 1906.05890) and Kunin et al. 2023 (arXiv 2210.03820)",
    action="in each block (W₁, W₂, S) ↦ (a W₁, b W₂, a b S) of σ(h W₁) W₂ + h S, T = Π a b, a, b > 0",
    generator="k_(ξ, η) = (ξ W₁, η W₂, (ξ + η) S) in each block; τ = Σ (ξ + η) y",
    charge="½‖W₁‖² − ½‖W₂‖² per block, of the ξ = −η that leave S and the outputs; others grow",
    hessian="∇²f·k + Dkᵀ ∇f = ∇τ(f): of ξ = −η H k = −Dkᵀ ∇L",
    hypotheses=("no biases", "every activation homogeneous of degree 1", "skips are parameters"),
    pitfalls="a skip that is the identity does not scale, and breaks it",
    mutants=[*_mutants("blocks/0/w1", "blocks/0/w1"), forgets("blocks/0/skip"), wrong_inverse("blocks/0/skip")],
)
@st.composite
def homogeneous_network_with_skips(draw: st.DrawFn) -> Pair:
    """With skips that are parameters a network is homogeneous in each layer, if the skip around it follows."""
    count, sizes = draw(st.integers(1, 2)), draw(st.tuples(*[widths(2, 3)] * 4))
    activation, batch = draw(homogeneous_activations()), draw(batches(3))
    shapes = [_shapes(*ends, sizes[3]) for ends in list(pairwise(sizes[:3]))[:count]]
    params, inputs = examples({"blocks": shapes}, (batch, sizes[0]))

    def on_params(c: Element, params: Params) -> Params:
        powers = [(c[2 * i], c[2 * i + 1]) for i in range(count)]
        moved = [
            {"w1": block["w1"] * a, "w2": block["w2"] * b, "skip": block["skip"] * (a * b)}
            for block, (a, b) in zip(params["blocks"], powers, strict=True)
        ]
        return {"blocks": moved}

    move = Transformation(groups.Scaling(2 * count), on_params, lambda c, y: y * jnp.prod(c), name="with-skips")
    own = {"batch": batch, "widths": sizes, "blocks": count, "activation": activation.name}
    return Embedded(_with_skips(activation), params, inputs, {}).pair("homogeneous", move, own)
