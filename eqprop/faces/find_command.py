"""The command ``eqprop find``."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import click

from eqprop.faces.console import echo


@click.command()
@click.argument("target", metavar="MODULE:ATTR")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random points and of the proof.")
@click.option("--profile", type=click.Choice(["quick", "gate", "explore", "deep"]), default="quick", show_default=True)
@click.option(
    "--proof/--no-proof", default=True, show_default=True, help="Let the property library judge what is found."
)
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), help="Write the tests to this file; they are printed else."
)
def find(*, target: str, seed: int, profile: str, proof: bool, output: str, to: Path | None) -> int:
    """Find the symmetries of a model from the callable alone, prove them, and print the tests to paste.

    The attribute is an eqprop.Model, or a function without arguments that returns one. Exit code 1 where something was
    found that derivatives break, or that could not be settled.
    """
    from eqprop.finding import find as found_in
    from eqprop.runs import model_of

    with redirect_stdout(sys.stderr) if output == "json" else nullcontext():
        model, called = model_of(target)
        symmetries = found_in(model, seed=seed, prove=proof, profile=profile)
    code = symmetries.code(target, called=called)
    if to is not None:
        to.write_text(code, encoding="utf-8")
    if output == "json":
        echo(symmetries.to_json())
    else:
        echo(symmetries.text())
        echo(f"\n{code}" if to is None else f"\nwrote {to}")
    return symmetries.exit_code
