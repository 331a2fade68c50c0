"""Verdicts as lines of text: one for a pair, one for a cell. Shared by the command line and the pytest plugin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eqprop.results.failures import in_a_row
from eqprop.results.verdict import Outcome, Verdict

GRAVEST = (
    Outcome.ERROR,
    Outcome.FALSIFIED,
    Outcome.UNEXPECTED_PASS,
    Outcome.MISSING,
    Outcome.INCONCLUSIVE,
    Outcome.BLOCKED,
    Outcome.KNOWN_FAILURE,
    Outcome.UNCHANGED,
    Outcome.HOLDS,
    Outcome.NOT_APPLICABLE,
)
"""A pair is as bad as its worst cell. A pair with a known failure is not said to hold."""

ORDERS = (0, 1, 2, 3)
NARROWEST_NAME = 12
WIDTH_OF_NUMBERS = 55
"""Of a line without its name and outcome."""


@dataclass(frozen=True)
class PairSummary:
    """All cells of one pair in one line.

    Attributes:
        pair: the pair's name.
        outcome: of its worst cell.
        culprits: names of the properties with that outcome, where it is a failure.
        whole: whether all cells have that outcome, for one reason.
        held: for each order, how many properties hold of those that apply.
        resolution: the median over probes, of the property that holds with the coarsest.
        probes: of the property that was probed most.
        architectures: likewise.
        seconds: spent on the pair.
    """

    pair: str
    outcome: Outcome
    culprits: tuple[str, ...]
    whole: bool
    held: tuple[str, ...]
    resolution: float
    probes: int
    architectures: int
    seconds: float

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> PairSummary:
        """The overview of one pair's verdicts, at least one."""
        outcome = min((v.outcome for v in verdicts), key=GRAVEST.index)
        resolutions = [v.resolution for v in verdicts if v.outcome is Outcome.HOLDS]
        return cls(
            pair=verdicts[0].pair.name,
            outcome=outcome,
            culprits=tuple(v.property.name for v in verdicts if v.outcome is outcome and not v.accepted),
            whole=len({(v.outcome, v.reason) for v in verdicts}) == 1,
            held=tuple(_held([v for v in verdicts if v.property.order == order]) for order in ORDERS),
            resolution=max((r for r in resolutions if not math.isnan(r)), default=math.nan),
            probes=max(v.probes for v in verdicts),
            architectures=max(v.architectures for v in verdicts),
            seconds=max(v.seconds for v in verdicts),
        )

    @property
    def accepted(self) -> bool:
        """Whether a run may succeed with this pair."""
        return not self.culprits

    @property
    def worth_details(self) -> bool:
        """Whether its cells tell more than its line: those of a pair that cannot be run all have the same reason."""
        return not self.accepted and not (self.whole and self.outcome is Outcome.ERROR)

    def line(self, width: int) -> str:
        """Columns as in ``header``; ``width`` is that of the name."""
        return f"{self.numbers(width)}  {self.result}"

    def numbers(self, width: int) -> str:
        """The line without its result."""
        held = " ".join(f"{h:>5}" for h in self.held)
        probes = f"{self.architectures:>5} {self.probes:>7}"
        return f"{fitted(self.pair, width)} {held} {number(self.resolution):>8} {probes} {self.seconds:>6.1f}s"

    @property
    def result(self) -> str:
        """The outcome, and which properties have it where it is a failure."""
        if self.accepted:
            return str(self.outcome)
        if self.whole and self.outcome is Outcome.ERROR:
            return "error"
        first, *others = self.culprits
        more = f" and {len(others)} more" if others else ""
        return f"{self.outcome}: {first}{more}"


def _held(verdicts: Sequence[Verdict]) -> str:
    asked = [v for v in verdicts if v.outcome not in (Outcome.NOT_APPLICABLE, Outcome.UNCHANGED)]
    return f"{sum(v.outcome is Outcome.HOLDS for v in asked)}/{len(asked)}" if asked else "-"


def pair_summaries(verdicts: Iterable[Verdict]) -> list[PairSummary]:
    """One for each pair, in the order of first appearance."""
    pairs: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        pairs.setdefault(verdict.pair.name, []).append(verdict)
    return [PairSummary.of(cells) for cells in pairs.values()]


