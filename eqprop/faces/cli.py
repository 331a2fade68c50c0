"""``eqprop verify | init | merge | ledger | baseline | find | replay | list | explain | …``: the command line.

Exit codes: 0 where every expected cell holds (or does not apply, or is a known failure); 1 where something was
falsified, inconclusive or missing; 2 where it could not run, with the reason in one line on the standard error.

JAX and hypothesis are imported by the commands, so that ``eqprop --help`` answers at once.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

import click

from eqprop.arguments import short
from eqprop.errors import EqpropError, InvalidInput
from eqprop.faces.architectures_command import architectures
from eqprop.faces.baseline_command import baseline
from eqprop.faces.console import cpus, echo, jobs_of, writable
from eqprop.faces.find_command import find
from eqprop.faces.init_command import init
from eqprop.faces.ledger_command import ledger
from eqprop.faces.merge_command import merge
from eqprop.faces.replay_command import replay
from eqprop.faces.verify_command import verify
from eqprop.processes import heard

INTERRUPTED = 130


NO_ARGUMENTS: type[click.UsageError] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click (from 8.2 on) raises where it shows the help instead of running anything."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: runs a command and exits with its code."""
    atexit.register(gc.freeze)  # what is left ends with the process; Python would look through it, for up to 2 s
    for stream in (sys.stdout, sys.stderr):
        # A terminal without Unicode shows "?" for θ; it must not lose a counterexample to it.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        _check_texts(sys.argv[1:] if arguments is None else arguments)
        with heard(signal.SIGINT, KeyboardInterrupt):
            ends = arguments is None  # the process, with the command
            code = cli.main(arguments, prog_name="eqprop", standalone_mode=False, obj=ends)
    except NO_ARGUMENTS as error:
        echo(error.format_message())
        code = 2
    except click.ClickException as error:
        code = _complain(error.format_message())
    except EqpropError as error:
        code = _complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        echo("eqprop: interrupted", sys.stderr)
        code = INTERRUPTED
    sys.exit(code or 0)


def _check_texts(arguments: Sequence[str]) -> None:
    """Raise for what no file, no module and no name can be called: what the system has no bytes for.

    Raises:
        InvalidInput: naming the argument.
    """
    for text in arguments:
        try:
            usable = b"\0" not in os.fsencode(text)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            msg = f"the argument {short(text)} has characters that no name can have; leave them out."
            raise InvalidInput(msg)


def _complain(message: str) -> int:
    with suppress(InvalidInput):  # nobody can be told
        echo(f"eqprop: error: {message}", sys.stderr)
    return 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eqprop")
def cli() -> None:
    """Verify the gradient and Hessian identities that a model's symmetries imply."""


for command in (verify, init, find, merge, ledger, baseline, replay, architectures):
    cli.add_command(command)


@cli.command(name="list")
@click.option("--match", default="", metavar="TEXT", help="Only names that contain this.")
@click.option("--order", type=click.IntRange(0, 6), help="Only the properties of this order.")
@click.option("--group", default="", metavar="TEXT", help="Only entries on which such a group acts: linear, scaling, …")
def list_(*, match: str, order: int | None, group: str) -> int:
    """List the catalog's entries, its negative controls, and the properties."""
    from eqprop.authoring import listing

    echo(listing(match, order, group))
    return 0


@cli.command()
@click.argument("name")
def explain(*, name: str) -> int:
    """Explain a catalog entry, a property (formulas, hypotheses, mutants) or a code such as EQ101 (causes, mends)."""
    from eqprop.authoring import explanation

    echo(explanation(name))
    return 0


@cli.command()
@click.argument("name")
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder; the current one by default."
)
def new(*, name: str, to: Path) -> int:
    """Write a commented catalog entry that passes as it is, and its test: NAME is kebab-case."""
    from eqprop.authoring import address, check_of, write

    written = write(name, to)
    entry = written[0]
    root, dotted = address(entry)
    echo(f"wrote {' and '.join(map(str, written))}; to try it:")
    enter = "" if root == Path.cwd() else f"  cd {root if '.' in dotted else to}\n"
    echo(f"{enter}  eqprop verify {dotted}:{entry.stem}\n  {check_of(name, entry, root)}")
    return 0


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def selfcheck(*, names: tuple[str, ...]) -> int:
    """Check catalog entries themselves: group laws, claims, usable probes, every mutant caught at its order.

    Exit code 2, with the reason, at the first thing that is wrong.
    """
    from eqprop.authoring import check_entry
    from eqprop.engine import persistent_cache

    with persistent_cache():
        for name in names:
            echo(str(check_entry(name)))
    return 0


@cli.command()
@click.argument("targets", nargs=-1, metavar="[MODULE:ATTR]...")
@click.option("--match", default="", metavar="TEXT", help="Only optimizers, or groups, whose name contains this.")
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".eqprop"),
    show_default=True,
    help="Folder for counterexamples, which `eqprop replay` reads.",
)
@click.option("--jobs", "-j", default="auto", show_default=True, metavar="N", help="Worker processes.")
@click.option("--verbose", "-v", is_flag=True, help="Print every counterexample.")
@click.option("--installed", is_flag=True, help="All of optax, optax.contrib and torch.optim as they are installed.")
def optimizers(
    *, targets: tuple[str, ...], match: str, output: str, save: Path, jobs: str, verbose: bool, installed: bool
) -> int:
    """Print the table optimizer × group: which steps commute with which symmetry, and what happens to the charges.

    The rows are fifteen optimizers with predictions, or your own: optax's, torch.optim's, or any object with init and
    update. Exit code 1 where something was found otherwise than predicted, or could not be settled.
    """
    wanted = jobs_of(jobs)
    from eqprop.optimizers import run as table

    with redirect_stdout(sys.stderr) if output == "json" else nullcontext():
        folder = writable(save)
        text, code = table(
            match=match,
            targets=targets,
            output=output,
            save=folder,
            jobs=wanted or cpus(),
            verbose=verbose,
            every=installed,
        )
    echo(text)
    return code
