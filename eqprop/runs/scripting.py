"""A counterexample as a script for somebody who has never heard of eqprop: the model's source, numbers, plain JAX."""

from __future__ import annotations

from pathlib import Path
from string import Template
from textwrap import indent
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
from eqprop.runs.shown import SHOWN, Shown

TEMPLATE = Template('''"""$name and a symmetry that it does not obey.

$claim

When this was written left and right differed by $residual; rounding, and how they are taken, explains $allowed.
The exit code is 1 while they differ by more.
"""

import jax

jax.config.update("jax_enable_x64", $x64)
import jax.numpy as jnp

# ---- the model, from $place

$source

# ---- the numbers, and what must be equal


def both_sides(model):
    from jax.numpy import inf, nan

$numbers
$compared
    return left, right


left, right = both_sides($name)
difference = max(float(abs(a - b).max()) for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right)))
print("left      ", left)
print("right     ", right)
print("difference", difference)
raise SystemExit(0 if difference <= $allowed else 1)''')


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
        compared=indent(shown.compared.replace("MODEL", "model"), "    "),
        claim=shown.claim,
        residual=f"{found.residual:.3g}",
        allowed=repr(max(found.floor * found.margin, shown.inexact * found.residual)),
        x64=recipe["precision"] == "float64",
        place=recipe["target"].partition(":")[0],
        source=source.strip(),
        numbers=indent(numbers, "    "),  # in a function, where they are no names of the model's
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
