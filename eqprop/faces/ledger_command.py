"""``eqprop ledger``: the cells that a project's runs must fill, in a file that is reviewed with its code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eqprop.errors import InvalidInput
from eqprop.faces.console import cpus, echo, jobs_of, print_report, run, tasks_of
from eqprop.faces.project import Project
from eqprop.faces.symmetry_cells import cells_of, verdicts_of
from eqprop.kept import KeptLedger, ledger_in, ledger_of, rewritten

if TYPE_CHECKING:
    from eqprop.results import Report, Verdict
    from eqprop.search import Options, SearchTask


@click.group()
def ledger() -> None:
    """Keep the cells that a run must fill: one that vanishes turns it red."""


@ledger.command()
@click.option("--jobs", "-j", default="auto", show_default=True, metavar="N", help="Worker processes.")
def update(*, jobs: str) -> int:
    """Verify this folder's project as its pyproject.toml says, and write what applied to its ledger.

    Nothing is written where something fails. The cells of a target without pairs, and of one that is named no more, are
    taken out. Cells of decorated tests stay as they are: `pytest --eqprop-update-ledger`
    writes these, and all others.
    """
    project = Project.of(Path.cwd())
    kept = ledger_in(project.ledger_file).cells if project.ledger_file.is_file() else {}
    if not (project.targets or project.models or kept):
        where = project.folder / "pyproject.toml"
        msg = f"there are no targets in [tool.eqprop] of {where}; name there what is to be verified."
        raise InvalidInput(msg)
    tasks, slow = tasks_of(project.targets, kept=kept, writing=True) if project.targets else ([], False)
    options = _options(project)
    symmetries = verdicts_of(cells_of(project.models, None))
    report = run(tasks, options, jobs=jobs_of(jobs) or (1 if slow else cpus()))
    report = replace(report, verdicts=(*report.verdicts, *(verdict for _, verdict in symmetries)))
    print_report(report)
    if report.exit_code and (tasks or symmetries):  # where nothing is named any more, no cell is what was meant
        echo(f"{project.ledger_file} is left as it is: mend what fails first.")
        return report.exit_code
    for line in rewritten(project.ledger_file, _found(report, tasks, options, symmetries), tests=False):
        echo(line)
    return 0


def _options(project: Project) -> Options:
    from eqprop.runs import make_options

    return make_options(save=Path(".eqprop"), **project.configured)


def _found(
    report: Report, tasks: list[SearchTask], options: Options, symmetries: list[tuple[str, Verdict]]
) -> KeptLedger:
    settings = {"profile": report.profile, "seed": report.seed, "precision": options.precision}
    addresses = {task.name: task.address for task in tasks}
    of_pairs = [v for v in report.verdicts if v.pair.name in addresses]
    found = [*((addresses[v.pair.name], v) for v in of_pairs), *symmetries]
    return ledger_of(found, settings, _digests(tasks, options))


def _digests(tasks: list[SearchTask], options: Options) -> dict[str, dict[str, str]]:
    """What each pair was, by its target, where that can be told."""
    from eqprop.runs import Told, digest

    of_models = Told()
    digests: dict[str, dict[str, str]] = {}
    for task in tasks:
        told = digest(task, options, of_models)
        if told:
            digests.setdefault(task.address, {})[task.name] = told
    return digests
