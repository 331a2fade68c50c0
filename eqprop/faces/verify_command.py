"""``eqprop verify``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eqprop.errors import InvalidInput
from eqprop.faces.console import cpus, echo, jobs_of, print_report, run, tasks_of, writable
from eqprop.faces.early import started_early
from eqprop.faces.known import Known
from eqprop.faces.project import DRAWN_DIFFERENTLY, Project
from eqprop.faces.symmetry_cells import ModelCells, cells_of, verdicts_of
from eqprop.kept import KeptLedger, is_model, is_test
from eqprop.processes import end_with_this
from eqprop.profiles import MOST, PROFILES
from eqprop.reports import Shard, write
from eqprop.reports import asked as asked_form
from eqprop.results import NO_DIGESTS, NOTHING_KEPT, Applying, Record, Report

if TYPE_CHECKING:
    from eqprop.properties import Property
    from eqprop.search import Options, SearchTask


COMMANDLINE = click.core.ParameterSource.COMMANDLINE


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--seed", type=int, help="Of the search; the same seed gives the same verdicts.")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="gate", show_default=True)
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
@click.option(
    "--ledger", is_flag=True, help="Verify this folder's project as pyproject.toml says, and every cell of its ledger."
)
@click.option(
    "--baseline", is_flag=True, help="Try the known failures of this folder's project again; --ledger does it, too."
)
@click.option(
    "--changed", is_flag=True, help="As --ledger, and search only the pairs that changed since the ledger was written."
)
@click.option("--shard", metavar="I/N", help="Only every N-th pair, from the I-th; `eqprop merge` joins the reports.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="KIND[=FILE]",
    help="Also as html, json, junit or markdown, or as annotations for github; repeatable.",
)
@click.option("--match", default="", metavar="TEXT", help="Verify only the pairs whose name contains this.")
@click.option(
    "--max-architectures", type=click.IntRange(1, MOST), help="Architectures for each pair, instead of the profile's."
)
@click.option("--probes", type=click.IntRange(1, MOST), help="Probes on each architecture, instead of the profile's.")
@click.option(
    "--max-time",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="For each pair; what is not finished by then is inconclusive.",
)
@click.option("--jobs", "-j", default="auto", show_default=True, metavar="N", help="Processes; two for a single pair.")
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
@click.pass_context
def verify(
    context: click.Context,
    *,
    targets: tuple[str, ...],
    ledger: bool,
    baseline: bool,
    changed: bool,
    shard: str | None,
    reports: tuple[str, ...],
    match: str,
    jobs: str,
    output: str,
    save: Path,
    verbose: bool,
    **asked: object,
) -> int:
    """Verify TARGETs: the built-in catalog (by default), an entry's name, or package.module:attribute.

    The attribute is a Pair, a strategy of pairs, a list or a mapping of them, or a function without arguments that
    returns any of these.
    """
    ledger = ledger or changed
    wanted, forms, part = jobs_of(jobs), [asked_form(text) for text in reports], Shard.of(shard) if shard else None
    # Whatever models print while they are imported or run is not part of the JSON.
    single = not (ledger or baseline) and _is_single(targets, asked)
    with (
        redirect_stdout(sys.stderr) if output == "json" else nullcontext(),
        started_early() if single and (wanted or cpus()) > 1 else nullcontext() as early,
    ):
        project = Project.of(Path.cwd()) if ledger else None
        options = _options(context, project, save, asked)
        cells = _ledger(project).of_pairs if project else KeptLedger()
        tasks, slow = _tasks(project, targets, match, cells)
        kept = _kept(project, tasks, targets, match) if project else NOTHING_KEPT
        kept = _asked_of(kept, context, tasks, options)
        symmetries = _symmetries(project, match) if project and not (targets or asked["properties"]) else []
        if part:
            chosen = part.part({*(task.name for task in tasks), *kept, *(of.model for of in symmetries)})
            symmetries = [of for of in symmetries if of.model in chosen]
            tasks, kept = [t for t in tasks if t.name in chosen], {p: kept[p] for p in kept if p in chosen}
        known = Project.of(Path.cwd()).known() if ledger or baseline else Known()
        if context.obj and not symmetries:
            end_with_this()
        report = run(
            known.given_to(tasks),
            options,
            jobs=wanted or (1 if slow else cpus()),
            quiet=output == "json",
            verbose=verbose,
            kept=kept,
            digests=_digests(project, tasks) if changed and project else NO_DIGESTS,
            early=early,
        )
        if project and not (targets or match or part):
            report = _with_strays(report, project, tasks, () if asked["properties"] else options.properties)
        report = replace(report, verdicts=(*report.verdicts, *(verdict for _, verdict in verdicts_of(symmetries))))
    report = replace(report, shard=shard or "")
    if output == "json":
        echo(report.to_json())
    else:
        print_report(report)
    write(report, forms, echo)
    return report.exit_code


def _is_single(targets: tuple[str, ...], asked: Record) -> bool:
    """Whether what is verified may be a single pair of the user's, asked for what is costly, too."""
    own = len(targets) == 1 and ":" in targets[0] and not targets[0].startswith("catalog:")
    profile = PROFILES[str(asked["profile"])]
    return own and profile.costly_batches > 0 and not (asked["properties"] or asked["optimizer"])


