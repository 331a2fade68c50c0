"""What a project declares of cells: which are known to fail and which may be inconclusive; given to their tasks.

What is about nothing is told. Known failures are declared in two places: ``[tool.eqprop.known_failures]`` with a
reason, and the baseline with a counterexample besides. ``[tool.eqprop.allow_inconclusive]`` has shares of probes, with
reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from eqprop.arguments import suggestion
from eqprop.kept import Allowance, KnownFailure
from eqprop.results import Outcome, PairName, PropertyName, Verdict

if TYPE_CHECKING:
    from eqprop.search import SearchTask

T = TypeVar("T")

FAILURES, ALLOWANCES = "known_failures", "allow_inconclusive"
"""Tables of ``[tool.eqprop]``."""

TABLE, ALLOWED = f"[tool.eqprop.{FAILURES}]", f"[tool.eqprop.{ALLOWANCES}]"


@dataclass(frozen=True)
class Known:
    """What a project says of cells. Plain data.

    Attributes:
        table: ``"pair::property"`` → reason, of known failures.
        baseline: those with a counterexample.
        allowed: ``"pair::property"`` → which share of the probes may settle nothing.
    """

    table: Mapping[str, str] = field(default_factory=dict[str, str])
    baseline: Sequence[KnownFailure] = ()
    allowed: Mapping[str, Allowance] = field(default_factory=dict[str, Allowance])

    @property
    def declared(self) -> bool:
        """Whether there is any."""
        return bool(self.table or self.baseline or self.allowed)

    def given_to(self, tasks: Iterable[SearchTask]) -> list[SearchTask]:
        """The tasks with what is declared of them.

        Raises:
            InvalidInput: for a name that is no property's.
        """
        failing, allowed = _by_pair(self.table, FAILURES), _by_pair(self.allowed, ALLOWANCES)
        return [self._given(task, failing.get(task.name, {}), allowed.get(task.name, {})) for task in tasks]

    def _given(self, task: SearchTask, row: Mapping[str, str], allowed: Mapping[str, Allowance]) -> SearchTask:
        found = {k.property: k for k in self.baseline if (k.target, k.pair) == (task.address, task.name)}
        if not (row or found or allowed):
            return task
        failures, allowances = {**task.known_failures, **row}, {**task.allowed, **allowed}
        return replace(task, known_failures=failures, allowed=allowances, baseline=found)

    def strays(self, seen: Collection[tuple[str, str]], asked: Collection[str]) -> Iterator[tuple[str, Verdict]]:
        """Target and verdict of each declaration that is about nothing: an error of its own cell.

        Args:
            seen: address and name of each pair of a whole run.
            asked: the names of the properties that it is asked for; empty for any.
        """
        pairs = sorted({pair for _, pair in seen})
        for cell in self.table:
            pair, _, name = cell.rpartition("::")
            if pair not in pairs:
                yield "", _stray(pair, name, f"{TABLE} has it, and no pair is called {pair!r}", suggestion(pair, pairs))
        for cell in self.allowed:
            pair, _, name = cell.rpartition("::")
            if pair not in pairs:
                why, close = f"no pair is called {pair!r}", suggestion(pair, pairs)
            elif asked and name not in asked:
                why, close = f"nobody asks for {name!r}", suggestion(name, asked)
            else:
                continue
            yield "", _stray(pair, name, f"{ALLOWED} has it, and {why}", close, "allowance")
        for known in self.baseline:
            if (known.target, known.pair) not in seen:
                where = f" of {known.target!r}" if known.target else ""
                why = f"the baseline has it, and no pair{where} is called {known.pair!r}"
                yield known.target, _stray(known.pair, known.property, why, suggestion(known.pair, pairs) or PRUNE)
            elif asked and known.property not in asked:
                why = f"the baseline has it, and nobody asks for {known.property!r}"
                yield known.target, _stray(known.pair, known.property, why, suggestion(known.property, asked) or PRUNE)


PRUNE = "`eqprop baseline prune` takes it away."


def _by_pair(cells: Mapping[str, T], table: str) -> dict[str, dict[str, T]]:
    """Pair → property → what is declared of the cell, each property one that there is."""
    rows: dict[str, dict[str, T]] = {}
    for cell, said in cells.items():
        pair, _, name = cell.rpartition("::")
        rows.setdefault(pair, {})[name] = said
    for pair, row in rows.items():
        from eqprop.search import check_known_names

        check_known_names(row, (), f"[tool.eqprop.{table}], pair {pair!r}: {table}")
    return rows


def _stray(pair: str, name: str, why: str, remedy: str, what: str = "known failure") -> Verdict:
    reason = f"{what} of nothing: {why}. {remedy}".strip()
    return Verdict(PairName(pair), PropertyName(name, 0), Outcome.ERROR, reason)
