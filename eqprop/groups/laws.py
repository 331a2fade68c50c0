"""The laws of a group as equations with two sides: what ``check_laws`` evaluates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from eqprop.engine import Array, Tree, value_and_derivative
from eqprop.groups.base import Algebra, Element, Group, LieGroup, Tensor, resting
from eqprop.groups.product import DiscretePower


class Exponentials(NamedTuple):
    """exp(tξ) at several times, and its derivative at t = 0."""

    zero: Element
    s_plus_t: Element
    s: Element
    t: Element
    one: Element
    minus_one: Element
    derivative: Element


class Draw(NamedTuple):
    """What a law depends on: elements g, h, k, an algebra element ξ, two times, two arrays with units last."""

    g: Element
    h: Element
    k: Element
    xi: Algebra
    s: Tensor
    t: Tensor
    x: Tensor
    y: Tensor
    exp: Element = None


class Sides(NamedTuple):
    """Both sides of a law; ``scale`` is the size of the terms that cancel in them."""

    lhs: Tree
    rhs: Tree
    scale: Array | float = 0.0


@dataclass(frozen=True)
class Law:
    """One equation that must hold for every draw.

    Attributes:
        formula: names the law in messages.
        sides: computes both sides for one draw.
        remedy: where to look when it fails.
        variables: which of g, h, k, ξ, s, t it is a statement about.
    """

    formula: str
    sides: Callable[[Draw], Sides]
    remedy: str
    variables: str = "g"


def laws_of(group: Group) -> tuple[Law, ...]:
    """The laws that apply to this group."""
    laws = group_laws(group)
    if isinstance(group, LieGroup):
        laws += lie_laws(group)
    if group.size is not None:
        laws += action_laws(group)
    return laws


def group_laws(group: Group) -> tuple[Law, ...]:
    """e, inverses and associativity."""
    e, times, inverse = group.identity, group.compose, group.inverse
    elements = "the elements that sample and simple give must be group elements"
    return (
        Law("e · g = g", lambda d: Sides(times(e(), d.g), d.g), "see identity and compose"),
        Law("g · e = g", lambda d: Sides(times(d.g, e()), d.g), "see identity and compose"),
        Law("g⁻¹ · g = e", lambda d: Sides(times(inverse(d.g), d.g), e()), f"see inverse; {elements}"),
        Law("g · g⁻¹ = e", lambda d: Sides(times(d.g, inverse(d.g)), e()), f"see inverse; {elements}"),
        Law(
            "(g · h) · k = g · (h · k)",
            lambda d: Sides(times(times(d.g, d.h), d.k), times(d.g, times(d.h, d.k))),
            "see compose",
            variables="ghk",
        ),
    )


def lie_laws(group: LieGroup) -> tuple[Law, ...]:
    """exp gives one-parameter subgroups, and its derivative at 0 is ``tangent``."""
    return (
        Law("exp(0) = e", lambda d: Sides(d.exp.zero, group.identity()), "see exp and identity", variables="ξ"),
        Law(
            "exp((s + t) ξ) = exp(s ξ) · exp(t ξ)",
            lambda d: Sides(d.exp.s_plus_t, group.compose(d.exp.s, d.exp.t)),
            "see exp and compose",
            variables="ξst",
        ),
        Law(
            "exp(ξ)⁻¹ = exp(−ξ)",
            lambda d: Sides(group.inverse(d.exp.one), d.exp.minus_one),
            "see inverse; exp of what sample_algebra and simple_algebra give must be a group element",
            variables="ξ",
        ),
        Law(
            "d/dt exp(t ξ) at t = 0 is tangent(ξ)",
            lambda d: Sides(d.exp.derivative, group.tangent(d.xi)),
            "see exp and tangent",
            variables="ξ",
        ),
    )


def with_exponentials(group: Group, draw: Draw) -> Draw:
    """The draw with exp(tξ) at the times that the laws need, by one batched call, so that exp is compiled once."""
    if not isinstance(group, LieGroup):
        return draw
    s, t = draw.s, draw.t
    times = jnp.stack([jnp.zeros_like(s), s + t, s, t, jnp.ones_like(s), -jnp.ones_like(s)])
    along = jax.vmap(lambda time: group.exp(jax.tree.map(lambda leaf: time * leaf, draw.xi)))
    elements, velocities = value_and_derivative(along, times, jnp.ones_like(times))
    at = [jax.tree.map(lambda leaf, i=i: leaf[i], elements) for i in range(len(times))]
    velocity = jax.tree.map(lambda leaf: leaf[0], resting(elements, velocities))
    return draw._replace(exp=Exponentials._make([*at, velocity]))


def action_laws(group: Group) -> tuple[Law, ...]:
    """act is a linear left action along any axis, act_dual its contragredient, and an isometry where claimed."""
    act, dual = (lambda g, x: _acted(group, g, x)), (lambda g, x: _acted(group, g, x, dual=True))

    def pairing(d: Draw) -> Sides:
        a, b = dual(d.g, d.x), act(d.g, d.y)
        return Sides(jnp.sum(a * b, -1), jnp.sum(d.x * d.y, -1), jnp.max(jnp.sum(jnp.abs(a * b), -1), initial=0.0))

    laws = (
        Law(
            "act(e) = identity",
            lambda d: Sides(act(group.identity(), d.x), d.x),
            "see act and identity",
            variables="",
        ),
        Law(
            "act(g · h) = act(g) act(h)",
            lambda d: Sides(act(group.compose(d.g, d.h), d.x), act(d.g, act(d.h, d.x))),
            "act must be a left action; if it composes the other way round, act by the inverse",
            variables="gh",
        ),
        Law(
            "act(g) (s x + t y) = s act(g) x + t act(g) y",
            lambda d: Sides(act(d.g, d.s * d.x + d.t * d.y), d.s * act(d.g, d.x) + d.t * act(d.g, d.y)),
            "act must be linear",
        ),
        Law(
            "act along the first axis = act along the last axis",
            lambda d: Sides(_acted(group, d.g, d.x, first=True), act(d.g, d.x)),
            "act must use its axis argument",
        ),
        Law("⟨act_dual(g) x, act(g) y⟩ = ⟨x, y⟩", pairing, "act_dual is the transpose of the inverse of act"),
        Law(
            "act_dual along the first axis = act_dual along the last axis",
            lambda d: Sides(_acted(group, d.g, d.x, dual=True, first=True), dual(d.g, d.x)),
            "act_dual must use its axis argument",
        ),
    )
    if not group.isometry:
        return laws
    preserved = Law(
        "‖act(g) x‖ = ‖x‖",
        lambda d: Sides(jnp.linalg.norm(act(d.g, d.x), axis=-1), jnp.linalg.norm(d.x, axis=-1)),
        "isometry is set: act must preserve the Euclidean norm",
    )
    return (*laws, preserved)


def _acted(group: Group, element: Element, array: Tensor, *, dual: bool = False, first: bool = False) -> Tensor:
    """The action on the units in the last axis (copies in the first); with ``first``, of the array turned round."""
    last = array.ndim - 1
    array = array.T if first else array
    copies, units = (last, 0) if first else (0, last)
    if isinstance(group, DiscretePower):
        moved = group.act_copies(element, array, (copies, units), dual=dual)
    else:
        moved = (group.act_dual if dual else group.act)(element, array, units)
    return moved.T if first else moved


def array_shape(group: Group) -> tuple[int, ...]:
    """The shape of x and y: (copies,) units × units; square, so that a confused axis fails a law, not a broadcast."""
    size = group.size or 0
    return (group.count, size, size) if isinstance(group, DiscretePower) else (size, size)
