"""What the identity along the generator says in the usual cases, each recognised from the transformation itself.

None of these catches what ``noether`` and ``hessian-generator`` do not; each says in one line what those mean where the
generator is a translation or a scaling. Where T multiplies the outputs, the loss is a linear functional of them, L =
⟨w, f⟩: then T multiplies L, for every w.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, norm, scaled, subtract, zeros_like
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import (
    aligned,
    constant_generator,
    continuous,
    exponential,
    homogeneous,
    one_model,
    quasi_homogeneous,
    scale_invariant,
    still_inputs,
    still_translation,
)
from eqprop.properties.numerics import combined
from eqprop.properties.parts import Sides, in_params, magnitudes, of_numbers, only_where, uncancelled
from eqprop.properties.point import Point
from eqprop.properties.traits import Special

SOURCE = f"derived here; second-order constraints after {PAPER}"
FIRST_AND_SECOND = ("noether", "hessian-generator")


def generator_of(point: Point, special: Special | None) -> Local:
    """k_ξ for the algebra element that was recognised."""
    assert special is not None, "the property has the hypothesis that there is one"
    dtype = jnp.result_type(*point.theta)
    return point.field(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), special.algebra))


def rate_of(special: Special | None) -> float:
    """c, where τ_ξ(y) = c y for the algebra element that was recognised."""
    assert special is not None, "the property has the hypothesis that there is one"
    assert special.rate is not None, "the property has the hypothesis that T multiplies the outputs"
    return special.rate


def _readout(point: Point) -> tuple[Tree, Tree, Local]:
    """L = ⟨w, f⟩, the size of its terms, and its gradient near θ."""
    w, y = point.probe.cotangent, point.here.value
    return inner(w, y), inner_magnitude(w, y), point.under(partial(inner, w))


def _flat_translation(point: Point) -> Sides:
    k = point.k_within(point.traits.still.constant).value
    lhs = point.gradient.push(k)
    part = in_params(point, lhs, zeros_like(lhs), uncancelled(point.gradient.push, k, point.theta))
    return only_where(norm(k) > 0, (part,))


def form_size(vector: Array, sizes: Tree) -> Array:
    """The size of the terms in ⟨vector, H …⟩ where those of H … have these sizes, leaf by leaf."""
    return inner(jax.tree.map(lambda leaf: jnp.sum(jnp.abs(leaf)), vector), sizes)


def _scale_invariance(point: Point) -> Sides:
    """With P = Dk the projection to the block, two steps of Lanczos with PHP from v = k/‖k‖ give (a b; b c).

    k is the vector to the block's parameters from their centre, which is θ in the block where they are scaled about 0.
    """
    k = generator_of(point, point.traits.scaling())
    block, slope, product = k.value, k.push(point.gradient.value), point.gradient.push
    image = product(block)
    sizes = add(uncancelled(product, block, point.theta), magnitudes(slope))
    length = norm(block)
    v = scaled(block, 1 / length)
    w = k.push(scaled(image, 1 / length))
    a = inner(v, w)
    rest = combined(1.0, w, -a, v)
    b = norm(rest)
    q = scaled(rest, 1 / jnp.where(b > 0, b, 1))
    c = inner(q, k.push(product(q)))
    form = form_size(block, sizes)
    parts = (
        in_params(point, image, scaled(slope, -1.0), sizes, label="Hk = −∇L"),
        of_numbers(inner(block, image), 0 * length, form, label="kᵀHk = 0"),
        of_numbers(a * c - b**2, -inner(slope, slope) / length**2, jnp.abs(a * c) + b**2, label="μ₊μ₋"),
    )
    return only_where(length > 0, parts)


def _homogeneity(point: Point) -> Sides:
    dilation = point.traits.dilation()
    p, k = rate_of(dilation), generator_of(point, dilation).value
    loss, size, gradient = _readout(point)
    image, slope = gradient.push(k), gradient.value
    sizes = add(uncancelled(gradient.push, k, point.theta), magnitudes(slope))
    form = form_size(k, sizes) + abs(p * (p - 1)) * size
    parts = (
        in_params(point, image, scaled(slope, p - 1), sizes, label="Hk = (p−1)∇L"),
        of_numbers(inner(k, image), p * (p - 1) * loss, form, label="kᵀHk = p(p−1)L"),
    )
    if p != 1:  # k/(p − 1) solves H z = ∇L, so any H⁺ gives the same ⟨∇L, H⁺∇L⟩
        reached = inner(slope, k) / (p - 1)
        terms = (inner_magnitude(slope, k) + abs(p) * size) / abs(p - 1)
        parts += (of_numbers(reached, p / (p - 1) * loss, terms, label="∇LᵀH⁺∇L = pL/(p−1)"),)
    return parts


def _quasi_homogeneity(point: Point) -> Sides:
    """With the loss as it is: its curvature has a part in the direction of f itself."""
    stretch = point.traits.stretch()
    p, k, gradient = rate_of(stretch), generator_of(point, stretch), point.gradient
    y, loss = point.here.value, point.loss_near(point.here.value)
    image, slope = gradient.push(k.value), gradient.value
    turned, curved = k.pull(slope), scaled(point.here.pull(loss.push(y)), p)
    rhs = add(subtract(scaled(slope, p), turned), curved)
    sizes = add(add(uncancelled(gradient.push, k.value, point.theta), magnitudes(turned)), magnitudes(curved))
    euler = inner_magnitude(slope, k.value) + abs(p) * inner_magnitude(loss.value, y)
    return (
        in_params(point, image, rhs, sizes, label="HΛθ"),
        of_numbers(inner(slope, k.value), p * inner(loss.value, y), euler, label="⟨Λθ, ∇L⟩ = p⟨∇ℓ, f⟩"),
    )


def _exponential_translation(point: Point) -> Sides:
    translation = point.traits.translation()
    c, b = rate_of(translation), generator_of(point, translation).value
    loss, size, gradient = _readout(point)
    image, slope = gradient.push(b), gradient.value
    sizes = add(uncancelled(gradient.push, b, point.theta), magnitudes(slope))
    quotient, terms = inner(b, image) / inner(b, b), (form_size(b, sizes) + c**2 * size) / inner(b, b)
    return (
        in_params(point, image, scaled(slope, c), sizes, label="Hb = c∇L"),
        of_numbers(quotient, c**2 * loss / inner(b, b), terms, label="bᵀHb/‖b‖² = c²L/‖b‖²"),
    )


def _gradient_alignment(point: Point) -> Sides:
    """What of H k is not along the gradient's part q in the block: H k − q⟨q, H k⟩/⟨q, q⟩."""
    traits = point.traits
    block = traits.projection()
    if block is not None:
        k, gradient = generator_of(point, block), point.gradient
    else:
        k, (_, _, gradient) = generator_of(point, traits.dilation(but=1.0) or traits.translation()), _readout(point)
    q = gradient.value if block is None else k.push(gradient.value)
    image = gradient.push(k.value)
    sizes = add(uncancelled(gradient.push, k.value, point.theta), magnitudes(q))
    square = inner(q, q)
    share = inner(q, image) / jnp.where(square > 0, square, 1)
    along = scaled(q, share)
    part = in_params(point, subtract(image, along), zeros_like(image), add(sizes, magnitudes(along)))
    return only_where(square > 0, (part,))


