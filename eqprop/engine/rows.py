"""A small function at each of several rows, without a compiler: traced for one row, evaluated by NumPy for all.

What runs on a few rows costs more to compile than to run. Operations that the walk does not know are XLA's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import jax
import jax.extend.core
import numpy as np
from jax.stages import Traced

from eqprop.engine.memory import in_a_scope
from eqprop.engine.rowwise import one_by_one
from eqprop.engine.trees import Tree
from eqprop.engine.walk import Unsupported, Walk, no_rounding
from eqprop.engine.watchdog import attended, prepared

AT_ONCE = 1 << 22
"""Numbers among the arguments that are gone through at once: rows of a large model are not all held together."""

Leaves = list[np.ndarray]


def each(what: str, function: Callable[..., Tree], *rows: Tree) -> Tree:
    """A function at every row of its arguments: trees of arrays with a leading axis of rows, as its results are.

    It is evaluated in the precision that is in force where it is called, as XLA would evaluate it but for rounding.

    Args:
        what: names what it computes, for the error.
        function: of one row, traceable by JAX.
        rows: its arguments; at least one array among them.

    Raises:
        Stalled: where it stands still, as ``attended``.
    """
    return Each(what, traced(function, *jax.tree.map(lambda leaf: leaf[0], rows)))(*rows)


def traced(function: Callable[..., Tree], *arguments: Tree) -> Tree:
    """The function as it is at these arguments, or at arguments of these shapes and types.

    JAX remembers the trace of a function that it has seen; here it is traced each time.
    """
    return jax.jit(in_a_scope(function)).trace(*arguments)


class Each:
    """Likewise, of a function that has been traced.

    Args:
        what: names what it computes, for the error.
        trace: of the function of one row, by ``traced``.

    Attributes:
        program: what it is at one row.
    """

    def __init__(self, what: str, trace: Traced) -> None:
        self.program = trace.jaxpr
        self._treedef = jax.tree.structure(trace.out_info)
        self._what = what
        self._compiled: dict[int, Callable[..., Tree]] = {}

    def __call__(self, *rows: Tree) -> Tree:
        """The results at each row.

        Raises:
            Stalled: where it stands still, as ``attended``.
        """
        given = zip(jax.tree.leaves(rows), self.program.in_avals, strict=True)
        typed = [np.asarray(leaf, aval.dtype) for leaf, aval in given]
        found = self._by_xla(typed) if self._walk is None else self._by_walk(self._walk, typed)
        return jax.tree.unflatten(self._treedef, found)

    @cached_property
    def _walk(self) -> Walk | None:
        try:
            return Walk(self.program, errors=no_rounding)
        except Unsupported:
            return None

    def _by_walk(self, walk: Walk, rows: Leaves) -> Leaves:
        count = len(rows[0])
        at_once = max(1, AT_ONCE * count // max(1, sum(leaf.size for leaf in rows)))
        pieces = ([leaf[i : i + at_once] for leaf in rows] for i in range(0, count, at_once))
        return attended(lambda: _gathered((_walked(walk, piece) for piece in pieces), count), self._what)()

    def _by_xla(self, rows: Leaves) -> Leaves:
        count = len(rows[0])
        if count not in self._compiled:
            one = jax.extend.core.jaxpr_as_fun(self.program)
            self._compiled[count] = prepared(self._what, one_by_one(lambda *leaves: tuple(one(*leaves))), *rows)
        return [np.asarray(leaf) for leaf in self._compiled[count](*rows)]


def _gathered(pieces: Iterator[Leaves], count: int) -> Leaves:
    """The pieces one behind the other, each dropped once it is in its place."""
    piece = next(pieces)
    if len(piece[0]) == count:
        return piece
    found = [np.empty((count, *leaf.shape[1:]), leaf.dtype) for leaf in piece]
    start = 0
    while piece is not None:
        for whole, leaf in zip(found, piece, strict=True):
            whole[start : start + len(leaf)] = leaf
        start += len(piece[0])
        piece = next(pieces, None)
    return found


def _walked(walk: Walk, rows: Leaves) -> Leaves:
    """By the walk, whose axis of rows is the last one, and has one entry where all rows are alike."""
    count = len(rows[0])
    found = walk([np.ascontiguousarray(np.moveaxis(leaf, 0, -1)) for leaf in rows])
    return [np.moveaxis(np.broadcast_to(leaf, (*leaf.shape[:-1], count)), -1, 0) for leaf in found]
