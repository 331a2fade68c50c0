"""The check that every group passes, also a user's: the laws of ``Group`` and ``LieGroup``, up to measured rounding."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import LARGEST_SEED, short, whole_number
from eqprop.engine import Each, Tree, coarsest, lowest_precisions, traced
from eqprop.errors import InvalidInput
from eqprop.groups.base import Algebra, Element, Group, LieGroup
from eqprop.groups.form import alike, check_form, form, is_real, same, text
from eqprop.groups.laws import Draw, Law, Sides, array_shape, laws_of, with_exponentials
from eqprop.rounding import judge, perturbed

Batches = tuple[Element, Element, Element]
"""Of g, of h and of k: elements stacked along a leading axis."""

REPETITIONS = 15
"""Perturbed copies of each draw that set its floor: enough for a violation to need no second confirmation."""


def check_laws(group: Group, *, seed: int = 0, count: int = 64) -> None:
    """Check that a group is one: its laws, its exponential map and its action, on random and on its simple elements.

    Elements from the identity's neighbourhood to the far end of the group (``count`` of them, and up to ``count`` from
    ``simple``) are put into every law of ``eqprop.groups.laws``. Both sides are judged as models are: by how far they
    move when every floating-point number moves by one unit in its last place. Integers are compared exactly. It runs in
    float64 and leaves JAX's configuration as it was.

    Args:
        group: any ``Group``; its compose, inverse, exp, act and act_dual must be traceable by JAX.
        seed: of every number that is drawn.
        count: how many elements are drawn.

    Raises:
        InvalidInput: naming the group, the law, the element and both values, for the first law that fails; where an
            element is not like the identity in structure, shape and kind of number; where draws do not depend on their
            generator alone, or all are the identity of a group that is not ``trivial``; where ``simple`` gives it.
    """
    if not isinstance(group, Group):
        msg = f"check_laws: got {short(group)}; expected a Group such as groups.Scaling(3)."
        raise InvalidInput(msg)
    count = whole_number(count, "check_laws: count is", least=2)
    seed = whole_number(seed, "check_laws: seed is", most=LARGEST_SEED)
    with jax.enable_x64(True):
        check_form(group)
        draws = _draws(group, seed, count)
        for law, sides, eps in _evaluated(group, draws, np.random.default_rng(seed)):
            _settle(group, law, draws, sides, eps)


# -- what the laws are evaluated on -----------------------------------------------------------------------------------


def _draws(group: Group, seed: int, count: int) -> Draw:
    """The simple elements, then random ones from near to far, each with partners; a leading axis in every leaf."""
    drawn = _drawn(group, seed, count)
    _check_random(group, drawn, _drawn(group, seed, count))
    simple = _like(group, "simple()", group.simple(), group.identity(), "identity()", count)
    _check_simple(group, simple)
    g = _stack([*simple, *_unstack(drawn[0], count)])
    xi = _algebra(group, seed, count)
    rng = np.random.default_rng((seed, 1))
    total = len(simple) + count
    number = max(total, len(jax.tree.leaves(xi)[0]) if jax.tree.leaves(xi) else 0)

    def cycled(tree: Tree) -> Tree:
        return jax.tree.map(lambda leaf: np.take(leaf, np.arange(number) % len(leaf), axis=0), tree)

    s, t = rng.uniform(-1, 1, (2, number))
    x, y = rng.standard_normal((2, number, *array_shape(group)))
    return Draw(cycled(g), cycled(drawn[1]), cycled(drawn[2]), cycled(xi), s, t, x, y)


def _drawn(group: Group, seed: int, count: int) -> Batches:
    """Three batches of random elements: g from near to far, its partners h and k in random order."""
    rng = np.random.default_rng(seed)
    reaches = (np.arange(count) + 0.5) / count
    orders = (reaches, rng.permutation(reaches), rng.permutation(reaches))
    g, h, k = (group.sample_many(rng, order) for order in orders)
    return g, h, k


def _algebra(group: Group, seed: int, count: int) -> Algebra:
    """Simple algebra elements, then random ones."""
    if not isinstance(group, LieGroup):
        return None
    zero = group.zero()
    drawn = group.sample_algebra_many(np.random.default_rng((seed, 2)), count)
    drawn = _like(group, "sample_algebra", _unstack(drawn, count), zero, "zero()", count)
    simple = _like(group, "simple_algebra()", group.simple_algebra(), zero, "zero()", count)
    if any(same(xi, zero) for xi in simple):
        msg = f"{group!r}: simple_algebra() gives the algebra element 0; leave it out."
        raise InvalidInput(msg)
    if simple and all(same(xi, zero) for xi in drawn):
        msg = f"{group!r}: every algebra element that sample_algebra drew is 0; draw them of unit order of magnitude."
        raise InvalidInput(msg)
    return _stack([*simple, *drawn])


def _check_random(group: Group, drawn: Batches, again: Batches) -> None:
    """Random elements look like e, depend on their generator alone, are e only in a trivial group."""
    e = group.identity()
    count = len(jax.tree.leaves(drawn[0])[0]) if jax.tree.leaves(drawn[0]) else 0
    elements = _like(group, "sample", _unstack(drawn[0], count), e, "identity()", count)
    if not same(drawn, again):
        msg = f"{group!r}: sample drew different elements from equal generators; take every number from rng."
        raise InvalidInput(msg)
    moving = sum(not same(element, e) for element in elements)
    if group.trivial and moving:
        msg = f"{group!r}: it claims to be trivial, but sample drew an element other than the identity."
        raise InvalidInput(msg)
    if not group.trivial and not moving:
        msg = f"{group!r}: all {count} elements that sample drew are the identity; draw others, or set trivial to True."
        raise InvalidInput(msg)


def _check_simple(group: Group, simple: list[Element]) -> None:
    e = group.identity()
    for i, element in enumerate(simple):
        if same(element, e):
            msg = f"{group!r}: simple() gives the identity {text(element)} at position {i}; leave it out."
            raise InvalidInput(msg)


def _like(group: Group, origin: str, trees: Iterable[Tree], example: Tree, of: str, limit: int) -> list[Tree]:
    """At most ``limit`` of the trees, if each has the structure, shapes and kinds of number of the example."""
    found = list(islice(trees, limit))
    alike(group, origin, found, example, of)
    return found


# -- evaluation and judgement -----------------------------------------------------------------------------------------


def _evaluated(group: Group, draws: Draw, rng: np.random.Generator) -> list[tuple[Law, Sides, float]]:
    """Both sides of every law at every draw and its perturbed copies: one program for all of them."""
    laws = laws_of(group)

    def program(draw: Draw) -> list[Sides]:
        complete = with_exponentials(group, draw)
        return [_checked(group, law, law.sides(complete)) for law in laws]

    evaluate = Each(f"the laws of {group!r}", traced(program, jax.tree.map(lambda leaf: leaf[0], draws)))
    eps = coarsest(lowest_precisions(evaluate.program)).eps
    sides = evaluate(perturbed(draws, REPETITIONS, eps, rng))  # pyright: ignore[reportArgumentType]
    return [(law, of_law, eps) for law, of_law in zip(laws, sides, strict=True)]


def _checked(group: Group, law: Law, sides: Sides) -> Sides:
    """The sides, if they can be compared at all."""
    if form(sides.lhs) != form(sides.rhs):
        left, right = (jax.tree.map(jnp.shape, side) for side in (sides.lhs, sides.rhs))
        what = "the sides differ in structure, shape or kind"
        msg = f"{group!r}: in {law.formula} {what}: {left} and {right}; {law.remedy}."
        raise InvalidInput(msg)
    return Sides(sides.lhs, sides.rhs, jnp.asarray(sides.scale, float))


def _settle(group: Group, law: Law, draws: Draw, sides: Sides, eps: float) -> None:
    """Raise if the law fails at any draw, or can be judged at none."""
    number = len(draws.s)
    pairs = list(zip(jax.tree.leaves(sides.lhs), jax.tree.leaves(sides.rhs), strict=True))
    wrong = np.zeros(number, dtype=bool)
    for left, right in (pair for pair in pairs if not is_real(pair[0])):
        differs = (left != right).reshape(number, -1)
        wrong |= differs.any(axis=1)
    reals = [pair for pair in pairs if is_real(pair[0])]
    if reals:
        lhs, rhs = (
            np.concatenate([pair[i].reshape(number, 1 + REPETITIONS, -1) for pair in reals], -1) for i in (0, 1)
        )
        starts = np.cumsum([0, *(left.reshape(number * (1 + REPETITIONS), -1).shape[1] for left, _ in reals)])
        scales = np.repeat(np.asarray(sides.scale).reshape(number, 1 + REPETITIONS, 1), len(reals), axis=2)
        judgement = judge(lhs, rhs, scales, starts, eps)
        wrong |= judgement.suspect | ~judgement.finite
        if not wrong.any() and judgement.inconclusive.all():
            msg = (
                f"{group!r}: {law.formula} cannot be judged: at every draw rounding errors are as large as the values."
            )
            raise InvalidInput(msg)
    if wrong.any():
        raise InvalidInput(_failure(group, law, draws, sides, int(np.argmax(wrong))))


def _failure(group: Group, law: Law, draws: Draw, sides: Sides, index: int) -> str:
    row = index * (1 + REPETITIONS)
    lhs, rhs = (jax.tree.map(lambda leaf: leaf[row], side) for side in (sides.lhs, sides.rhs))
    drawn = {"g": draws.g, "h": draws.h, "k": draws.k, "ξ": draws.xi, "s": draws.s, "t": draws.t}
    at = ", ".join(f"{name} = {text(jax.tree.map(lambda leaf: leaf[index], drawn[name]))}" for name in law.variables)
    where = f"{group!r}: {law.formula} fails at {at or 'every element'}"
    return f"{where}: {text(lhs)} is not {text(rhs)}. Remedy: {law.remedy}."


# -- trees ------------------------------------------------------------------------------------------------------------


def _stack(trees: list[Tree]) -> Tree:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _unstack(tree: Tree, count: int) -> list[Tree]:
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(count)]
