"""What the property library says of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eqprop.finding.found import Found
from eqprop.results import Outcome, Verdict
from eqprop.runs import as_tasks as tasks_of
from eqprop.runs import make_options, run_tasks
from eqprop.search import Listener, Options

PREMISE = "equivariance"
"""What decides whether a finding is a symmetry of f."""

INTEGRALS = ("derivative", "hessian-integral")
"""What adds up derivatives to differences of values and of gradients."""


class Proven(NamedTuple):
    """A finding with what became of it.

    Attributes:
        found: what was found.
        verdict: ``proven``; ``defect`` where the premise holds and a property of a higher order is falsified;
            ``refuted`` where the premise is; ``unsettled`` where the library could not tell; empty where it was not
            asked.
        why: the properties behind a verdict that is not ``proven``.
    """

    found: Found
    verdict: str = ""
    why: str = ""


def proven(found: Sequence[Found], profile: str, seed: int, on_progress: Listener) -> tuple[Proven, ...]:
    """Every finding as a claim that is judged at all orders.

    Args:
        found: what was found, under names that differ.
        profile: how much is searched.
        seed: of the search.
        on_progress: hears of every step.
    """
    return _judged(found, _options(profile, seed), on_progress)


def refuted_or_open(found: Sequence[Found], profile: str, seed: int, on_progress: Listener) -> tuple[Proven, ...]:
    """The premise of every finding alone: ``refuted``, or not asked further.

    Args:
        found: what was found, under names that differ.
        profile: how much is searched.
        seed: of the search.
        on_progress: hears of every step.
    """
    options = make_options(profile=profile, seed=seed, unseen=False, properties=[PREMISE])
    judged = _judged(found, options, on_progress)
    return tuple(one if one.verdict == "refuted" else Proven(one.found) for one in judged)


def _judged(found: Sequence[Found], options: Options, on_progress: Listener) -> tuple[Proven, ...]:
    if not found:
        return ()
    report = run_tasks(tasks_of([one.pair for one in found]), options, on_progress)
    by_pair: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        by_pair.setdefault(verdict.pair.name, []).append(verdict)
    return tuple(Proven(one, *_said(by_pair[one.pair.name])) for one in found)


def _options(profile: str, seed: int) -> Options:
    """All that the profile asks for, and both integrals: a derivative that is off by a constant has every symmetry."""
    usual = make_options(profile=profile, seed=seed, unseen=False)
    more = [name for name in INTEGRALS if name not in {prop.name for prop in usual.properties}]
    return make_options(profile=profile, seed=seed, unseen=False, properties=[*usual.properties, *more])


def _said(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    falsified = [v for v in verdicts if v.outcome is Outcome.FALSIFIED]
    if falsified:
        lowest = min(v.property.order for v in falsified)
        why = f"falsified at order {lowest}: {', '.join(v.property.name for v in falsified)}"
        return ("defect" if lowest > 0 else "refuted"), why
    open_ones = [v for v in verdicts if v.outcome in (Outcome.ERROR, Outcome.INCONCLUSIVE)]
    if not any(v.outcome is Outcome.HOLDS for v in verdicts) or any(v.property.order == 0 for v in open_ones):
        return "unsettled", "; ".join(f"{v.property.name}: {v.reason}" for v in open_ones[:2])
    return "proven", ""
