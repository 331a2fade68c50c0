"""The command ``eqprop find``."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eqprop.errors import InvalidInput
from eqprop.faces.console import echo
from eqprop.kept import written_to
from eqprop.profiles import PROFILES

if TYPE_CHECKING:
    from eqprop.claims import Pair


@click.command()
@click.argument("target", metavar="MODULE:ATTR")
@click.option("--declared", is_flag=True, help="TARGET names pairs: say what none of them declares.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random points and of the proof.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="quick", show_default=True)
@click.option(
    "--proof/--no-proof", default=True, show_default=True, help="Let the property library judge what is found."
)
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), help="Write the tests to this file; they are printed else."
)
def find(*, target: str, declared: bool, seed: int, profile: str, proof: bool, output: str, to: Path | None) -> int:
    """Find the symmetries of a model from the callable alone, prove them, and print the tests to paste.

    The attribute is an eqprop.Model, or a function without arguments that returns one; with --declared a pair, or
    several of one model. Exit code 1 where something was found that derivatives break, that could not be settled, or
    that is not declared.
    """
    from eqprop.faces.display import signs_of_life
    from eqprop.finding import find as found_in
    from eqprop.runs import model_of

    shown = signs_of_life("looking for symmetries", "; --no-proof leaves the proof out" if proof else "")
    with redirect_stdout(sys.stderr) if output == "json" else nullcontext():
        pairs = _pairs(target) if declared else None
        model, called = (pairs[0].model, False) if pairs else model_of(target)
        with shown:
            symmetries = found_in(model, declared=pairs, seed=seed, prove=proof, profile=profile, on_progress=shown)
    code = symmetries.code("" if declared else target, called=called)
    echo(symmetries.to_json() if output == "json" else symmetries.text())
    if to is not None:
        _write(to, code)
    if output == "text":
        echo(f"\n{code}" if to is None else f"\nwrote {to}")
    return symmetries.exit_code


def _write(to: Path, code: str) -> None:
    """Write the tests, which took a search to find: where they cannot be written they are printed."""
    try:
        written_to(to, code, "the file of tests")
    except InvalidInput:
        echo(f"\n{code}", sys.stderr)
        raise


def _pairs(target: str) -> list[Pair]:
    """The pairs that a target names, all of one model."""
    from eqprop.runs import resolve_all
    from eqprop.search import simplest

    pairs = [simplest(task.pairs) for task in resolve_all((target,))]
    models = {id(pair.model): pair.model for pair in pairs}
    if len(models) > 1:
        named = ", ".join(sorted({repr(model) for model in models.values()}))
        msg = f"--declared: the pairs of {target!r} are of several models, {named}; name those of one."
        raise InvalidInput(msg)
    return pairs
