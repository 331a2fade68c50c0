"""From names and numbers back to a verdict: load a pair, check one property at given numbers, replay a saved file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
import jax
import numpy as np

from eqprop import narrate, rounding, targets
from eqprop.errors import Falsified, InvalidInput
from eqprop.evaluation import Program
from eqprop.losses import DRAWN_LOSSES, Loss, user_loss
from eqprop.optimizers.target import property_named
from eqprop.pair import Pair
from eqprop.precision import Precision, separated_caches
from eqprop.probe import Probe
from eqprop.profiles import PROFILES
from eqprop.properties import Property
from eqprop.report import Report
from eqprop.structures import rebuilt
from eqprop.tally import Tally
from eqprop.verdict import Outcome, PairName, PropertyName, Verdict


def load(target: str, name: str = "", structure: str = "") -> Pair:
    """The pair that a counterexample was found on.

    Args:
        target: as for ``eqprop verify``: ``"catalog:NAME"`` or ``"package.module:attribute"``.
        name: of the pair, where the target has several.
        structure: what hypothesis printed, ``"version:blob"``; not needed for a pair that was not drawn.

    Raises:
        InvalidInput: where there is no such pair, or the structure belongs to another strategy or hypothesis version.
    """
    subjects = [s for s in targets.resolve(target) if not name or s.name == name]
    if len(subjects) != 1:
        msg = f"{target!r} has {len(subjects)} pairs called {name!r}; expected one."
        raise InvalidInput(msg)
    pairs = subjects[0].pairs
    if not structure:
        return hypothesis.find(pairs, lambda _: True)
    try:
        return rebuilt(pairs, structure, PROFILES["gate"]).pair
    except (hypothesis.errors.DidNotReproduce, hypothesis.errors.InvalidArgument) as error:
        version = structure.partition(":")[0]
        msg = (
            f"the structure {structure!r} does not rebuild a pair of {target!r}: it was drawn with hypothesis "
            f"{version}, {hypothesis.__version__} is installed; or the strategy has changed since. Verify again to "
            "find it anew."
        )
        raise InvalidInput(msg) from error


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
        **numbers: the fields of the probe that the property reads (``params``, ``inputs``, ``element``, …), each an
            array, or arrays by pytree path.

    Raises:
        Falsified: where the property does not hold there.
        InvalidInput: for a field that is missing, a path or a shape that does not fit, an unknown loss.
    """
    with separated_caches(precision):
        verdict = _judged(pair, property_named(name, optimizer), _loss(pair, loss), precision, numbers)
    if verdict.outcome is Outcome.FALSIFIED:
        raise Falsified(Report((verdict,)))
    return verdict


def replay(path: str | Path) -> Verdict:
    """What the property in a counterexample file says today: ``falsified`` still, or ``holds``.

    Raises:
        InvalidInput: for a file that cannot be read, or that names a pair which is no longer there.
    """
    try:
        recipe = json.loads(Path(path).read_text(encoding="utf-8"))
        target, name = recipe["target"], recipe["property"]
        numbers = {
            field: {p: np.asarray(a["values"]).reshape(a["shape"]) for p, a in leaves.items()}
            for field, leaves in recipe["probe"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{str(path)!r} is no counterexample file of eqprop ({type(error).__name__}: {error})."
        raise InvalidInput(msg) from error
    if not target:
        msg = f"{str(path)!r}: the pair {recipe['pair']!r} was passed as a Python object; use eqprop.check with it."
        raise InvalidInput(msg)
    prop = property_named(name, recipe.get("optimizer") or None)
    pair = load(target, recipe["subject"], recipe["structure"])
    with separated_caches(recipe["precision"]):
        return _judged(pair, prop, _loss(pair, recipe["loss"]), recipe["precision"], numbers)


def _loss(pair: Pair, name: str) -> Loss:
    if pair.model.loss is not None:
        return user_loss(pair.model.loss)
    for loss in DRAWN_LOSSES:
        if loss.name == name:
            return loss
    msg = f"no loss is called {name!r}; the losses are: {', '.join(loss.name for loss in DRAWN_LOSSES)}."
    raise InvalidInput(msg)


def _judged(pair: Pair, prop: Property, loss: Loss, precision: Precision, numbers: Mapping[str, Any]) -> Verdict:
    why_not = prop.why_not(pair)
    named = (PairName(pair.name), PropertyName(prop.name, prop.order))
    if why_not:
        return Verdict(*named, Outcome.NOT_APPLICABLE, why_not)
    program = Program(pair, (prop,), loss, precision)
    probe = _probe(program, prop, numbers)
    batch = program.cast(jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe))
    judged = program.judge(batch, np.random.default_rng(0), copies=rounding.CONFIRMING_COPIES)[prop.name]
    tally = Tally()
    tally.add(judged, pair.key, program.lowest[prop.name])
    falsified = bool(judged.suspect.any())
    found = narrate.counterexample(
        program, prop, batch.at(0), target="", subject=pair.name, blob="", before=probe, seed=0, save=None
    )
    if prop.nowhere and judged.vacuous.all():
        return Verdict(*named, Outcome.NOT_APPLICABLE, prop.nowhere)
    reason = "" if falsified else tally.why_inconclusive()
    outcome = Outcome.FALSIFIED if falsified else Outcome.INCONCLUSIVE if reason else Outcome.HOLDS
    return Verdict(
        *named,
        outcome,
        reason,
        residual=found.residual,
        floor=found.floor,
        resolution=float(judged.resolution[0]),
        worst_resolution=float(judged.resolution[0]),
        probes=1,
        architectures=1,
        precision=program.lowest[prop.name],
        counterexample=found if falsified else None,
    )


def _probe(program: Program, prop: Property, numbers: Mapping[str, Any]) -> Probe:
    """The probe with these numbers, each field checked against what the pair needs."""
    example = program.draw(np.random.default_rng(0), 1).at(0)
    unknown = set(numbers) - {f.name for f in fields(Probe)}
    missing = prop.needs - set(numbers)
    if unknown or missing:
        msg = (
            f"{prop.name} reads {', '.join(sorted(prop.needs))}; "
            f"unknown: {', '.join(sorted(unknown)) or 'none'}, missing: {', '.join(sorted(missing)) or 'none'}."
        )
        raise InvalidInput(msg)
    filled = {
        field: _filled(field, program.pair, getattr(example, field), numbers[field]) for field in sorted(prop.needs)
    }
    return Probe(**filled)


def _filled(field: str, pair: Pair, example: Any, given: Any) -> Any:
    expected = narrate.by_path(pair, field, example)
    found = given if isinstance(given, Mapping) else {".": given}
    if set(found) != set(expected):
        msg = f"{field}: the paths are {sorted(found)}; expected {sorted(expected)}."
        raise InvalidInput(msg)
    for path, leaf in expected.items():
        if np.shape(found[path]) != leaf.shape:
            msg = f"{field}, {path}: the shape is {np.shape(found[path])}; expected {leaf.shape}."
            raise InvalidInput(msg)
    return jax.tree.unflatten(
        jax.tree.structure(example), [np.asarray(found[path]).astype(leaf.dtype) for path, leaf in expected.items()]
    )
