"""What a run found, as data and as plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from eqprop.results.codes import code_of
from eqprop.results.failures import failure_blocks
from eqprop.results.records import Record, check_fields
from eqprop.results.verdict import Outcome, Verdict


@dataclass(frozen=True, repr=False)
class Report:
    """Every verdict of a run. Printed, it is what failed and the summary; as its ``repr``, the line that counts cells.

    Attributes:
        verdicts: one per cell, in the order of pairs and of the property library.
        seed: replays the run.
        profile: the profile's name; several where the tests of a run of pytest have their own.
        seconds: wall time.
        peak: the most memory, in bytes, that this process has held so far, or a worker of it; 0 where nobody looked.
        places: pair → ``file:line`` of its model, of pairs with failures.
        shard: ``i/n``, where it is of a part of the pairs; empty for all.
    """

    verdicts: tuple[Verdict, ...]
    seed: int = 0
    profile: str = "gate"
    seconds: float = 0.0
    peak: int = 0
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    shard: str = ""

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The cells with which the run cannot succeed."""
        return tuple(verdict for verdict in self.verdicts if not verdict.accepted)

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """Expected cells (pair, property) that nothing filled, or whose property does not apply any more."""
        return tuple(verdict.cell for verdict in self.verdicts if verdict.outcome is Outcome.MISSING)

    @property
    def exit_code(self) -> int:
        """0 if all expected cells hold; 2 if some pair could not be run; 1 otherwise."""
        if any(verdict.outcome is Outcome.ERROR for verdict in self.verdicts):
            return 2
        settled = any(verdict.outcome is not Outcome.NOT_APPLICABLE for verdict in self.verdicts)
        return 0 if settled and not self.failures else 1

    @property
    def ok(self) -> bool:
        """Whether every expected cell was filled with an accepted outcome."""
        return self.exit_code == 0

    def counts(self) -> dict[str, int]:
        """How many cells have each outcome, outcomes that occur only."""
        outcomes = [str(verdict.outcome) for verdict in self.verdicts]
        return {str(o): outcomes.count(str(o)) for o in Outcome if str(o) in outcomes}

    def unseen(self) -> tuple[str, ...]:
        """What claims that hold do not look at, a line for each pair of which there is something to say."""
        found = {v.pair.name: v.unseen.line(v.pair.name) for v in self.verdicts if v.unseen}
        return tuple(line for line in found.values() if line)

    def summary(self) -> str:
        """What claims do not look at, then one line: pairs, cells by outcome, time, memory, seed."""
        return "\n".join([*self.unseen(), self._counted()])

    def _counted(self) -> str:
        cells = ", ".join(f"{count} {outcome}" for outcome, count in self.counts().items()) or "no cells"
        pairs = len({verdict.pair.name for verdict in self.verdicts})
        memory = f", peak {self.peak / 2**30:.2f} GiB" if self.peak else ""
        profile = f"profile{'s' if ', ' in self.profile else ''} {self.profile}"
        how = f"in {self.seconds:.1f} s{memory} (seed {self.seed}, {profile})"
        return f"{pairs} {'pair' if pairs == 1 else 'pairs'}: {cells} {how}"

    def failures_text(self) -> str:
        """Counterexamples and reasons of everything that failed, what has one cause once, then the summary."""
        return "\n\n".join([*failure_blocks(self.verdicts), self.summary()])

    def __str__(self) -> str:
        return self.failures_text()

    def __repr__(self) -> str:
        return f"<Report of {self._counted()}>"

    def to_json(self) -> str:
        """The whole report as JSON text."""
        return json.dumps(self.to_record(), indent=2, ensure_ascii=False)

    def to_record(self) -> Record:
        """The whole report as nested dictionaries, lists, strings and numbers."""
        return {
            "ok": self.ok,
            "exit_code": self.exit_code,
            "seed": self.seed,
            "profile": self.profile,
            "seconds": self.seconds,
            "peak_memory": self.peak,
            "shard": self.shard,
            "places": dict(self.places),
            "counts": self.counts(),
            "missing": [list(cell) for cell in self.missing],
            "verdicts": [{**verdict.to_record(), "code": code_of(verdict)} for verdict in self.verdicts],
        }

    @classmethod
    def from_record(cls, record: Record) -> Report:
        """The report that ``to_record`` wrote."""
        check_fields(cls, record)
        return cls(
            verdicts=tuple(Verdict.from_record(v) for v in record["verdicts"]),
            seed=record["seed"],
            profile=record["profile"],
            seconds=record["seconds"],
            peak=record.get("peak_memory", 0),
            places=record.get("places", {}),
            shard=record.get("shard", ""),
        )
