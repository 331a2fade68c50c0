"""From a search's evidence to the outcome of each cell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from eqprop.claims import Pair
from eqprop.kept import Allowance
from eqprop.properties import LIBRARY, Property
from eqprop.results import Counterexample, Outcome, PairName, PropertyName, Series, Verdict
from eqprop.search.tally import Tally

DISPUTED = (
    "its operations, one by one, violate it by more than they round; the compiled program does not. The compiler "
    "computes something else than what was traced: compare with --evaluator xla"
)
"""Why a violation that the compiled program clears is no verdict."""


def unseen_rounding(opaque: str) -> str:
    """Why a violation is no verdict where rounding inside of what others evaluate cannot be shown.

    Args:
        opaque: why it cannot.
    """
    return (
        f"violated, perhaps by no more than rounding inside of it, which cannot be seen ({opaque}). Write it with "
        "operations that can be traced"
    )


@dataclass(frozen=True)
class Evidence:
    """What was found out about one pair, or a strategy of pairs: by a search, or at a single probe.

    Attributes:
        tallies: by property name.
        violated: names of the properties with a violation.
        control: for a negative control, why the premise must be falsified; else empty.
        reason_if_not_applicable: property name → why it applied to no pair.
        known: property name → reason, for failures that are expected.
        allowed: property name → which share of its probes may settle nothing.
        series: property name → what a property about a trajectory was about.
        errors: property name → why it could not be evaluated on some pair.
        empty: property name → why it is about nothing here, where both sides vanished at every probe.
        untold: property name → why its violation has no counterexample to show.
        disputed: property name → why its violation does not count after all.
        out_of_time: why not all was judged that was to be; empty where all was.
    """

    tallies: Mapping[str, Tally]
    violated: Collection[str] = ()
    control: str = ""
    reason_if_not_applicable: Mapping[str, str] = field(default_factory=dict[str, str])
    known: Mapping[str, str] = field(default_factory=dict[str, str])
    allowed: Mapping[str, Allowance] = field(default_factory=dict[str, Allowance])
    series: Mapping[str, Series] = field(default_factory=dict[str, Series])
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    empty: Mapping[str, str] = field(default_factory=dict[str, str])
    untold: Mapping[str, str] = field(default_factory=dict[str, str])
    disputed: Mapping[str, str] = field(default_factory=dict[str, str])
    out_of_time: str = ""


def why_empty(properties: Iterable[Property], tallies: Mapping[str, Tally], pair: Pair) -> dict[str, str]:
    """Why statements are about nothing for a pair, by name, of those of which both sides vanished at every probe.

    Args:
        properties: that were judged.
        tallies: of each, by name.
        pair: that they were judged of.
    """
    silent = [prop for prop in properties if prop.empty and tallies[prop.name].all_vacuous]
    return {prop.name: reason for prop in silent if prop.empty and (reason := prop.empty(pair))}


def blocker(prop: Property, violated: Collection[str]) -> str | None:
    """A violated property that this one rests on, directly or not."""
    by_name = {p.name: p for p in LIBRARY}
    for name in prop.rests_on:
        deeper = name if name in violated else blocker(by_name[name], violated) if name in by_name else None
        if deeper:
            return deeper
    return None


def verdict_of(evidence: Evidence, pair: str, prop: Property, counterexample: Counterexample | None = None) -> Verdict:
    """The verdict of one cell: its outcome, with the figures of the counterexample or else of all that was settled.

    Args:
        evidence: what was counted of all probes of all architectures.
        pair: its name.
        prop: the property.
        counterexample: the smallest one, where there is one.
    """
    tally = evidence.tallies[prop.name]
    outcome, reason = outcome_of(evidence, prop)
    median, worst = tally.resolution()
    shown = counterexample if counterexample is not None else tally
    return Verdict(
        pair=PairName(pair),
        property=PropertyName(prop.name, prop.order),
        outcome=outcome,
        reason=reason,
        residual=shown.residual,
        floor=shown.floor,
        resolution=median,
        worst_resolution=worst,
        probes=tally.probes,
        inconclusive=tally.inconclusive,
        vacuous=tally.vacuous,
        cleared=tally.cleared,
        set_by=tally.set_by,
        architectures=len(tally.architectures),
        precision=tally.precision,
        by_jax=tuple(tally.by_jax),
        why_compiled=tally.why_compiled,
        counterexample=counterexample,
        series=evidence.series.get(prop.name),
    )


def outcome_of(evidence: Evidence, prop: Property) -> tuple[Outcome, str]:
    """How a cell comes out, and why where that needs a reason: of a search, a replay, or the table of optimisers."""
    name, tally = prop.name, evidence.tallies[prop.name]
    if evidence.control:
        return _control_outcome(evidence, name)
    if (
        tally.probes == 0
        and name in evidence.reason_if_not_applicable
        and name not in (*evidence.violated, *evidence.errors)
    ):
        return Outcome.NOT_APPLICABLE, evidence.reason_if_not_applicable[name]
    failing = evidence.known.keys() & set(evidence.violated) - evidence.disputed.keys()
    blocked_by = blocker(prop, set(evidence.violated) - failing)
    if blocked_by:
        became = "is inconclusive" if blocked_by in evidence.disputed else "was falsified"
        return Outcome.BLOCKED, f"rests on {blocked_by}, which {became}"
    known_by = blocker(prop, failing)
    if known_by:
        why = f"rests on {known_by}, a known failure: {evidence.known[known_by]}"
        return Outcome.KNOWN_FAILURE, evidence.known.get(name, why)
    if name in evidence.disputed:
        return Outcome.INCONCLUSIVE, evidence.disputed[name]
    if name in evidence.violated:
        return (
            (Outcome.KNOWN_FAILURE, evidence.known[name])
            if name in evidence.known
            else (Outcome.FALSIFIED, evidence.untold.get(name, ""))
        )
    if name in evidence.errors:
        return Outcome.ERROR, evidence.errors[name]
    if evidence.out_of_time:
        return Outcome.INCONCLUSIVE, f"{evidence.out_of_time}; {tally.looked_at}"
    if name in evidence.known:
        return Outcome.UNEXPECTED_PASS, f"expected to fail: {evidence.known[name]}"
    if prop.reason_if_vacuous and tally.all_vacuous:
        return Outcome.NOT_APPLICABLE, prop.reason_if_vacuous
    if name in evidence.empty:
        return Outcome.NOT_APPLICABLE, evidence.empty[name]
    return _judged(tally, evidence.allowed.get(name))


def _judged(tally: Tally, allowed: Allowance | None) -> tuple[Outcome, str]:
    """What the probes of a cell say that nothing else decides."""
    reason = tally.why_inconclusive()
    if not reason:
        return Outcome.HOLDS, ""
    if allowed is None:
        return Outcome.INCONCLUSIVE, reason
    if tally.settles(allowed.share):
        return Outcome.HOLDS, f"{tally.unsettled_text}, and {allowed.share:.0%} of them may: {allowed.reason}"
    return Outcome.INCONCLUSIVE, f"{reason} ({allowed.share:.0%} are allowed: {allowed.reason})"


def _control_outcome(evidence: Evidence, name: str) -> tuple[Outcome, str]:
    """A negative control is asked for one thing: that the premise is falsified."""
    if name != "equivariance":
        return Outcome.NOT_APPLICABLE, "a negative control is asked for the premise only"
    if name in evidence.violated:
        return Outcome.KNOWN_FAILURE, evidence.control
    if name in evidence.errors:
        return Outcome.ERROR, evidence.errors[name]
    if evidence.out_of_time:
        return Outcome.INCONCLUSIVE, evidence.out_of_time
    return Outcome.UNEXPECTED_PASS, f"a negative control must be falsified: {evidence.control}"
