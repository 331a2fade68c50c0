"""Known failures of a task: their counterexamples are tried again before anything is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eqprop.counterexamples import recipe_in
from eqprop.errors import InvalidInput
from eqprop.kept import KnownFailure
from eqprop.properties import Property
from eqprop.results import Answer, Outcome, PairName, PropertyName, Replayed, Verdict
from eqprop.runs.replaying import again
from eqprop.search import Options, SearchTask


@dataclass(frozen=True)
class Tried:
    """A task after its known failures were tried again.

    Attributes:
        task: what is left to search, told which of them stand.
        options: without their properties.
        verdicts: of their cells, by property name.
    """

    task: SearchTask
    options: Options
    verdicts: Mapping[str, Verdict]


def tried(task: SearchTask, options: Options) -> Tried:
    """Try the known failures among the properties that are asked for. None of them is searched.

    Args:
        task: with its baseline.
        options: with the properties that are asked for.
    """
    asked = [(prop, task.baseline[prop.name]) for prop in options.properties if prop.name in task.baseline]
    answers = {prop.name: _answer(task, prop, known) for prop, known in asked}
    verdicts = {prop.name: _verdict(task.name, prop, known, answers[prop.name]) for prop, known in asked}
    standing = {prop.name: known.why for prop, known in asked if answers[prop.name].answer is Answer.STILL_FAILS}
    rest = tuple(prop for prop in options.properties if prop.name not in verdicts)
    return Tried(replace(task, standing=standing), replace(options, properties=rest), verdicts)


def _answer(task: SearchTask, prop: Property, known: KnownFailure) -> Replayed:
    try:
        return again(recipe_in(known.counterexample), task, prop)
    except InvalidInput as error:
        return Replayed(Answer.CANNOT_RUN, str(error))


def _verdict(pair: str, prop: Property, known: KnownFailure, replayed: Replayed) -> Verdict:
    """The verdict of a known failure: an end that has passed excuses nothing, nor does what is fixed or cannot run."""
    found = replayed.verdict or Verdict(PairName(pair), PropertyName(prop.name, prop.order), Outcome.ERROR)
    said = f"its counterexample {replayed.answer}"
    if replayed.answer is Answer.FIXED:
        outcome, reason = Outcome.UNEXPECTED_PASS, f"{said}: {known.why}; `eqprop baseline prune` takes it away"
    elif replayed.answer is Answer.CANNOT_RUN:
        outcome, reason = Outcome.ERROR, f"known failure, and {said}: {replayed.reason}"
    elif known.expired:
        outcome, reason = Outcome.FALSIFIED, f"expired on {known.expires}, and {said}: {known.reason}"
    else:
        outcome, reason = Outcome.KNOWN_FAILURE, f"{said}: {known.why}"
    shown = found.counterexample if outcome is Outcome.FALSIFIED else None
    if shown is not None:
        told = (*shown.notes, reason)
        shown = replace(shown, notes=told, replay=f"eqprop replay {known.counterexample}", file=known.counterexample)
    return replace(found, pair=PairName(pair), outcome=outcome, reason=reason, counterexample=shown)
