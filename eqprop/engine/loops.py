"""Loops of a number of rounds that is known when they are traced, each body in a scope of its own (``memory``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from eqprop.engine.memory import in_a_scope

Tree = Any


def scanned(body: Callable[[Tree, Tree], tuple[Tree, Tree]], start: Tree, rows: Tree) -> tuple[Tree, Tree]:
    """``jax.lax.scan``: (state, row) ↦ (state, result) along rows; the last state, and the results stacked.

    Args:
        body: of one round.
        start: the first state.
        rows: a tree of arrays with a leading axis, one entry a round; or the number of rounds, whose rows are None.
    """
    if isinstance(rows, int):
        return jax.lax.scan(in_a_scope(body), start, None, length=rows)
    return jax.lax.scan(in_a_scope(body), start, rows)


def repeated(rounds: range, body: Callable[[Any, Tree], Tree], start: Tree) -> Tree:
    """``jax.lax.fori_loop``: (round, state) ↦ state, for rounds that follow one another; the last state."""
    return jax.lax.fori_loop(rounds.start, rounds.stop, in_a_scope(body), start)
