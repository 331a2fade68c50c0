"""What is said beside a counterexample: what else than a wrong model or claim may be behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from eqprop.claims import functions_of
from eqprop.engine import called_programs, numbers_context, primitives
from eqprop.evaluation import Program, fresh_perturbations
from eqprop.probes import Probe, cast_example
from eqprop.properties import Property
from eqprop.rounding import Judgement

SMALL = 0.01
"""A residual that is less of its sides may be what is computed roughly, and no mistake of the model's."""

UNTIL = (
    "a loop of the model ends by a condition (while_loop): where that is a solver's tolerance, what it leaves is an "
    "error beyond rounding, and perhaps all of this; try a smaller one"
)

EXPONENTIAL = (
    "jax.scipy.linalg.expm is called, which halves its argument once too little: where the argument's 1-norm is a "
    "little less than 10.74, or than a power of two times that, its result in float64 is off by 1e-7 of itself, "
    "perhaps all of this; scipy.linalg.expm says what is right"
)

TURNED_SEED, TURNED_POINTS = 1, 16
"""Of the points and perturbations with which a law is judged on the other side, and of how many points: they have each
family of parameters, and group elements near and far."""


def notes_on(program: Program, prop: Property, batch: Probe, judged: Judgement) -> tuple[str, ...]:
    """What else may be behind a violation, a sentence each.

    Args:
        program: that has judged the property.
        prop: which is violated.
        batch: the counterexample, as a batch of one.
        judged: what came of it.
    """
    notes: list[str] = []
    if program.eps[prop.name] > np.finfo(np.float64).eps and program.precision == "float64":
        lowest = program.units[prop.name]
        place = f" from {lowest.origin} on" if lowest.origin else ""
        notes.append(f"the traced program computes in {lowest.name}{place}; the floor is that of {lowest.name}")
    leaf = int(judged.worst_leaf[0])
    if judged.residual[0, leaf] < SMALL * judged.size[0, leaf]:
        notes += _computed_roughly(program, prop)
    if prop.subgroup is not None and prop.part_of_algebra(program.pair) is not None:
        notes.append(f"g is exp of what of ξ {prop.subgroup.what}")
    transformation = program.pair.transformation
    if prop.name == "group-laws":
        other = "left" if transformation.side == "right" else "right"
        turned = program.pair.replaced(transformation=replace(transformation, side=other))
        if _holds_everywhere(Program(turned, (prop,), program.loss, program.precision), prop, batch):
            notes.append(f"the law holds as a {other} action: declare side={other!r}")
    return tuple(notes)


def _computed_roughly(program: Program, prop: Property) -> Iterator[str]:
    """Parts of the user's functions whose own error is no rounding."""
    with numbers_context(program.precision):
        model, action = _traced(program)
    if "inputs" in prop.needs and "while" in primitives(model):
        yield UNTIL
    if any("expm" in called_programs(traced) for traced in (model, action)):
        yield EXPONENTIAL


def _traced(program: Program) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """The model and the action of its transformation, at the example."""
    pair = program.pair
    params, inputs = cast_example(pair, program.precision)
    theta, functions = pair.model.param_leaves.split(params), functions_of(pair)
    element = pair.transformation.group.identity()
    return jax.make_jaxpr(functions.f)(theta, inputs), jax.make_jaxpr(functions.act)(element, theta)


def _holds_everywhere(program: Program, prop: Property, batch: Probe) -> bool:
    """Whether a law holds at a counterexample to the other one, and at points where nothing was made zero."""
    rng = np.random.default_rng(TURNED_SEED)
    points = (batch, program.draw(rng, TURNED_POINTS))
    return not any(fresh_perturbations(program, prop.name, probes, rng).suspect.any() for probes in points)
