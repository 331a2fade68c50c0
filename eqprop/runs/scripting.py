"""A counterexample as a script for somebody who has never heard of eqprop: the model's source, numbers, plain JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import jax
import numpy as np

from eqprop.arguments import got
from eqprop.counterexamples import model_source, recipe_in
from eqprop.engine import separated_caches
from eqprop.errors import InvalidInput
from eqprop.properties import Point
from eqprop.results import Answer, Counterexample, Record
from eqprop.runs.replaying import point_of, replay

ALONG = '''
def along(params, inputs, weights, direction):
    """The derivative of <weights, MODEL(params, inputs)> along a direction of the parameters, by reverse mode."""
    outputs, pull = jax.vjp(lambda p: MODEL(p, inputs), params)
    (gradient,) = pull(jax.tree.map(lambda w, y: w.astype(y.dtype), weights, outputs))
    return sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction)))


def increment(params, inputs, weights, direction, step=1e-6):
    """The same by central differences: what the forward pass says."""
    def moved(by):
        outputs = MODEL(jax.tree.map(lambda p, d: p + by * d, params, direction), inputs)
        return sum(jnp.vdot(w, y) for w, y in zip(jax.tree.leaves(weights), jax.tree.leaves(outputs)))
    return (moved(step) - moved(-step)) / (2 * step)
'''
TEMPLATE = Template('''"""$name and a symmetry that it does not obey.

$claim

