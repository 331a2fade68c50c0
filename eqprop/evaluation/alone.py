"""One property compiled alone, for the last word: the program of a row, as it was traced to be walked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from eqprop import rounding
from eqprop.engine import HOT, MULTIPLY_ADDS, attended, compiler_options, multiply_adds, numbers_context, traced
from eqprop.evaluation.row import Row
from eqprop.evaluation.walked import Positions, Walked, traced_row
from eqprop.probes import Probe
from eqprop.rounding import COPIES, Measured


@final
class Alone:
    """The program of one row, compiled by XLA and called row after row.

    A few rows are all that the last word is about, so that nothing is traced again for many rows at once: that takes
    as long as compiling it (docs/decisions/evaluating.md).

    Args:
        row: of one property.
        walked: what walks the same row, if anything does.
        probes: how many it will be asked about.
    """

    def __init__(self, row: Row, walked: Walked | None, probes: int) -> None:
        self._row = row
        (self._name,) = (prop.name for prop in row.properties)
        with numbers_context(row.precision):
            program, positions = _of(row, walked)
            self._sides = positions[self._name]
            rows = probes * (1 + COPIES)
            work = row.size + multiply_adds(program.jaxpr) // MULTIPLY_ADDS
            of_leaves = jaxpr_as_fun(program)
            one = traced(lambda probe: of_leaves(*jax.tree.leaves(probe)), row.like())
            self._call = one.lower().compile(compiler_options=compiler_options(long=rows * work > HOT))

    def measured(self, rows: Probe, copies: int, rng: np.random.Generator) -> dict[str, Measured]:
        """What the property's sides say at every probe of the rows.

        Args:
            rows: probes, each followed by its copies.
            copies: of each probe.
            rng: of rounding errors, of which XLA's own are enough.
        """
        del rng

        def called() -> list[list[np.ndarray]]:
            each = (self._call(rows.at(i)) for i in range(rows.count))
            return [[_flat([leaves[i] for i in side]) for side in self._sides] for leaves in each]

        with numbers_context(self._row.precision):
            found = attended(called, self._name)()
        lhs, rhs, scales, errors = (
            np.stack(side).reshape(rows.count // (1 + copies), 1 + copies, -1) for side in zip(*found, strict=True)
        )
        return {self._name: rounding.measure(lhs, rhs, scales, self._row.layouts[self._name].starts, errors)}


def _of(row: Row, walked: Walked | None) -> tuple[ClosedJaxpr, Positions]:
    """The program that is walked; traced where there is none, or where only what a walk reads of it was kept."""
    if walked is not None and isinstance(walked.program, ClosedJaxpr):
        return walked.program, walked.positions
    program, facts = traced_row(row)
    return program, facts["positions"]


def _flat(leaves: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(leaf, np.float64)) for leaf in leaves)])
