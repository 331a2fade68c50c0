"""A traced function at some rows, and at the same rows again where some of its arguments are others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import jax
import numpy as np
from jax.stages import Traced

from eqprop.engine.rows import Each
from eqprop.engine.trees import Tree
from eqprop.engine.walk import Rerun, Unsupported
from eqprop.engine.watchdog import attended

Rows = list[np.ndarray]


class Again:
    """What a function gives at some rows, and what it would give there with other arguments.

    Only what depends on these is computed again, and only until it is as it was up to rounding. A program that the walk
    does not know is run by XLA, as a whole.

    Args:
        what: names what it computes, for the error.
        trace: of the function of one row, by ``traced``.
        rows: its arguments: trees of arrays with a leading axis of rows.

    Raises:
        Stalled: where it stands still, as ``attended``; so does ``changed``.
    """

    def __init__(self, what: str, trace: Traced, *rows: Tree) -> None:
        self._what, self._trace = what, trace
        given = zip(jax.tree.leaves(rows), trace.jaxpr.in_avals, strict=True)
        self._rows = [np.asarray(leaf, aval.dtype) for leaf, aval in given]

    @cached_property
    def results(self) -> Rows:
        """The leaves of the results at each row."""
        return self.changed({}, len(self._rows[0]))

    def changed(self, arguments: Mapping[int, np.ndarray], rows: int) -> Rows:
        """The leaves of the results where some leaves of the arguments are others.

        Args:
            arguments: by their place, with that many rows each, or several times as many, one after the other.
            rows: how many of the first rows are looked at.
        """
        rerun, times = self._rerun, max((len(leaf) // rows for leaf in arguments.values()), default=1)
        if rerun is None:
            every = [arguments.get(i, np.concatenate([leaf[:rows]] * times)) for i, leaf in enumerate(self._rows)]
            return jax.tree.leaves(Each(self._what, self._trace)(*every))
        new = {place: np.moveaxis(leaf, 0, -1) for place, leaf in arguments.items()}
        found = attended(lambda: rerun.changed(new, rows), self._what)()
        return [np.moveaxis(np.broadcast_to(leaf, (*leaf.shape[:-1], rows * times)), -1, 0) for leaf in found]

    @cached_property
    def _rerun(self) -> Rerun | None:
        rows = [np.moveaxis(leaf, 0, -1) for leaf in self._rows]
        try:
            return attended(lambda: Rerun(self._trace.jaxpr, rows), self._what)()
        except Unsupported:
            return None