def _digests(project: Project, tasks: list[SearchTask]) -> dict[str, str]:
    """What the ledger says that each pair was."""
    kept = (project.ledger() or KeptLedger()).of_pairs
    return {task.name: kept.digest_of(task.name) for task in tasks}


def _with_strays(report: Report, project: Project, tasks: list[SearchTask], asked: Sequence[Property]) -> Report:
    """The report of a whole project, and what it declares about nothing; what is of decorated tests is for pytest."""
    known, kept = project.known(), project.ledger() or KeptLedger()
    of_tests = {(target, pair) for target, pairs in kept.cells.items() if is_test(target) for pair in pairs}
    of_targets = replace(known, baseline=[entry for entry in known.baseline if entry.target])
    seen = {*of_tests, *((task.address, task.name) for task in tasks)}
    strays = of_targets.strays(seen, [prop.name for prop in asked])
    return replace(report, verdicts=(*report.verdicts, *(verdict for _, verdict in strays)))


def _symmetries(project: Project, match: str) -> list[ModelCells]:
    """The models of a whole project whose symmetries are held to its ledger."""
    return [of for of in cells_of(project.models, project.ledger()) if match.lower() in of.model.lower()]


def _options(context: click.Context, project: Project | None, save: Path, asked: Record) -> Options:
    """What the command line asks for; where it does not, what the project says."""
    from eqprop.runs import make_options

    configured = project.configured if project else {}
    said = {k: value for k, value in configured.items() if context.get_parameter_source(k) is not COMMANDLINE}
    arguments: Record = {**asked, "properties": asked["properties"] or None, **said}
    return make_options(save=writable(save), **arguments)


def _ledger(project: Project) -> KeptLedger:
    """What a project is held to.

    Raises:
        InvalidInput: where there is no ledger.
    """
    kept = project.ledger()
    if kept is None:
        msg = f"--ledger: there is no {project.ledger_file}; `eqprop ledger update` writes it."
        raise InvalidInput(msg)
    return kept


def _tasks(
    project: Project | None, targets: tuple[str, ...], match: str, kept: KeptLedger
) -> tuple[list[SearchTask], bool]:
    """Without targets a project's own; that it has none, or that one is gone, is for its ledger to say."""
    if project is None or targets:
        return tasks_of(targets, match, kept.cells)
    return tasks_of(project.targets, match, kept.cells) if project.targets else ([], False)


def _asked_of(kept: Applying, context: click.Context, tasks: list[SearchTask], options: Options) -> Applying:
    """What a ledger says of what the command line asks for.

    Of other architectures than the ledger's only that each pair is there: other properties may apply to them.
    """
    given = {key for key in (*DRAWN_DIFFERENTLY, "properties") if context.get_parameter_source(key) is COMMANDLINE}
    if not given:
        return kept
    there = set() if given == {"properties"} else {task.name for task in tasks}
    names = {prop.name for prop in options.properties}
    return {pair: [name for name in row if name in names] for pair, row in kept.items() if pair not in there}


def _kept(project: Project, tasks: list[SearchTask], targets: tuple[str, ...], match: str) -> Applying:
    """What the ledger says of that part of the project which is asked for."""
    kept = _ledger(project)
    whole = kept.of_pairs
    part = whole.of({*targets, *(task.address for task in tasks)}) if targets else whole
    applying = {pair: names for pair, names in part.applying().items() if match.lower() in pair.lower()}
    if not (tasks or applying or project.models or any(map(is_model, kept.cells))):
        where = f"{project.folder / 'pyproject.toml'} has no targets in [tool.eqprop]"
        what = f"--match {match!r} leaves no pair" if match else "no target has a pair" if project.targets else where
        msg = f"--ledger: {what}, and the ledger has no cells of any."
        raise InvalidInput(msg)
    return applying
