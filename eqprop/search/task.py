"""What one search is about, and how much of it there is to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from eqprop.claims import Pair
from eqprop.engine import Precision
from eqprop.evaluation import Choice
from eqprop.kept import Allowance, KnownFailure
from eqprop.profiles import PROFILES, Profile
from eqprop.properties import LIBRARY, Property
from eqprop.results import Progress

Listener = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The listener that shows nothing."""
    del progress


@dataclass(frozen=True)
class SearchTask:
    """What one search is about.

    Attributes:
        name: of the pair or of the catalog entry.
        pairs: a strategy of pairs; ``st.just(pair)`` for a fixed one.
        address: where a replay finds it: ``"catalog:NAME"`` or ``"package.module:attribute"``; empty for
            Python objects.
        control: for a negative control, why the premise must be falsified.
        known_failures: property name → reason; those of the drawn pair are added.
        allowed: property name → which share of its probes may settle nothing; that of the drawn pair is added.
        baseline: property name → the known failure that a project keeps, with its counterexample.
        standing: property name → reason, of known failures that were seen to fail still: they are not searched.
        built_in: whether the source of this package and a pair's key say all that the pair computes.
    """

    name: str
    pairs: SearchStrategy[Pair]
    address: str = ""
    control: str = ""
    known_failures: Mapping[str, str] = field(default_factory=dict[str, str])
    allowed: Mapping[str, Allowance] = field(default_factory=dict[str, Allowance])
    baseline: Mapping[str, KnownFailure] = field(default_factory=dict[str, KnownFailure])
    standing: Mapping[str, str] = field(default_factory=dict[str, str])
    built_in: bool = False


@dataclass(frozen=True)
class Options:
    """How a task is searched.

    Attributes:
        profile: the budget.
        seed: of the search; the same seed gives the same verdicts.
        precision: ``"float64"``, or ``"model"`` for the dtypes of the example parameters.
        evaluator: ``"numpy"``, ``"xla"``, or ``"auto"``; see ``Program``.
        properties: those asked for, in the order of reports.
        save: the folder for counterexample files; None saves none.
        shrink: whether falsified properties get a shrunk counterexample.
        unseen: whether what the symmetry of a user's pair does not look at is found out and said.
        judge_blocked: whether properties are judged, too, once one that they rest on is falsified.
        max_time: after how many seconds a search ends, but for what was falsified by then, and for what a compiler has
            begun; what it did not finish is inconclusive.
    """

    profile: Profile = PROFILES["gate"]
    seed: int = 0
    precision: Precision = "float64"
    evaluator: Choice = "auto"
    properties: tuple[Property, ...] = LIBRARY
    save: Path | None = None
    shrink: bool = True
    unseen: bool = True
    judge_blocked: bool = False
    max_time: float = inf
