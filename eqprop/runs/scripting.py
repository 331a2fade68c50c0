"""A counterexample as a script for somebody who has never heard of eqprop: source, numbers, plain JAX or PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent

import jax

from eqprop.counterexamples import model_source, recipe_in
from eqprop.engine import separated_caches
from eqprop.errors import InvalidInput
from eqprop.properties import Point
from eqprop.results import Answer
from eqprop.runs.dialects import JAX, TORCH, Dialect
from eqprop.runs.replaying import point_of, replay
from eqprop.runs.shown import SHOWN, Shown

UNDERIVED = ("group-laws", "equivariance", "input-derivative")
"""Properties whose scripts do not differentiate by parameters, which may then be integers, too."""


def script(path: str | Path) -> str:
    """A counterexample's file as a script that needs JAX only, or PyTorch only where the model is a module of it.

    Raises:
        InvalidInput: where it fails no more, or is of a kind that no script shows.
    """
    recipe, found = recipe_in(path), replay(path)
    if found.answer is not Answer.STILL_FAILS or found.verdict is None or found.verdict.counterexample is None:
        why = f": {found.reason.rstrip('.')}" if found.reason else ""
        msg = f"{str(path)!r} has nothing to show: {found.answer}{why}."
        raise InvalidInput(msg)
    if recipe["property"] not in SHOWN:
        msg = f"{recipe['property']!r} has no script; those that have one are: {', '.join(SHOWN)}."
        raise InvalidInput(msg)
    with separated_caches(recipe["precision"]), jax.enable_x64(recipe["precision"] == "float64"):
        point = point_of(recipe)
        _check_plain(point, recipe["property"])
        shown = SHOWN[recipe["property"]](point, found.verdict.counterexample)
        dialect, what, name, source = _source(point, shown, recipe["target"].partition(":")[0])
        numbers = "\n".join(f"{label} = {dialect.literal(tree)}" for label, tree in shown.numbers.items())
    counterexample = found.verdict.counterexample
    return dialect.page.substitute(
        name=name,
        what=what,
        compared=indent(dialect.of(shown.compared).replace("MODEL", "model"), "    "),
        claim=shown.claim,
        residual=f"{counterexample.residual:.3g}",
        allowed=repr(max(counterexample.floor * counterexample.margin, shown.inexact * counterexample.residual)),
        x64=recipe["precision"] == "float64",
        place=recipe["target"].partition(":")[0],
        source=source.strip(),
        numbers=indent(numbers, "    "),  # in a function, where they are no names of the model's
    )


def _source(point: Point, shown: Shown, within: str) -> tuple[Dialect, str, str, str]:
    """The library of what is shown, what that is, its name, and the part of its module which it needs."""
    if shown.function is not None:
        maker, _, _ = shown.function.__qualname__.partition(".")
        if shown.function.__module__.startswith("eqprop."):
            msg = (
                f"the action is made by eqprop ({maker!r}), and no script without eqprop shows that. Its group laws do "
                "not depend on the model: `eqprop replay` without --script shows them; of a part of your own, make a "
                "Transformation of that part alone and verify it."
            )
            raise InvalidInput(msg)
        return JAX, "action", *model_source(shown.function, "action")
    module = getattr(getattr(point.pair.model.apply, "__self__", None), "module", None)
    if "torch" in sys.modules and isinstance(module, sys.modules["torch"].nn.Module):
        return TORCH, "module", *model_source(module, "module", within)
    return JAX, "model", *model_source(point.pair.model.apply)


def _check_plain(point: Point, name: str) -> None:
    """Raise for what no script shows.

    Raises:
        InvalidInput: with what shows it.
    """
    if point.pair.target is not None:
        msg = (
            f"{point.pair.name!r} is a conversion between two models, which no script shows; `eqprop replay` without "
            "--script shows the counterexample."
        )
        raise InvalidInput(msg)
    if point.source.carried and name not in UNDERIVED:
        msg = (
            f"{point.pair.name!r} has integers or state among its parameters, by which the script of {name!r} cannot "
            "differentiate. Make them constants of the model's function; scripts show such a pair's "
            f"{', '.join(map(repr, UNDERIVED))}."
        )
        raise InvalidInput(msg)