def header(width: int) -> str:
    """The headings above overviews: held/applicable by order, resolution, architectures, probes, time."""
    orders = " ".join(f"{f'ord {order}':>5}" for order in ORDERS)
    return f"{'pair':<{width}} {orders} {'resoln':>8} {'archs':>5} {'probes':>7} {'time':>7}  outcome"


def name_width(names: Iterable[str], columns: int) -> int:
    """The width of the column of names in a terminal of so many columns; the outcome gets at least 20.

    Names that differ still do when they are cut: where they need more room for it, the lines are longer.
    """
    every = set(names)
    longest = max(map(len, every), default=0)
    width = max(NARROWEST_NAME, min(longest, columns - WIDTH_OF_NUMBERS - 20))
    while width < longest and len({fitted(name, width) for name in every}) < len(every):
        width += 1
    return width


def fitted(name: str, width: int) -> str:
    """The name padded, or without its middle, to the width."""
    if len(name) <= width:
        return f"{name:<{width}}"
    end = (width - 3) // 2
    return f"{name[: width - 3 - end]}...{name[len(name) - end :]}"


def number(value: float) -> str:
    """One significant digit; a dash for none."""
    return "-" if math.isnan(value) else f"{value:.0e}"


def evaluation_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """How the programs of a pair were evaluated where NumPy did not do all: a line for each reason."""
    told: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.by_jax:
            told.setdefault(f"evaluated by JAX, one by one: {', '.join(verdict.by_jax)}", []).append(
                verdict.property.name
            )
        if verdict.why_compiled:
            told.setdefault(f"compiled: {verdict.why_compiled}", []).append(verdict.property.name)
    return [f"  {how} (in {in_a_row(names)})" for how, names in told.items()]


def cell_line(verdict: Verdict, width: int = 26, *, reason: str | None = None) -> str:
    """One cell: property, order, median and worst resolution, probes, outcome, and its reason (or a text for it).

    Args:
        verdict: of the cell.
        width: of the column of names.
        reason: shown in the place of the verdict's own, where it is given.
    """
    numbers = f"{number(verdict.resolution):>8} (worst {number(verdict.worst_resolution):>5}) {verdict.probes:>7}"
    line = f"  {verdict.property.name:<{width}} {verdict.property.order} {numbers}  {verdict.outcome}"
    said = said_of(verdict) if reason is None else reason
    return f"{line}: {said}" if said else line


def cleared_text(probes: int) -> str:
    """What is said of so many probes that a closer look cleared of a suspicion; an empty text for none."""
    where = f"at {probes} probe{'s' if probes > 1 else ''}"
    return f"{where} the sides differed by rounding inside the program" if probes else ""


def said_of(verdict: Verdict) -> str:
    """The reason, and what else a reader of its numbers should know."""
    lower = f"in {verdict.precision}" if verdict.precision not in ("", "float64") and not verdict.reason else ""
    # Beside a violation that stands, what others turned out to be would read as a retraction.
    cleared = "" if verdict.outcome is Outcome.FALSIFIED else cleared_text(verdict.cleared)
    return "; ".join(filter(None, (verdict.reason, lower, cleared)))


def cell_lines(verdicts: Iterable[Verdict]) -> list[tuple[Outcome, str]]:
    """A line for each cell; a reason is told once. Those that do not apply come last, a line for each reason."""
    asked: list[tuple[Outcome, str]] = []
    idle: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for verdict in verdicts:
        name = verdict.property.name
        if verdict.outcome is Outcome.NOT_APPLICABLE:
            idle.setdefault(verdict.reason, []).append(name)
        else:
            told_at = first.setdefault(verdict.reason, name) if verdict.reason else name
            asked.append((verdict.outcome, cell_line(verdict, reason=None if told_at == name else f"as {told_at}")))
    outcome = Outcome.NOT_APPLICABLE
    return [*asked, *((outcome, f"  {outcome}: {reason}: {', '.join(names)}") for reason, names in idle.items())]