When this was written left and right differed by $residual; rounding explains $allowed.
The exit code is 1 while they differ by more.
"""

import jax

jax.config.update("jax_enable_x64", $x64)
import jax.numpy as jnp
from jax.numpy import inf, nan

# ---- the model, from $place

$source

# ---- the numbers

$numbers

# ---- what must be equal
$compared
difference = max(float(abs(a - b).max()) for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right)))
print("left      ", left)
print("right     ", right)
print("difference", difference)
raise SystemExit(0 if difference <= $allowed else 1)''')


@dataclass(frozen=True)
class Shown:
    """What is compared.

    Attributes:
        claim: in plain words.
        numbers: name → a tree.
        compared: lines of Python that assign ``left`` and ``right``.
    """

    claim: str
    numbers: Record
    compared: str


def script(path: str | Path) -> str:
    """A counterexample's file as a script that needs JAX only.

    Raises:
        InvalidInput: where it fails no more, or is of a kind that no script shows.
    """
    recipe, found = recipe_in(path), replay(path)
    if found.answer is not Answer.STILL_FAILS or found.verdict is None or found.verdict.counterexample is None:
        msg = f"{str(path)!r} has nothing to show: {found.answer}{': ' if found.reason else ''}{found.reason}."
        raise InvalidInput(msg)
    if recipe["property"] not in SHOWN:
        msg = f"{recipe['property']!r} has no script; those that have one are: {', '.join(SHOWN)}."
        raise InvalidInput(msg)
    with separated_caches(recipe["precision"]), jax.enable_x64(recipe["precision"] == "float64"):
        point = point_of(recipe)
        _check_plain(point)
        name, source = model_source(point.pair.model.apply)
        shown = SHOWN[recipe["property"]](point, found.verdict.counterexample)
        numbers = "\n".join(f"{label} = {literal(tree)}" for label, tree in shown.numbers.items())
    return _filled(shown, found.verdict.counterexample, name, source, numbers, recipe)


def _filled(shown: Shown, found: Counterexample, name: str, source: str, numbers: str, recipe: Record) -> str:
    return TEMPLATE.substitute(
        name=name,
        compared=shown.compared.replace("MODEL", name),
        claim=shown.claim,
        residual=f"{found.residual:.3g}",
        allowed=repr(found.floor * found.margin),
        x64=recipe["precision"] == "float64",
        place=recipe["target"].partition(":")[0],
        source=source.strip(),
        numbers=numbers,
    )


def _check_plain(point: Point) -> None:
    if point.pair.target is not None or point.source.carried:
        what = "a conversion between two models" if point.pair.target is not None else "a model of integer parameters"
        msg = f"{point.pair.name!r} is {what}, which no script shows."
        raise InvalidInput(msg)


def literal(tree: Any) -> str:
    """A tree of dictionaries, lists, tuples and arrays as Python.

    Raises:
        InvalidInput: for any other tree.
    """
    if isinstance(tree, dict):
        return f"{{{', '.join(f'{key!r}: {literal(value)}' for key, value in tree.items())}}}"
    if type(tree) in (list, tuple):
        inner = "".join(f"{literal(value)}, " for value in tree)
        return f"[{inner}]" if type(tree) is list else f"({inner})"
    if tree is None:
        return "None"
    if isinstance(tree, jax.Array | np.ndarray | np.generic | float | int):
        array = np.asarray(tree)
        return f"jnp.array({array.tolist()!r}, {str(array.dtype)!r})"
    msg = f"the tree has {got(tree)} in it; a script shows dictionaries, lists, tuples and arrays."
    raise InvalidInput(msg)


def _equivariance(point: Point, _: Counterexample) -> Shown:
    move, g = point.transformation, point.probe.element
    params = point.source.join(point.theta)
    numbers = {"params": params, "inputs": point.probe.inputs}
    numbers |= {"moved_params": move.on_params(g, params), "moved_inputs": point.moved_inputs}
    right = "MODEL(params, inputs)"
    if move.moves_outputs:
        numbers["expected"] = point.output_action.value
        right = "expected  # the outputs at params and inputs, moved likewise"
    claim = "A change of the parameters (and inputs) that is to leave the outputs as they are, or move them likewise."
    return Shown(claim, numbers, f"left = MODEL(moved_params, moved_inputs)\nright = {right}")


def _noether(point: Point, _: Counterexample) -> Shown:
    if point.transformation.moves_inputs:
        msg = f"the transformation of {point.pair.name!r} moves inputs, too; no script shows 'noether' of such a one."
        raise InvalidInput(msg)
    numbers = {"params": point.source.join(point.theta), "inputs": point.probe.inputs}
    numbers |= {"direction": point.source.join(point.k.value), "rate": point.loss_rate.value}
    numbers |= {"weights": point.loss_near(point.here.value).value}
    claim = "Along this direction of the parameters the weighted outputs move at a known rate, mostly not at all."
    compared = "left = along(params, inputs, weights, direction)\nright = rate\n"
    compared += 'print("by central differences", increment(params, inputs, weights, direction))'
    return Shown(claim, numbers, f"{ALONG}\n\n{compared}")


def _gradient_covariance(point: Point, found: Counterexample) -> Shown:
    """The entry of the gradient that differs most, along which both sides are derivatives of the same number."""
    unit = [np.zeros(np.shape(a), np.asarray(a).dtype) for a in point.theta]
    unit[point.source.float_paths.index(found.leaf)][found.index] = 1
    join, expected = point.source.join, point.near(lambda y: y, point.here.value).gradient_of(point.loss_expected)
    numbers = {"params": join(point.theta), "inputs": point.probe.inputs, "direction": join(tuple(unit))}
    numbers |= {"weights": expected.value, "moved_params": join(point.action.value)}
    numbers |= {"moved_inputs": point.moved_inputs, "moved_direction": join(point.action.push(tuple(unit)))}
    numbers |= {"moved_weights": point.loss_near(point.there.value).value}
    claim = (
        "A number as a function of the parameters, at two places that a symmetry says are alike, along one direction."
    )
    places = ("moved_params, moved_inputs, moved_weights, moved_direction", "params, inputs, weights, direction")
    compared = [f"{side} = along({at})" for side, at in zip(("left", "right"), places, strict=True)]
    compared += [f'print("by central differences", increment({at}))' for at in places]
    return Shown(claim, numbers, "\n".join([ALONG, "", *compared]))


SHOWN: Mapping[str, Callable[[Point, Counterexample], Shown]] = {
    "equivariance": _equivariance,
    "noether": _noether,
    "gradient-covariance": _gradient_covariance,
}
"""What a script can show: what fails first of a forward pass, and of a gradient."""
