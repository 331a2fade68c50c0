"""Known failures that a project declares: given to the tasks that they are about, and told of where there is none.

Two places declare them: ``[tool.eqprop.known_failures]`` with a reason, and the baseline with a counterexample besides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from eqprop.arguments import suggestion
from eqprop.kept import KnownFailure
from eqprop.results import Outcome, PairName, PropertyName, Verdict

if TYPE_CHECKING:
    from eqprop.search import SearchTask

TABLE = "[tool.eqprop.known_failures]"


@dataclass(frozen=True)
class Known:
    """What a project says of failures. Plain data.

    Attributes:
        table: ``"pair::property"`` → reason.
        baseline: those with a counterexample.
    """

    table: Mapping[str, str] = field(default_factory=dict[str, str])
    baseline: Sequence[KnownFailure] = ()

    @property
    def declared(self) -> bool:
        """Whether there is any."""
        return bool(self.table or self.baseline)

    def given_to(self, tasks: Iterable[SearchTask]) -> list[SearchTask]:
        """The tasks with their known failures.

        Raises:
            InvalidInput: for a name that is no property's.
        """
        rows: dict[str, dict[str, str]] = {}
        for cell, reason in self.table.items():
            pair, _, name = cell.rpartition("::")
            rows.setdefault(pair, {})[name] = reason
        self._check(rows)
        return [self._given(task, rows.get(task.name, {})) for task in tasks]

    def _given(self, task: SearchTask, row: Mapping[str, str]) -> SearchTask:
        found = {k.property: k for k in self.baseline if (k.target, k.pair) == (task.address, task.name)}
        if not row and not found:
            return task
        return replace(task, known_failures={**task.known_failures, **row}, baseline=found)

    def _check(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        from eqprop.search import check_known_names

        for pair, row in rows.items():
            check_known_names(row, (), f"{TABLE}, pair {pair!r}")

    def strays(self, seen: Collection[tuple[str, str]], asked: Collection[str]) -> Iterator[tuple[str, Verdict]]:
        """Target and verdict of each known failure that is about nothing: an error of its own cell.

        Args:
            seen: address and name of each pair of a whole run.
            asked: the names of the properties that it is asked for; empty for any.
        """
        pairs = sorted({pair for _, pair in seen})
        for cell in self.table:
            pair, _, name = cell.rpartition("::")
            if pair not in pairs:
                yield "", _stray(pair, name, f"{TABLE} has it, and no pair is called {pair!r}", suggestion(pair, pairs))
        for known in self.baseline:
            if (known.target, known.pair) not in seen:
                where = f" of {known.target!r}" if known.target else ""
                why = f"the baseline has it, and no pair{where} is called {known.pair!r}"
                yield known.target, _stray(known.pair, known.property, why, suggestion(known.pair, pairs) or PRUNE)
            elif asked and known.property not in asked:
                why = f"the baseline has it, and nobody asks for {known.property!r}"
                yield known.target, _stray(known.pair, known.property, why, suggestion(known.property, asked) or PRUNE)


PRUNE = "`eqprop baseline prune` takes it away."


def _stray(pair: str, name: str, why: str, remedy: str) -> Verdict:
    reason = f"known failure of nothing: {why}. {remedy}".strip()
    return Verdict(PairName(pair), PropertyName(name, 0), Outcome.ERROR, reason)