FLAT_TRANSLATION = Property(
    name="flat-translation",
    order=2,
    statement="a translation that leaves the loss is a null direction of the Hessian, at every θ",
    formula="Dk_ξ = 0, s_ξ = 0:  H k_ξ = 0",
    sides=_flat_translation,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model, still_inputs, constant_generator, still_translation),
    rests_on=("equivariance", "hessian-generator"),
    source=SOURCE + "; Kunin et al. 2021, arXiv 2012.04728",
    derivation=(
        "hessian-generator is H k + Dkᵀ∇L = ∇(s∘f), with Dk = 0 for a translation.\n"
        "So H k = 0 where s = 0: T = id, or ℓ∘T = ℓ."
    ),
    consequence_of=("hessian-generator",),
    costly=True,
)

SCALE_INVARIANCE = Property(
    name="scale-invariance",
    order=2,
    statement="where scaling a block of parameters leaves the loss, H takes it to minus its gradient and is "
    "indefinite where that is not zero: λ_max |λ_min| ≥ ‖∇L‖²/‖k‖² on the block, k its parameters seen from the centre",
    formula="Hk = −∇L, kᵀHk = 0, and the Ritz values on span{k, Hk} satisfy μ₊ μ₋ = −‖∇L‖²/‖k‖²  "
    "(k, ∇L in the block; k = θ − c, c the centre)",
    sides=_scale_invariance,
    needs=frozenset({"params", "inputs", "targets"}),
    hypotheses=(continuous, one_model, still_inputs, scale_invariant),
    rests_on=("equivariance", "hessian-generator"),
    source=SOURCE + "; normalisation: Tanaka & Kunin 2021, arXiv 2105.02716",
    derivation=(
        "hessian-generator with Dk = P, s = 0: Hk = −P∇L. Pk = k, so kᵀHk = −⟨k, ∇L⟩ = 0 by noether.\n"
        "With v = k/‖k‖ so vᵀHv = 0 and ‖PHv‖ = ‖P∇L‖/‖k‖; Ritz values lie between λ_min and λ_max."
    ),
    consequence_of=FIRST_AND_SECOND,
    costly=True,
)

