"""What equivariance implies for derivatives in the inputs: of the model, and of the loss in inputs and parameters.

Where X is the identity these say what the data see of the symmetry: sensitivities do not depend on the point of an
orbit, and are orthogonal to it. The direction in which inputs move is irregular, as in ``input-derivative``, and no
part of the probe.
"""

from __future__ import annotations

from collections.abc import Callable

from eqprop.engine import Array, Local, Tree, add, inner, inner_magnitude, norm, zeros_like
from eqprop.properties.base import Property
from eqprop.properties.hypotheses import continuous, floating_inputs, floating_params, one_model
from eqprop.properties.parts import (
    Part,
    Sides,
    in_outputs,
    in_params,
    irregular,
    magnitudes,
    of_numbers,
    only_where,
    part,
    uncancelled,
    uncancelled_together,
)
from eqprop.properties.point import Point

SOURCE = "derived here by differentiating the premise in the inputs"

UNSEEN = 2 / 3
"""Of the digits: a derivative that is smaller, beside the outputs, is what rounding left of 0 (a single number that is
divided by its own length)."""

BLIND = "the outputs do not depend on the inputs, to the digits of the model, at any point that was drawn"

OfBoth = Callable[[Tree, Tree], Tree]
"""A model as a function of the floating-point leaves of parameters and inputs."""


def in_inputs(point: Point, lhs: Tree, rhs: Tree, scale: Tree = None, *, label: str = "") -> Part:
    """A comparison of vectors in the space of the floating-point inputs.

    Args:
        point: that is compared at.
        lhs: the floating-point leaves of the left side.
        rhs: of the right side.
        scale: as in ``part``.
        label: as in ``part``.
    """
    return part([f"input {path}" for path in point.pair.model.input_leaves.float_paths], lhs, rhs, scale, label=label)


def _where_inputs_count(point: Point, parts: Sides) -> Sides:
    """The parts, at points where the outputs depend on the inputs."""
    moved, outputs = point.here_in_inputs.push(irregular(point.input_action.at, point.unit)), point.here.value
    return only_where(norm(moved) > point.unit**UNSEEN * norm(outputs), parts)


def _input_covariance(point: Point) -> Sides:
    here, there, move = point.here_in_inputs, point.there_in_inputs, point.input_action
    w, v = point.probe.cotangent, irregular(move.at, point.unit)
    pushed = point.output_action.push(here.push(v))
    pulled = here.pull(point.output_action.pull(w))
    parts = (
        in_outputs(there.push(move.push(v)), pushed, label="pushed forward"),
        in_inputs(point, move.pull(there.pull(w)), pulled, label="pulled back"),
    )
    return _where_inputs_count(point, parts)


def _of_params(point: Point, f: OfBoth, loss: Callable[[Tree], Array], theta: Tree, floats: Tree) -> Local:
    """x ↦ ∇L(θ, x) near x: its ``push`` is ∂²L/∂θ∂x."""
    return point.near(lambda at: point.near(lambda th: f(th, at), theta).gradient_of(loss).value, floats)


def _of_inputs(point: Point, f: OfBoth, loss: Callable[[Tree], Array], theta: Tree, floats: Tree) -> Local:
    """θ ↦ ∂L/∂x(θ, x) near θ: its ``push`` is ∂²L/∂x∂θ."""
    return point.near(lambda at: point.near(lambda x: f(at, x), floats).gradient_of(loss).value, theta)


def _mixed_covariance(point: Point) -> Sides:
    move, loss, expected = point.input_action, point.loss, point.loss_expected
    u, v = point.probe.tangent, irregular(move.at, point.unit)
    here = (point.of_both, expected, point.theta, move.at)
    there = (point.of_both_there, loss, point.action.value, move.value)
    along_inputs = _of_params(point, *here).push(v)
    along_params = _of_inputs(point, *here).push(u)
    carried = point.action.pull(_of_params(point, *there).push(move.push(v)))
    turned = move.pull(_of_inputs(point, *there).push(point.action.push(u)))
    terms = inner_magnitude(u, along_inputs) + inner_magnitude(v, along_params)
    parts = (
        in_params(point, carried, along_inputs, label="of the gradient, along inputs"),
        in_inputs(point, turned, along_params, label="of the sensitivity, along parameters"),
        of_numbers(inner(u, along_inputs), inner(v, along_params), terms, label="in either order"),
    )
    return _where_inputs_count(point, parts)


