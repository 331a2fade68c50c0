"""The command ``eqprop architectures``."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING

import click

from eqprop.faces.console import echo

if TYPE_CHECKING:
    from eqprop.transformers import Row


@click.command()
@click.argument("names", nargs=-1, metavar="[MODEL_TYPE]...")
@click.option("--format", "output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def architectures(*, names: tuple[str, ...], output: str) -> int:
    """Print which symmetries the architectures of the installed ``transformers`` have.

    MODEL_TYPE is a model type such as llama; all causal language models of the release by default, which takes a
    quarter of an hour. Needs pip install 'eqprop[transformers]'.
    """
    from eqprop.transformers import as_json, as_markdown, as_text, table

    def at_once(row: Row) -> None:
        if output == "text":
            echo(f"{as_text([row])}\n")

    with nullcontext() if output == "text" else redirect_stdout(sys.stderr):
        rows = table(names, on_row=at_once)
    if output != "text":
        echo(as_json(rows) if output == "json" else as_markdown(rows))
    return 0
