"""Layers that are homogeneous one by one: how each bends the loss, on its own and with the others.

The directions W_j, a layer's own parameters, span a space on which the Hessian is known: from it directions of negative
curvature are counted, and the sharpness at interpolation is bounded from below.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, norm, repeated, scaled
from eqprop.properties.base import Property
from eqprop.properties.consequences import FIRST_AND_SECOND, form_size, generator_of, rate_of
from eqprop.properties.critical_points import critical_gradient
from eqprop.properties.hypotheses import continuous, layered, one_model, still_inputs
from eqprop.properties.numerics import combined, eliminated
from eqprop.properties.parts import Part, Sides, in_params, magnitudes, of_numbers, only_where, uncancelled
from eqprop.properties.point import Point
from eqprop.properties.traits import layers_of

SOURCE = "derived here: Euler's theorem block by block; p_j = 1 for the layers of deep linear and ReLU networks"
HYPOTHESES = (continuous, one_model, still_inputs, layered)

POWER_STEPS = 6

CLEAR = 1e-6
"""Of the size of its terms: a readout that is nearer to 0 has no clear sign."""


class _Layers:
    """The blocks W_j with their degrees p_j, and the projections P_j to them."""

    def __init__(self, point: Point) -> None:
        blocks = layers_of(point.pair)
        self.degrees = np.array([rate_of(block) for block in blocks])
        self.fields: list[Local] = [generator_of(point, block) for block in blocks]
        self.weights: list[Tree] = [field.value for field in self.fields]
        self.lengths: Array = jnp.stack([inner(w, w) for w in self.weights])

    def form(self, images: list[Tree]) -> Array:
        """The matrix ⟨W_i, H W_j⟩, from the H W_j."""
        return jnp.stack([jnp.stack([inner(w, image) for image in images]) for w in self.weights])

    def form_size(self, point: Point, product: Callable[[Tree], Tree]) -> Array:
        """The size of the terms in its entries."""
        terms = [uncancelled(product, w, point.theta) for w in self.weights]
        return jnp.max(jnp.stack([form_size(w, t) for w in self.weights for t in terms]))


def _layers(point: Point) -> _Layers:
    return point.once("layers", lambda: _Layers(point))


def _layer_curvature(point: Point) -> Sides:
    layers, gradient, y = _layers(point), point.gradient, point.here.value
    product, slope, loss = gradient.push, gradient.value, point.loss_near(y)
    bent = loss.push(y)
    curved, images = point.here.pull(bent), [product(w) for w in layers.weights]
    parts: list[Part] = []
    for j, (p, field, image) in enumerate(zip(layers.degrees, layers.fields, images, strict=True)):
        rhs = combined(float(p), add(slope, curved), -1.0, field.push(slope))
        terms = add(
            uncancelled(product, field.value, point.theta), add(magnitudes(slope, p + 1), magnitudes(curved, p))
        )
        parts.append(in_params(point, image, rhs, terms, label=f"H W_{j + 1}, degree {p:g}"))
    first, second, degrees = inner(loss.value, y), inner(y, bent), layers.degrees
    expected = np.outer(degrees, degrees) * (first + second) - np.diag(degrees) * first
    size = layers.form_size(point, product)
    size += degrees.max() ** 2 * (inner_magnitude(loss.value, y) + inner_magnitude(y, bent))
    return only_where(
        jnp.all(layers.lengths > 0), (*parts, of_numbers(layers.form(images), expected, size, label="⟨W_i, H W_j⟩"))
    )


def _layer_spectrum(point: Point) -> Sides:
    return (*_negative_directions(point), *_sharpest_direction(point))


def _negative_directions(point: Point) -> Sides:
    """Of L = ±⟨w, f⟩ > 0, on the contrasts W_j/p_j − W_(j+1)/p_(j+1)."""
    layers, w, y = _layers(point), point.probe.cotangent, point.here.value
    readout = inner(w, y)
    product = point.under(partial(inner, scaled(w, jnp.sign(readout)))).push
    contrast = (np.eye(len(layers.degrees)) - np.eye(len(layers.degrees), k=1))[:-1] / layers.degrees
    form = contrast @ layers.form([product(weights) for weights in layers.weights]) @ contrast.T
    counted, expected = jnp.sum(jnp.where(eliminated(jnp.asarray(form))[1] < 0, 1.0, 0.0)), 0 * readout + len(contrast)
    size = layers.form_size(point, product) + inner_magnitude(w, y)
    part = of_numbers(counted, expected, 0 * size, label="negative directions of H, counted")
    return only_where(jnp.abs(readout) > CLEAR * size, (part,))


def _sharpest_direction(point: Point) -> Sides:
    """At interpolation: with targets from a teacher with the same parameters ∇ℓ = 0 and ∇²ℓ = 1."""
    layers, y, product = _layers(point), point.here.value, critical_gradient(point).push
    shares = layers.degrees / jnp.where(layers.lengths > 0, layers.lengths, 1)
    bound = inner(y, y) * jnp.sum(layers.degrees * shares)
    start = scaled(layers.weights[0], shares[0])
    for share, weights in zip(shares[1:], layers.weights[1:], strict=True):
        start = combined(1.0, start, share, weights)
    start = scaled(start, 1 / _or_one(norm(start)))
    image = product(start)  # traced here: what it remembers must not come from inside the loop

    def turn(_: Array, v: Tree) -> Tree:
        turned = product(v)
        return scaled(turned, 1 / _or_one(norm(turned)))

    sharpest = repeated(range(POWER_STEPS), turn, start)
    steepness = inner(sharpest, product(sharpest))
    size = form_size(start, uncancelled(product, start, point.theta)) + bound
    parts = (
        of_numbers(inner(start, image), bound, size, label="vᵀHv at interpolation"),
        of_numbers(jnp.minimum(steepness - bound, 0), 0 * bound, size, label="what λ_max lacks to the bound"),
    )
    return only_where(jnp.all(layers.lengths > 0) & (bound > 0), parts)


def _or_one(length: Array) -> Array:
    return jnp.where(length > 0, length, 1)


LAYER_CURVATURE = Property(
    name="layer-curvature",
    order=2,
    statement="where the outputs are homogeneous in blocks of the parameters, one by one, H takes each block to what "
    "of the gradient its degree leaves, and is known on the span of the blocks, for any loss",
    formula="k_j = W_j = P_jθ, τ_j = p_j y:  H W_j = (p_j − P_j)∇L + p_j Jᵀ∇²ℓ f,  "
    "⟨W_i, H W_j⟩ = p_i p_j fᵀ∇²ℓ f + p_j(p_i − δ_ij)⟨∇ℓ, f⟩",
    sides=_layer_curvature,
    needs=frozenset({"params", "inputs", "targets"}),
    hypotheses=HYPOTHESES,
    rests_on=("equivariance", "jacobian-generator"),
    source=SOURCE,
    derivation=(
        "hessian-generator with k = W_j, Dk = P_j and s = p_j⟨∇ℓ, f⟩, ∇(s∘f) = p_j∇L + p_j Jᵀ∇²ℓ f.\n"
        "Against W_i: J W_i = p_i f, ⟨W_i, ∇L⟩ = p_i⟨∇ℓ, f⟩ (noether), and P_jW_i = δ_ij W_i."
    ),
    consequence_of=FIRST_AND_SECOND,
    costly=True,
)

LAYER_SPECTRUM = Property(
    name="layer-spectrum",
    order=2,
    statement="of n blocks of positive degree a positive readout L = ⟨w, f⟩ has n − 1 independent directions of "
    "negative curvature at least, which are counted; at interpolation the largest eigenvalue of H, approached by power "
    "steps, is not below a bound that the sizes of the blocks set",
    formula="L = ⟨w, f⟩ > 0: n₋(H) ≥ n − 1;  L = ½‖f − f(θ)‖²: λ_max ≥ ‖f‖² Σ p_j²/‖W_j‖² = vᵀHv, "
    "v ∝ Σ p_j W_j/‖W_j‖², ‖v‖ = 1",
    sides=_layer_spectrum,
    needs=frozenset({"params", "inputs", "cotangent"}),
    hypotheses=HYPOTHESES,
    rests_on=("equivariance", "jacobian-generator", "layer-curvature"),
    source=SOURCE,
    derivation=(
        "layer-curvature, ∇²ℓ = 0: the form is L(ppᵀ − diag p), or −L diag p where Σ p_j x_j = 0: n − 1 contrasts.\n"
        "With ∇ℓ = 0, ∇²ℓ = 1 it is ‖f‖²ppᵀ; of Σ a_jW_j the quotient is largest for a_j = p_j/‖W_j‖²."
    ),
    consequence_of=FIRST_AND_SECOND,
    costly=True,
)
