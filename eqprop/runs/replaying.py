"""From names and numbers back to a verdict: load a pair, check one property at given numbers, replay a saved file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
import jax
import numpy as np
from hypothesis import strategies as st

from eqprop.arguments import got, one_of, short, suggestion, text_of
from eqprop.claims import Pair
from eqprop.counterexamples import counterexample, recipe_in
from eqprop.engine import Precision, separated_caches, unexpected
from eqprop.errors import EqpropError, Falsified, InvalidInput
from eqprop.evaluation import Program, as_compiled, climbed
from eqprop.probes import DRAWN_LOSSES, Loss, user_loss
from eqprop.profiles import PROFILES
from eqprop.properties import Point, Property
from eqprop.results import Answer, Outcome, Replayed, Report, Verdict
from eqprop.runs import targets
from eqprop.runs.given import probe_with
from eqprop.runs.optimizer_targets import property_named
from eqprop.search import (
    DISPUTED,
    Evidence,
    SearchTask,
    Tally,
    rebuilt,
    simplest,
    unseen_rounding,
    verdict_of,
    why_empty,
)
from eqprop.validation import check_pair

MOST_LISTED = 20
"""Names of pairs that an error lists."""


def load(target: str, name: str = "", structure: str = "") -> Pair:
    """The pair that a counterexample was found on.

    Args:
        target: as for ``eqprop verify``: ``"catalog:NAME"`` or ``"package.module:attribute"``.
        name: of the pair, where the target has several.
        structure: what hypothesis printed, ``"version:blob"``; not needed for a pair that was not drawn.

    Raises:
        InvalidInput: where there is no such pair, or the structure belongs to another strategy or hypothesis version.
    """
    if not isinstance(structure, str):
        msg = f"load: structure is {got(structure)}; expected the text that a counterexample prints, 'version:blob'."
        raise InvalidInput(msg)
    return _built(_single(target, name), structure)


def _built(task: SearchTask, structure: str) -> Pair:
    """The pair of a task that was drawn with a structure; a pair that was not drawn needs none."""
    if not structure or isinstance(task.pairs, type(st.just(None))):
        return simplest(task.pairs)
    try:
        return rebuilt(task.pairs, structure, PROFILES["gate"]).pair
    except (hypothesis.errors.DidNotReproduce, hypothesis.errors.InvalidArgument) as error:
        drawn, installed = structure.partition(":")[0], hypothesis.__version__
        why = "the strategy has changed since, or the text is not whole"
        if drawn != installed:
            why = f"it was drawn with hypothesis {drawn}, {installed} is installed; or the strategy has changed since"
        msg = (
            f"structure {short(structure)} does not rebuild a pair of {(task.address or task.name)!r}: {why}. Verify "
            "again to find it anew."
        )
        raise InvalidInput(msg) from error


def _single(target: str, name: str) -> SearchTask:
    """The one task of a target that has the name, or the only one where none is given."""
    if not isinstance(target, str):
        msg = f"load: target is {got(target)}; expected the name of a catalog entry, or 'package.module:attribute'."
        raise InvalidInput(msg)
    text_of(name, "load: name", example="'my-mlp'")
    known = {task.name: task for task in targets.resolve(target)}
    if name in known:
        return known[name]
    if not name and len(known) == 1:
        return next(iter(known.values()))
    msg = f"{target!r} has several pairs; name one of them."
    if name:
        msg = f"{target!r} has no pair called {name!r}. {suggestion(name, known)}".strip()
    listed = f" They are: {', '.join(known)}." if len(known) <= MOST_LISTED else f" It has {len(known)}."
    raise InvalidInput(msg + listed)


def check(
    pair: Pair,
    name: str,
    *,
    loss: str = "squared error",
    precision: Precision = "float64",
    optimizer: Any = None,
    **numbers: Any,
) -> Verdict:
    """One property at one probe.

    Args:
        pair: what is checked.
        name: of the property.
        loss: of a drawn loss, by name; a model's own loss takes precedence.
        precision: as for ``verify``.
        optimizer: of a property of an optimiser, as for ``verify``.
        **numbers: the fields of the probe that the property reads (``params``, ``inputs``, ``element``, …), each as the
            model takes it (an array, a tuple or any other tree of arrays), or as arrays by pytree path.

    Raises:
        Falsified: where the property does not hold there.
        InvalidInput: for a field that is missing, a path or a shape that does not fit, numbers that are none, an
            unknown loss, a pair that cannot be verified.
    """
    __tracebackhide__ = True  # of pytest: a violation is shown at the line of the test
    if not isinstance(pair, Pair):
        msg = f"check: pair is {got(pair)}; expected an eqprop.Pair, then the name of a property."
        raise InvalidInput(msg)
    one_of(precision, ("float64", "model"), "check: precision")
    prop = property_named(name, optimizer)
    with separated_caches(precision):
        check_pair(pair, precision)
        verdict = _judged(pair, prop, _loss(pair, loss), precision, numbers)
    if verdict.outcome is Outcome.FALSIFIED:
        raise Falsified(Report((verdict,)))
    return verdict


def replay(path: str | Path) -> Replayed:
    """What becomes of the counterexample in a file: it is fixed, still fails, or cannot run, with the reason."""
    try:
        recipe = recipe_in(path)
        if not recipe["target"]:
            msg = (
                f"the pair {recipe['pair']!r} was passed as a Python object, which no file can name: pass it to "
                "eqprop.check, as the counterexample shows; or verify it by its address (`eqprop verify "
                "package.module:attribute`, not eqprop.load of that), whose counterexamples are replayed."
            )
            raise InvalidInput(msg)
        return again(recipe, _single(recipe["target"], recipe["subject"]))
    except EqpropError as error:
        return Replayed(Answer.CANNOT_RUN, str(error))


def again(recipe: Mapping[str, Any], task: SearchTask, prop: Property | None = None) -> Replayed:
    """What becomes of a counterexample of a task.

    Args:
        recipe: what its file holds.
        task: whose pair it is about.
        prop: the property, where that is not to be found by its name.
    """
    numbers, precision = _numbers(recipe), recipe["precision"]
    try:
        asked = prop or property_named(recipe["property"], recipe.get("optimizer") or None)
        pair = _built(task, recipe["structure"])
        with separated_caches(precision):
            check_pair(pair, precision)
            return Replayed.of(_judged(pair, asked, _loss(pair, recipe["loss"]), precision, numbers))
    except EqpropError as error:
        return Replayed(Answer.CANNOT_RUN, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a user's model raises today
        return Replayed(Answer.CANNOT_RUN, unexpected(error))


def _numbers(recipe: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a recipe, by field and path."""
    return {
        field: {p: np.asarray(a["values"]).reshape(a["shape"]) for p, a in leaves.items()}
        for field, leaves in recipe["probe"].items()
    }