def _data_sensitivity(point: Point) -> Sides:
    """The derivative of ⟨∇L, k_ξ⟩ + ⟨∂L/∂x, χ_ξ⟩ = s_ξ(f) in x."""
    k, loss, f = point.k.value, point.loss, point.of_both
    floats = point.pair.model.input_leaves.split(point.probe.inputs)
    if point.transformation.moves_inputs:
        near = point.near(
            lambda both: point.near(lambda x: f(both[0], x), both[1]).gradient_of(loss).value, (point.theta, floats)
        )
        moves = (k, point.chi)
        drift = point.input_field.pull(point.near(lambda x: f(point.theta, x), floats).gradient_of(loss).value)
        lhs = add(near.push(moves), drift)
        terms = add(uncancelled_together(near.push, moves, near.at), magnitudes(drift))
    else:
        near = _of_inputs(point, f, loss, point.theta, floats)
        lhs, terms = near.push(k), uncancelled(near.push, k, point.theta)
    rhs = zeros_like(lhs)
    if point.transformation.moves_outputs:
        rate = point.loss_rate.function
        rhs = point.near(lambda x: f(point.theta, x), floats).gradient_of(rate).value
    return _where_inputs_count(point, (in_inputs(point, lhs, rhs, add(terms, magnitudes(rhs))),))


INPUT_COVARIANCE = Property(
    name="input-covariance",
    order=1,
    statement="the derivative in the inputs at the moved point is the moved derivative: what a layer hands to the one "
    "below it does not depend on where on its orbit it stands",
    formula="∂ₓf(K_gθ, X_g x)·DX_g·v = DT_g·∂ₓf(θ, x)·v  and  DX_gᵀ·∂ₓf(K_gθ, X_g x)ᵀ·w = ∂ₓf(θ, x)ᵀ·DT_gᵀ·w",
    sides=_input_covariance,
    needs=frozenset({"params", "inputs", "element", "cotangent"}),
    hypotheses=(floating_inputs,),
    rests_on=("equivariance",),
    smooth="C¹ in x",
    source=SOURCE,
    derivation=(
        "Differentiate f(K_gθ, X_g x) = T_g f(θ, x) in x along v: K_gθ does not depend on x.\n"
        "The second is the transpose of the first, against w. Derivatives in x that are any have this by the premise."
    ),
    consequence_of=("equivariance", "input-derivative"),
    reason_if_vacuous=BLIND,
)

MIXED_COVARIANCE = Property(
    name="mixed-covariance",
    order=2,
    statement="how the gradient depends on the data is carried over, and is the same derivative in either order",
    formula="M = ∂²L/∂θ∂x:  DK_gᵀ M(K_gθ, X_g x) DX_g v = ∂²(ℓ∘T_g∘f)/∂θ∂x(θ, x) v,  and transposed;  "
    "⟨u, M v⟩ = ⟨v, Mᵀu⟩",
    sides=_mixed_covariance,
    needs=frozenset({"params", "inputs", "element", "tangent", "targets"}),
    hypotheses=(floating_params, floating_inputs),
    rests_on=("equivariance", "gradient-covariance", "input-covariance"),
    smooth="C² in (θ, x)",
    source=SOURCE + " and in the parameters; symmetry of second derivatives (Schwarz)",
    derivation=(
        "Differentiate gradient-covariance, DK_gᵀ ∇L(K_gθ, X_g x) = ∇(ℓ∘T_g∘f)(θ, x), in x along v.\n"
        "The same derivative is taken of ∂L/∂x along u, by another program: nothing else looks at M where X = id."
    ),
    reason_if_vacuous=BLIND,
)

DATA_SENSITIVITY = Property(
    name="data-sensitivity",
    order=2,
    statement="the loss's sensitivities to the data do not change along the orbit, up to what T and X change: for a "
    "symmetry every column of ∂²L/∂θ∂x is orthogonal to it",
    formula="(∂²L/∂θ∂x)ᵀ k_ξ + ∂²L/∂x²·χ_ξ + Dχ_ξᵀ ∂L/∂x = ∂ₓ s_ξ(f);  T = X = id: k_ξᵀ ∂²L/∂θ∂x = 0",
    sides=_data_sensitivity,
    needs=frozenset({"params", "inputs", "algebra", "targets"}),
    hypotheses=(continuous, one_model, floating_params, floating_inputs),
    rests_on=("equivariance", "noether", "mixed-covariance"),
    smooth="C² in (θ, x)",
    source=SOURCE,
    derivation=(
        "Differentiate noether, ⟨∇L, k_ξ⟩ + ⟨∂L/∂x, χ_ξ⟩ = s_ξ(f), in x; k_ξ does not depend on x.\n"
        "What is hidden from the parameters' gradient along k_ξ is hidden from it whatever the data are."
    ),
    reason_if_vacuous=BLIND,
)
