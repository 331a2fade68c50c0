"""The command line: ``eqprop verify | list | explain | new | selfcheck | optimizers | replay``.

Exit codes: 0 where every expected cell holds (or does not apply, or is a known failure); 1 where something was
falsified, inconclusive or missing; 2 where it could not run, with the reason in one line on the standard error.

JAX and hypothesis are imported by the commands, so that ``eqprop --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

if TYPE_CHECKING:
    from eqprop.results import Report
    from eqprop.search import Options, SearchTask

SLOW_TO_BUILD = 3.0
"""Seconds. A target that takes longer (it trains a network, say) is not built once more in every worker by default."""

INTERRUPTED = 130


NO_ARGUMENTS: type[click.UsageError] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click (from 8.2 on) raises where it shows the help instead of running anything."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: runs a command and exits with its code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without Unicode shows "?" for θ; it must not lose a counterexample to it.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    from eqprop.errors import EqpropError

    try:
        code = cli.main(arguments, prog_name="eqprop", standalone_mode=False)
    except NO_ARGUMENTS as error:
        _echo(error.format_message())
        code = 2
    except click.ClickException as error:
        code = _complain(error.format_message())
    except EqpropError as error:
        code = _complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        _echo("eqprop: interrupted", sys.stderr)
        code = INTERRUPTED
    sys.exit(code or 0)


def _echo(text: str, stream: TextIO | None = None) -> None:
    # Not click.echo: it writes UTF-8 to a stream that says it is ASCII.
    out = stream or sys.stdout
    out.write(f"{text}\n")
    out.flush()


def _complain(message: str) -> int:
    _echo(f"eqprop: error: {message}", sys.stderr)
    return 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eqprop")
def cli() -> None:
    """Verify the gradient and Hessian identities that a model's symmetries imply."""


@cli.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--seed", type=int, help="Of the search; the same seed gives the same verdicts.")
@click.option("--profile", type=click.Choice(["quick", "gate", "explore", "deep"]), default="gate", show_default=True)
@click.option("--precision", type=click.Choice(["float64", "model"]), default="float64", show_default=True)
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Verify only this one; repeatable.")
@click.option("--optimizer", metavar="MODULE:ATTR", help="Also verify that steps of this optimizer commute.")
@click.option("--unseen/--no-unseen", default=True, show_default=True, help="Say what claims that hold do not look at.")
@click.option(
    "--evaluator",
    type=click.Choice(["auto", "numpy", "xla"]),
    default="auto",
    show_default=True,
    help="Walk the traced program in NumPy, or compile it.",
)
@click.option("--match", default="", metavar="TEXT", help="Verify only the pairs whose name contains this.")
@click.option(
    "--max-architectures", type=click.IntRange(1), help="Architectures for each pair, instead of the profile's."
)
@click.option("--probes", type=click.IntRange(1), help="Probes on each architecture, instead of the profile's.")
@click.option(
    "--max-time",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="For each pair; what is not finished by then is inconclusive.",
)
@click.option("--jobs", "-j", default="auto", show_default=True, metavar="N", help="Worker processes.")
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".eqprop"),
    show_default=True,
    help="Folder for counterexamples, which `eqprop replay` reads.",
)
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Show every property, with its worst resolution, not only those of failing pairs.",
)
def verify(
    *,
    targets: tuple[str, ...],
    seed: int | None,
    profile: str,
    precision: str,
    properties: tuple[str, ...],
    optimizer: str | None,
    unseen: bool,
    evaluator: str,
    match: str,
    max_architectures: int | None,
    probes: int | None,
    max_time: float | None,
    jobs: str,
    output: str,
    save: Path,
    verbose: bool,
) -> int:
    """Verify TARGETs: the built-in catalog (by default), an entry's name, or package.module:attribute.

    The attribute is a Pair, a strategy of pairs, a list or a mapping of them, or a function without arguments that
    returns any of these.
    """
    wanted = _jobs(jobs)
    from eqprop.runs import make_options

    # Whatever models print while they are imported or run is not part of the JSON.
    with redirect_stdout(sys.stderr) if output == "json" else nullcontext():
        options = make_options(
            profile=profile,
            seed=seed,
            precision=precision,
            properties=properties or None,
            save=_writable(save),
            max_architectures=max_architectures,
            probes=probes,
            max_time=max_time,
            optimizer=optimizer,
            unseen=unseen,
            evaluator=evaluator,
        )
        tasks, slow = _tasks(targets, match)
        report = _run(tasks, options, jobs=wanted or (1 if slow else _cpus()), json=output == "json", verbose=verbose)
    if output == "json":
        _echo(report.to_json())
    else:
        _print_report(report)
    return report.exit_code


