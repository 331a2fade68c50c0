"""Loops of a number of rounds that is known when they are traced, each body in a scope of its own (``memory``).

A state keeps the types that it starts with: where tensors differ in type, what they are multiplied with widens some.
"""

from __future__ import annotations

from collections.abc import Callable

import jax

from eqprop.engine.calculus import in_types_of
from eqprop.engine.memory import in_a_scope
from eqprop.engine.trees import Array, Tree


def scanned(body: Callable[[Tree, Tree], tuple[Tree, Tree]], start: Tree, rows: Tree) -> tuple[Tree, Tree]:
    """``jax.lax.scan``: (state, row) ↦ (state, result) along rows; the last state, and the results stacked.

    Args:
        body: of one round.
        start: the first state.
        rows: a tree of arrays with a leading axis, one entry a round; or the number of rounds, whose rows are None.
    """

    def advance(state: Tree, row: Tree) -> tuple[Tree, Tree]:
        state, result = body(state, row)
        return in_types_of(start, state), result

    if isinstance(rows, int):
        return jax.lax.scan(in_a_scope(advance), start, None, length=rows)
    return jax.lax.scan(in_a_scope(advance), start, rows)


def repeated(rounds: range, body: Callable[[Tree, Tree], Tree], start: Tree) -> Tree:
    """``jax.lax.fori_loop``: (round, state) ↦ state, for rounds that follow one another; the last state.

    Args:
        rounds: their numbers.
        body: from the round's number, a scalar, and the state to the next state, of the same shapes and types.
        start: the state before the first round: a tree of arrays.
    """

    def advance(round_: Array, state: Tree) -> Tree:
        return in_types_of(start, body(round_, state))

    return jax.lax.fori_loop(rounds.start, rounds.stop, in_a_scope(advance), start)


def where_needed(needed: Array, body: Callable[[Tree], Tree], state: Tree) -> Tree:
    """``body(state)`` where a condition holds, else the state as it is: a walk leaves out what no row has need of.

    Compiled for several rows at once both are worked out, as by ``jax.numpy.where``.

    Args:
        needed: the condition, a boolean.
        body: from the state to the next state, of the same shapes and types.
        state: a tree of arrays.
    """

    def advance(state: Tree) -> Tree:
        return in_types_of(state, body(state))

    return jax.lax.cond(needed, in_a_scope(advance), lambda state: state, state)
