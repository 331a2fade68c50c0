"""``eqprop ledger``: the cells that a project's runs must fill, in a file that is reviewed with its code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eqprop.errors import InvalidInput
from eqprop.faces.console import cpus, echo, jobs_of, print_report, run, tasks_of
from eqprop.faces.project import Project
from eqprop.kept import KeptLedger, ledger_of, rewritten

if TYPE_CHECKING:
    from eqprop.results import Report
    from eqprop.search import Options, SearchTask


@click.group()
def ledger() -> None:
    """Keep the cells that a run must fill: one that vanishes turns it red."""


@ledger.command()
@click.option("--jobs", "-j", default="auto", show_default=True, metavar="N", help="Worker processes.")
def update(*, jobs: str) -> int:
    """Verify this folder's project as its pyproject.toml says, and write what applied to its ledger.

    Nothing is written where something fails. Cells of decorated tests stay as they are: `pytest --eqprop-update-ledger`
    writes these, and all others.
    """
    project = Project.of(Path.cwd())
    if not project.targets:
        where = project.folder / "pyproject.toml"
        msg = f"there are no targets in [tool.eqprop] of {where}; name there what is to be verified."
        raise InvalidInput(msg)
    tasks, slow = tasks_of(project.targets)
    options = _options(project)
    report = run(tasks, options, jobs=jobs_of(jobs) or (1 if slow else cpus()))
    print_report(report)
    if report.exit_code:
        echo(f"{project.ledger_file} is left as it is: mend what fails first.")
        return report.exit_code
    for line in rewritten(project.ledger_file, _found(report, tasks, options), tests=False):
        echo(line)
    return 0


def _options(project: Project) -> Options:
    from eqprop.runs import make_options

    return make_options(save=Path(".eqprop"), **project.configured)


def _found(report: Report, tasks: list[SearchTask], options: Options) -> KeptLedger:
    settings = {"profile": report.profile, "seed": report.seed, "precision": options.precision}
    addresses = {task.name: task.address for task in tasks}
    return ledger_of([(addresses[verdict.pair.name], verdict) for verdict in report.verdicts], settings)