HOMOGENEITY = Property(
    name="homogeneity",
    order=2,
    statement="where L is homogeneous of degree p about a centre, H takes k, the vector from there to θ, to (p − 1)∇L: "
    "k/(p − 1) is the Newton direction, where H is invertible",
    formula="L = ⟨w, f⟩, k = θ − c:  Hk = (p−1)∇L,  kᵀHk = p(p−1)L,  ∇LᵀH⁺∇L = pL/(p−1)",
    sides=_homogeneity,
    needs=frozenset({"params", "inputs", "cotangent"}),
    hypotheses=(continuous, one_model, still_inputs, homogeneous),
    rests_on=("equivariance", "jacobian-generator"),
    source=SOURCE + "; Euler's theorem, Lyu & Li 2020, arXiv 1906.05890",
    derivation=(
        "hessian-generator with Dk = 1 and s = pL: Hk + ∇L = p∇L; noether: ⟨∇L, k⟩ = pL. Neither needs k = θ.\n"
        "∇L = H(k/(p−1)) is in the range of H, so ∇LᵀH⁺∇L = ⟨∇L, k⟩/(p−1); H⁻¹∇L = k/(p−1) where H is invertible."
    ),
    consequence_of=FIRST_AND_SECOND,
    costly=True,
)

QUASI_HOMOGENEITY = Property(
    name="quasi-homogeneity",
    order=2,
    statement="where every number has a degree of its own, H takes Λθ to what of the gradient the degrees leave, for "
    "any loss: a loss that is not linear in the outputs adds its curvature along f",
    formula="Dk = Λ diagonal, τ(y) = p y:  HΛθ = (p − Λ)∇L + p Jᵀ∇²ℓ f,  ⟨Λθ, ∇L⟩ = p⟨∇ℓ, f⟩",
    sides=_quasi_homogeneity,
    needs=frozenset({"params", "inputs", "targets"}),
    hypotheses=(continuous, one_model, still_inputs, quasi_homogeneous),
    rests_on=("equivariance", "jacobian-generator"),
    source="derived here; first order: Kunin et al. 2023, arXiv 2210.03820; with Λ = 1 Lyu & Li 2020, arXiv 1906.05890",
    derivation=(
        "hessian-generator with k = Λθ, Dk = Λ and s = p⟨∇ℓ, f⟩: ∇(s∘f) = p(Jᵀ∇ℓ + Jᵀ∇²ℓ f) = p∇L + p Jᵀ∇²ℓ f.\n"
        "noether: ⟨∇L, Λθ⟩ = s. Under gradient flow ½⟨θ, Λθ⟩ therefore falls by p⟨∇ℓ, f⟩ (charge-flow)."
    ),
    consequence_of=FIRST_AND_SECOND,
    costly=True,
)

EXPONENTIAL_TRANSLATION = Property(
    name="exponential-translation",
    order=2,
    statement="where a translation by b multiplies L by e^(ct), the gradient is in the range of H, and the curvature "
    "along b, a Rayleigh quotient of H, is known",
    formula="L = ⟨w, f⟩:  Hb = c∇L,  bᵀHb/‖b‖² = c²L/‖b‖²",
    sides=_exponential_translation,
    needs=frozenset({"params", "inputs", "cotangent"}),
    hypotheses=(continuous, one_model, still_inputs, exponential),
    rests_on=("equivariance", "jacobian-generator"),
    source=SOURCE,
    derivation=(
        "hessian-generator with k = b, Dk = 0 and s = cL: Hb = c∇L; noether: ⟨∇L, b⟩ = cL, so bᵀHb = c²L.\n"
        "A Rayleigh quotient is at most λ_max."
    ),
    consequence_of=FIRST_AND_SECOND,
    costly=True,
)

GRADIENT_ALIGNMENT = Property(
    name="gradient-alignment",
    order=2,
    statement="H takes the generator of a scaling, or of an exponential translation, to a multiple of the gradient, "
    "other than 0: the gradient is aligned with the image of one known direction, and orthogonal to every null "
    "direction of H",
    formula="H k_ξ ∥ ∇L  (its part in the block where a block is scaled)",
    sides=_gradient_alignment,
    needs=frozenset({"params", "inputs", "targets", "cotangent"}),
    hypotheses=(continuous, one_model, still_inputs, aligned),
    rests_on=("equivariance", "hessian-generator"),
    source=SOURCE,
    derivation=(
        "hessian-generator: H k = (c − a)∇L with s = cL and Dk = a ∈ {0, 1}; H k = −P∇L with s = 0 and Dk = P.\n"
        "c ≠ a, so ∇L (P∇L) is in the range of H, which is orthogonal to its null space."
    ),
    consequence_of=("hessian-generator",),
    costly=True,
)
