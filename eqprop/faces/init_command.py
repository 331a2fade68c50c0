"""The command ``eqprop init``: what ``eqprop find --to`` does, under the name that people look for first."""

from __future__ import annotations

from pathlib import Path

import click

from eqprop.faces.console import echo
from eqprop.faces.find_command import find


@click.command()
@click.argument("target", metavar="MODULE:ATTR")
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("test_symmetries.py"),
    show_default=True,
    help="The file of tests; one that is there is left as it is.",
)
@click.pass_context
def init(context: click.Context, *, target: str, to: Path) -> int:
    """Write a file of tests for a model: the symmetries that are found and hold, each as a constructor's call.

    The attribute is an eqprop.Model (eqprop.flax.from_module and its like make one), or a function without arguments
    that returns one. What could be claimed beyond is printed: constructors that fit the shapes and names of tensors.
    """
    from eqprop.errors import InvalidInput

    try:
        there = to.exists()
    except OSError as error:  # a name that is too long, say
        msg = f"eqprop init: no file can be called {str(to)!r} ({error.strerror}); give another one with --to."
        raise InvalidInput(msg) from error
    if there:
        msg = f"eqprop init: {to} is there already; give another file with --to, or remove it."
        raise InvalidInput(msg)
    code: int = context.invoke(find, target=target, to=to)
    from eqprop.actions import inspect
    from eqprop.runs import model_of

    echo("")
    inspect(model_of(target)[0])
    echo(f"\nto run the tests: pytest {to}")
    return code
