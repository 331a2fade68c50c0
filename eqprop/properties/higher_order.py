"""The algebra of generators, and the Lie derivative of the loss to any order."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import comb

import jax

from eqprop.engine import Local, Tree, add, inner, inner_magnitude, scaled, subtract, zeros_like
from eqprop.errors import InvalidInput
from eqprop.properties.base import PAPER, Property
from eqprop.properties.hypotheses import changing_generator, continuous, one_model, still_inputs
from eqprop.properties.parts import Sides, in_params, magnitudes, of_numbers, uncancelled
from eqprop.properties.point import Point

HIGHEST_ORDER = 6
"""Of the identity along the generator: nested derivatives double the program with each order."""


def _bracket(point: Point) -> Sides:
    forth, back = point.k2.push(point.k.value), point.k.push(point.k2.value)
    commutator = subtract(forth, back)
    sign = -1.0 if point.transformation.side == "left" else 1.0
    sizes = jax.tree.map(lambda a, b: a + b, magnitudes(forth), magnitudes(back))
    gradient = point.gradient.value
    along = inner_magnitude(gradient, forth) + inner_magnitude(gradient, back)
    rate: Tree = 0 * along
    if point.transformation.moves_outputs:
        turns = [_turned(point, a, b) for a, b in (("algebra2", "algebra"), ("algebra", "algebra2"))]
        rate, along = turns[0][0] - turns[1][0], along + turns[0][1] + turns[1][1]
    return (
        in_params(point, commutator, scaled(point.bracket.value, sign), sizes),
        of_numbers(inner(gradient, commutator), rate, along, label="rate of the loss"),
    )


def _turned(point: Point, first: str, second: str) -> tuple[Tree, Tree]:
    """⟨∇s_ξ(f), τ_η(f)⟩ and the size of its terms."""
    rate = point.rate_of_loss(getattr(point.probe, first))
    tau = point.output_field(getattr(point.probe, second))(point.here.value)
    slope = rate.pull(1.0 + 0 * rate.value)
    return inner(slope, tau), inner_magnitude(slope, tau)


def _along_generator(order: int) -> Callable[[Point], Sides]:
    """D^n of H k + Dkᵀ∇L = ∇(s∘f) along u, n = order − 2, by Leibniz's rule for both products."""
    times = order - 2

    def sides(point: Point) -> Sides:
        u = point.probe.tangent
        gradients, fields = _derivatives(point.gradient, u, times), _derivatives(point.k, u, times)
        terms: list[Tree] = []
        for j in range(times + 1):
            terms.append(scaled(gradients[j].push(fields[times - j].value), comb(times, j)))
            terms.append(scaled(fields[times - j].pull(gradients[j].value), comb(times, j)))
        lhs = reduce(add, terms)
        sizes = reduce(add, [magnitudes(term) for term in terms])
        sizes = add(sizes, uncancelled(gradients[-1].push, point.k.value, point.theta))
        rhs = zeros_like(lhs)
        if point.transformation.moves_outputs:
            rhs = _derivatives(point.here.gradient_of(point.loss_rate.function), u, times)[-1].value
        return (in_params(point, lhs, rhs, sizes),)

    return sides


def _derivatives(local: Local, u: Tree, times: int) -> list[Local]:
    """A function, and its derivatives along u up to this order, each near the same point."""
    found = [local]
    for _ in range(times):
        found.append(found[-1].along(u))
    return found


BRACKET = Property(
    name="bracket",
    order=1,
    statement="the generators close: their commutator as vector fields is the generator of the algebra's bracket",
    formula="Dk_η k_ξ − Dk_ξ k_η = −k_[ξ,η]  (+ for a right action),  ⟨∇L, ·⟩ of it = ⟨∇s_η, τ_ξ⟩ − ⟨∇s_ξ, τ_η⟩",
    sides=_bracket,
    needs=frozenset({"params", "inputs", "algebra", "algebra2", "targets"}),
    hypotheses=(continuous, one_model, still_inputs, changing_generator),
    rests_on=("equivariance", "group-laws", "noether"),
    smooth="C¹; K is C²",
    source="Lie's second theorem for the fundamental vector fields of an action; rates of the loss derived here",
    derivation=(
        "K_g K_h K_g⁻¹ = K_ghg⁻¹; differentiate in h and then in g at the identity.\n"
        "The rates: apply the commutator of the two derivations to L, with ⟨∇L, k_ξ⟩ = s_ξ(f) twice."
    ),
    reason_if_vacuous=(
        "Dk_η k_ξ = 0 and k_[ξ,η] = 0 at every point that was drawn: no generator moves what another depends on"
    ),
    costly=True,
)


def along_generator(order: int) -> Property:
    """The identity along the generator with this order of derivatives of the loss; 2 is ``hessian-generator``.

    Raises:
        InvalidInput: for an order below 3 or above ``HIGHEST_ORDER``.
    """
    if not isinstance(order, int) or not 3 <= order <= HIGHEST_ORDER:
        msg = f"the order is {order!r}; expected a whole number from 3 to {HIGHEST_ORDER}."
        raise InvalidInput(msg)
    return Property(
        name={3: "third-order"}.get(order, f"order-{order}"),
        order=order,
        statement="the Lie derivative of the loss vanishes to this order: its higher derivatives along the orbit are "
        "fixed by the lower ones",
        formula={3: "D³L[k_ξ, u] + H Dk_ξ u + Dk_ξᵀ H u + (D²k_ξ u)ᵀ ∇L = ∇²(s_ξ∘f) u"}.get(
            order, f"D^{order - 2}[H k_ξ + Dk_ξᵀ ∇L](u, …, u) = D^{order - 2}[∇(s_ξ∘f)](u, …, u), by Leibniz's rule"
        ),
        sides=_along_generator(order),
        needs=frozenset({"params", "inputs", "algebra", "tangent", "targets"}),
        hypotheses=(continuous, one_model, still_inputs),
        rests_on=("equivariance", "hessian-generator"),
        source=f"derived here; beyond the second order of {PAPER}",
        derivation=(
            "⟨∇L, k_ξ⟩ = s_ξ∘f holds at every θ, so all its derivatives do; the first is hessian-generator.\n"
            f"Differentiate that {order - 2} more time{'s' * (order > 3)} along u, product by product."
        ),
        costly=True,
    )


THIRD_ORDER = along_generator(3)