def _tasks(targets: tuple[str, ...], match: str) -> tuple[list[SearchTask], bool]:
    """The tasks, and whether a user's target took long to build."""
    from eqprop.errors import InvalidInput
    from eqprop.runs import resolve_all

    start = time.perf_counter()
    tasks = resolve_all(targets)
    slow = any(":" in target for target in targets) and time.perf_counter() - start > SLOW_TO_BUILD
    matching = [task for task in tasks if match.lower() in task.name.lower()]
    if not matching:
        msg = f"--match {match!r} leaves no pair; the pairs are: {', '.join(s.name for s in tasks)}."
        raise InvalidInput(msg)
    return matching, slow


def _run(tasks: list[SearchTask], options: Options, *, jobs: int, json: bool, verbose: bool) -> Report:
    from eqprop.faces.display import board
    from eqprop.runs import Interrupted, run_tasks

    names = [task.name for task in tasks]
    show = board(names, architectures=options.profile.architectures, verbose=verbose, json=json, echo=_echo)
    try:
        with show:
            return run_tasks(tasks, options, show, jobs=jobs)
    except Interrupted as stop:
        _echo("eqprop: interrupted; what was finished:", sys.stderr)
        return stop.report


def _print_report(report: Report) -> None:
    from eqprop.results import failure_blocks

    for block in failure_blocks(report.verdicts, report.missing):
        _echo(f"\n{block}")
    _echo(f"\n{report.summary()}")


def _writable(folder: Path) -> Path | None:
    """The folder, if it can be made (with the first counterexample) and written to; else None, and says so."""
    from eqprop.counterexamples import folder_of, why_unwritable

    folder = folder_of(folder) or folder
    why = why_unwritable(folder)
    if why:
        _echo(f"eqprop: counterexamples are not saved: {folder}: {why} (--save names another folder)", sys.stderr)
        return None
    return folder


def _jobs(text: str) -> int | None:
    """The number of jobs; None for ``auto``."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        msg = f"--jobs is {text!r}; expected a number from 1, or auto."
        raise click.UsageError(msg)
    return int(text)


def _cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cli.command(name="list")
@click.option("--match", default="", metavar="TEXT", help="Only names that contain this.")
@click.option("--order", type=click.IntRange(0, 6), help="Only the properties of this order.")
@click.option("--group", default="", metavar="TEXT", help="Only entries on which such a group acts: linear, scaling, …")
def list_(*, match: str, order: int | None, group: str) -> int:
    """List the catalog's entries, its negative controls, and the properties."""
    from eqprop.authoring import listing

    _echo(listing(match, order, group))
    return 0


@cli.command()
@click.argument("name")
def explain(*, name: str) -> int:
    """Explain a catalog entry or a property: statement, formulas, hypotheses, reference, mutants."""
    from eqprop.authoring import explanation

    _echo(explanation(name))
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
    _echo(f"wrote {' and '.join(map(str, written))}; to try it:")
    enter = "" if root == Path.cwd() else f"  cd {root if '.' in dotted else to}\n"
    _echo(f"{enter}  eqprop verify {dotted}:{entry.stem}\n  {check_of(name, entry, root)}")
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
            _echo(str(check_entry(name)))
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
def optimizers(*, targets: tuple[str, ...], match: str, output: str, save: Path, jobs: str, verbose: bool) -> int:
    """Print the table optimizer × group: which steps commute with which symmetry, and what happens to the charges.

    The rows are fifteen optimizers with predictions, or your own: optax's, or any object with init and update. Exit
    code 1 where something was found otherwise than predicted, or could not be settled.
    """
    wanted = _jobs(jobs)
    from eqprop.optimizers import run

    with redirect_stdout(sys.stderr) if output == "json" else nullcontext():
        folder = _writable(save)
        text, code = run(
            match=match, targets=targets, output=output, save=folder, jobs=wanted or _cpus(), verbose=verbose
        )
    _echo(text)
    return code


@cli.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def replay(*, file: Path) -> int:
    """Check a saved counterexample again: exit code 1 where it is still falsified, 0 where the property holds now."""
    from eqprop.engine import persistent_cache
    from eqprop.results import Report, said_of
    from eqprop.runs import replay as replayed

    with persistent_cache():
        verdict = replayed(file)
    _echo(str(verdict.counterexample or f"{verdict.outcome}: {verdict.property.name} for {verdict.pair.name}"))
    now = ": ".join(filter(None, ("now", str(verdict.outcome), said_of(verdict))))
    _echo(f"\n{'still falsified' if verdict.counterexample else now}")
    return Report((verdict,)).exit_code
