"""Evaluates twice: what NumPy makes of a program, operation by operation, against what XLA makes of the same one.

Both start from one traced row. Floors have the errors of both: the copies are walked with random rounding inside, and
run compiled, where an order of summation of XLA's own rounds anew with each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar, final

import jax
import numpy as np

from eqprop.engine import Array, Roundoff, Unsupported, attended, error_of, numbers_context
from eqprop.evaluation.compiled import as_users_run
from eqprop.evaluation.row import Row
from eqprop.evaluation.walked import Walked
from eqprop.probes import Probe
from eqprop.rounding import Measured

T = TypeVar("T")

MOST = 20_000
"""So many operations take XLA about a minute. A longer program is not compiled for this: a count and not a time, so
that every machine says the same (docs/decisions/evaluating.md)."""

COMPILED_COPIES = 15
"""How many copies of a probe are run compiled at most, one by one: the walk has all of them."""


class NotCompared(Exception):  # noqa: N818 - it reads as what happened
    """Why a program is not evaluated twice."""


@final
class Twofold:
    """NumPy's results on the left, XLA's on the right, of properties whose sides are the same program.

    Args:
        row: what is evaluated.

    Attributes:
        rows: see ``Evaluator``.
        units: see ``Evaluator``.

    Raises:
        NotCompared: where the program cannot be walked, or is too long to be compiled for this.
    """

    rounds = True
    opaque = ""
    calls_back = False

    def __init__(self, row: Row) -> None:
        self._row = row
        if jax.default_backend() != "cpu":
            msg = f"NumPy's operations are compared with XLA's on a CPU; this is a {jax.default_backend()}"
            raise NotCompared(msg)
        try:
            self._walked = Walked(row, errors=error_of)
        except Unsupported as error:
            msg = f"NumPy has nothing for {error}"
            raise NotCompared(msg) from error
        if self._walked.elsewhere:
            msg = "a part of it is evaluated by others, which no compiler sees"
            raise NotCompared(msg)
        if self._walked.steps > MOST:
            msg = f"it has {self._walked.steps:,} operations, which take XLA long; up to {MOST:,} are compiled for this"
            raise NotCompared(msg)
        self.rows = self._walked.rows
        self.by_jax = self._walked.by_jax
        self.units: dict[str, Roundoff] = self._walked.units
        self._run = as_users_run(row)

    def _watched(self, work: Callable[[], T]) -> T:
        """What runs compiled programs, many in a row."""
        with numbers_context(self._row.precision):
            return attended(work, ", ".join(prop.name for prop in self._row.properties))()

    def _compiled(self, rows: Probe, which: int) -> dict[str, np.ndarray]:
        """The left sides by XLA at one of the rows."""
        return {name: _flat(leaves) for name, leaves in self._run(rows.at(which)).items()}

    def sides(self, rows: Probe, only: str = "", *, first: bool = False) -> dict[str, tuple[np.ndarray, ...]]:
        del first
        walked = self._walked.sides(rows, only)
        compiled = self._watched(lambda: [self._compiled(rows, i) for i in range(rows.count)])
        return {
            name: (lhs, np.stack([found[name] for found in compiled]), *rest)
            for name, (lhs, _, *rest) in walked.items()
        }

    def measured(
        self, rows: Probe, copies: int, rng: np.random.Generator, only: str = "", *, plain: bool = False
    ) -> dict[str, Measured]:
        walked = self._walked.measured(rows, copies, rng, only, plain=plain)
        probes = range(0, rows.count, 1 + copies)
        fields = self._watched(lambda: [self._of_probe(rows, first, copies, walked) for first in probes])
        return {name: _beside(walked[name], [found[name] for found in fields]) for name in walked}

    def measured_under_noise(self, name: str, rows: Probe, copies: int, rng: np.random.Generator) -> Measured:
        return self.measured(rows, copies, rng, name)[name]

    def _of_probe(self, rows: Probe, first: int, copies: int, names: Collection[str]) -> dict[str, np.ndarray]:
        """Of each leaf: how far both evaluators lie apart, how far XLA's copies do, and XLA's largest entry."""
        by_numpy = self._walked.sides(rows.at(slice(first, first + 1)))
        at_probe = self._compiled(rows, first)
        found = {name: self._apart(name, by_numpy[name][0][0], at_probe[name]) for name in names}
        far = {name: np.zeros_like(apart) for name, apart in found.items()}
        for copy in range(first + 1, first + 1 + min(copies, COMPILED_COPIES)):
            of_copy = self._compiled(rows, copy)
            far = {n: np.maximum(old, self._apart(n, of_copy[n], at_probe[n])) for n, old in far.items()}
        return {name: np.stack([found[name], far[name], self._of_leaves(name, at_probe[name])]) for name in names}

    def _apart(self, name: str, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The largest difference of each leaf; NaN where both are infinite."""
        with np.errstate(invalid="ignore"):
            return self._of_leaves(name, one - other)

    def _of_leaves(self, name: str, numbers: np.ndarray) -> np.ndarray:
        """The largest entry of each leaf."""
        return np.array([leaf.max(initial=0.0) for leaf in self._row.layouts[name].leaves(np.abs(numbers))])


def _beside(walked: Measured, compiled: Sequence[np.ndarray]) -> Measured:
    """What was read off both: of the walk, whose two sides are one and the same, the spread counts once."""
    apart, far, size = np.stack(compiled, axis=1)
    return replace(
        walked,
        residual=apart,
        spread=walked.spread / 2 + far,
        size=np.maximum(walked.size, size),
        finite=walked.finite & np.isfinite(apart + far + size).all(axis=1),
    )


def _flat(leaves: Sequence[Array | np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(leaf, np.float64)) for leaf in leaves)])
