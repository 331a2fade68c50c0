"""``eqprop merge``: the shards of a run, joined and held to the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from eqprop.faces.console import echo, print_report
from eqprop.faces.project import Project
from eqprop.kept import is_test
from eqprop.reports import asked, merged, report_in, write
from eqprop.results import NOTHING_KEPT


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--report", "reports", multiple=True, metavar="KIND[=FILE]", help="As for `eqprop verify`; repeatable.")
def merge(*, files: tuple[Path, ...], reports: tuple[str, ...]) -> int:
    """Join the JSON reports of all shards of a run.

    Exit code 2 where a shard is missing or there twice, 1 where no shard filled a cell of this folder's ledger.
    """
    forms = [asked(text) for text in reports]
    kept = Project.of(Path.cwd()).ledger()
    applying = kept.without([target for target in kept.cells if is_test(target)]).applying() if kept else NOTHING_KEPT
    report = merged([report_in(file) for file in files], applying)
    print_report(report)
    write(report, forms, echo)
    return report.exit_code
