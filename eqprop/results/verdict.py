"""What was found for one pair and one property."""

from __future__ import annotations

import builtins
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from eqprop.results.counterexample import Counterexample
from eqprop.results.records import Record, check_fields
from eqprop.results.unseen import Unseen


class Outcome(StrEnum):
    """How a cell (pair × property) was settled."""

    HOLDS = "holds"
    FALSIFIED = "falsified"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"
    BLOCKED = "blocked"
    KNOWN_FAILURE = "known failure"
    UNCHANGED = "unchanged"
    UNEXPECTED_PASS = "unexpected pass"
    MISSING = "missing"
    ERROR = "error"


ACCEPTED = frozenset({Outcome.HOLDS, Outcome.NOT_APPLICABLE, Outcome.KNOWN_FAILURE, Outcome.UNCHANGED})
"""Outcomes with which a run succeeds."""


@dataclass(frozen=True)
class PairName:
    """Which pair a verdict is about; plain data, so that verdicts travel between processes."""

    name: str


@dataclass(frozen=True)
class PropertyName:
    """Which property a verdict is about."""

    name: str
    order: int


@dataclass(frozen=True)
class Series:
    """A quantity along one trajectory, as it was found and as it was predicted.

    Attributes:
        name: what it is.
        found: its values, from the start.
        predicted: likewise.
    """

    name: str
    found: tuple[float, ...]
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one cell with its evidence. Plain data: it pickles, and ``to_record`` is JSON.

    Attributes:
        pair: the pair's name.
        property: the property's name and order.
        outcome: how the cell was settled.
        reason: why, where the outcome needs a reason (not applicable, blocked, inconclusive, error, known failure).
        residual: |lhs − rhs| of the worst leaf at the worst probe. Like all figures but the number of probes, of what
            was looked into to the end, and as the last look judged it.
        floor: the rounding floor there.
        resolution: the smallest relative error that would have been noticed, median over the probes that compared
            something, those that settled nothing included.
        worst_resolution: the same, at the worst probe that settled something.
        probes: how many were judged.
        inconclusive: how many of them settled nothing.
        vacuous: at how many both sides and all their terms vanished.
        cleared: at how many the sides seemed to differ, and a closer look found rounding inside the program.
        set_by: the operation, or the input, that makes most of the floor where too many probes settle nothing.
        architectures: how many distinct ones were probed.
        precision: the lowest floating precision in the traced programs.
        by_jax: the operations that NumPy has nothing for, and that JAX did one by one, in what it was judged by.
        why_compiled: why such a program was compiled; empty where all of them were walked.
        seconds: spent on the pair's search; the cells of a pair share one search and all say its time.
        counterexample: of a falsified property.
        series: of a property about a trajectory: what it was about, along one of the trajectories that were run.
        unseen: of a user's pair that holds: the tensors whose derivatives its symmetry does not look at. Those of a
            pair say it together, in the cells of the properties that were asked.
    """

    pair: PairName
    property: PropertyName
    outcome: Outcome
    reason: str = ""
    residual: float = float("nan")
    floor: float = float("nan")
    resolution: float = float("nan")
    worst_resolution: float = float("nan")
    probes: int = 0
    inconclusive: int = 0
    vacuous: int = 0
    cleared: int = 0
    set_by: str = ""
    architectures: int = 0
    precision: str = ""
    by_jax: tuple[str, ...] = ()
    why_compiled: str = ""
    seconds: float = 0.0
    counterexample: Counterexample | None = None
    series: Series | None = None
    unseen: Unseen | None = None

    @builtins.property
    def floors(self) -> float:
        """The residual in floors."""
        if self.residual == 0:
            return 0.0
        return self.residual / self.floor if self.floor else float("inf")

    @builtins.property
    def accepted(self) -> bool:
        """Whether a run may succeed with this cell."""
        return self.outcome in ACCEPTED

    @builtins.property
    def cell(self) -> tuple[str, str]:
        """(pair name, property name)."""
        return (self.pair.name, self.property.name)

    def to_record(self) -> Record:
        """As JSON: nested dictionaries, lists, strings and numbers (None for a number that is none)."""
        record = asdict(self) | {"outcome": str(self.outcome), "pair": self.pair.name, "property": self.property.name}
        record |= {"order": self.property.order}
        record["counterexample"] = self.counterexample.to_record() if self.counterexample else None
        return {key: None if value != value else value for key, value in record.items()}  # noqa: PLR0124 - NaN

    @classmethod
    def from_record(cls, record: Record) -> Verdict:
        """The verdict that ``to_record`` wrote."""
        fields: Record = {key: float("nan") if value is None else value for key, value in record.items()}
        check_fields(cls, fields)
        order = fields.pop("order")
        fields.pop("code", None)  # a report's: it follows from the rest
        shrunk = record["counterexample"]
        fields |= {
            "pair": PairName(str(record["pair"])),
            "property": PropertyName(str(record["property"]), int(order)),
            "outcome": Outcome(record["outcome"]),
            "by_jax": tuple(record.get("by_jax", ())),
            "counterexample": Counterexample.from_record(shrunk) if shrunk else None,
            "series": _series(record.get("series")),
            "unseen": Unseen.from_record(record["unseen"]) if record.get("unseen") else None,
        }
        return cls(**fields)


def _series(record: Record | None) -> Series | None:
    if record is None:
        return None
    check_fields(Series, record)
    return Series(record["name"], tuple(record["found"]), tuple(record["predicted"]))


@dataclass(frozen=True)
class Progress:
    """What a search is doing, for a live display.

    Attributes:
        pair: the pair's name.
        stage: ``"started"``, ``"searching"``, ``"settled"``, ``"shrinking"`` or ``"finished"``.
        architectures: distinct ones so far.
        probes: judged so far.
        shrinking: the property whose counterexample is being shrunk.
        verdicts: of a finished pair; of one where something is settled so far, what that is.
    """

    pair: str
    stage: str
    architectures: int = 0
    probes: int = 0
    shrinking: str = ""
    verdicts: tuple[Verdict, ...] = field(default=())