def point_of(recipe: Mapping[str, Any]) -> Point:
    """A counterexample's pair at its numbers."""
    pair = _built(_single(recipe["target"], recipe["subject"]), recipe["structure"])
    prop = property_named(recipe["property"], recipe.get("optimizer") or None)
    loss = _loss(pair, recipe["loss"])
    program = Program(pair, (prop,), loss, recipe["precision"])
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe_with(program, prop, _numbers(recipe)))
    return Point(program.pair, program.cast(batch).at(0), loss, reverse_only=program.reverse_only)


def _loss(pair: Pair, name: str) -> Loss:
    if pair.model.loss is not None:
        return user_loss(pair.model.loss)
    for loss in DRAWN_LOSSES:
        if loss.name == name:
            return loss
    msg = f"no loss is called {short(name)}; the losses are: {', '.join(loss.name for loss in DRAWN_LOSSES)}."
    raise InvalidInput(msg)


def _judged(pair: Pair, prop: Property, loss: Loss, precision: Precision, numbers: Mapping[str, Any]) -> Verdict:
    tallies = {prop.name: Tally()}
    reason = prop.reason_if_not_applicable(pair)
    if reason:
        return verdict_of(Evidence(tallies, reason_if_not_applicable={prop.name: reason}), pair.name, prop)
    program = Program(pair, (prop,), loss, precision)
    probe = probe_with(program, prop, numbers)
    batch = program.cast(jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe))
    rng = np.random.default_rng(0)
    climb = climbed(program, prop.name, batch, program.judge(batch, rng)[prop.name], rng)
    tallies[prop.name].add(climb, pair.key, program.units[prop.name])
    if not climb.violations.size:
        return verdict_of(Evidence(tallies, empty=why_empty([prop], tallies, pair)), pair.name, prop)
    judged = as_compiled(program, prop.name, batch, rng)
    if program.opaque or not judged.suspect[0]:
        why = unseen_rounding(program.opaque) if program.opaque else DISPUTED
        disputed = Evidence(tallies, violated=[prop.name], disputed={prop.name: why})
        return verdict_of(disputed, pair.name, prop)
    shown = counterexample(
        program, prop, batch.at(0), judged, target="", task=pair.name, blob="", before=probe, seed=0, save=None
    )
    return verdict_of(Evidence(tallies, violated=[prop.name]), pair.name, prop, shown)
