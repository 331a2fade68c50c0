"""Cells: keep which properties apply to which entries, and the resolutions, from a report of the whole catalog.

    eqprop verify --format json > report.json
    python -m benchmarks.cells report.json            # what changed
    python -m benchmarks.cells report.json --write    # and keep it, in eqprop/authoring/cells.json

Only a report without failures is kept. Run it with the default profile and seed: other runs are not compared with it.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from eqprop.authoring import expected, own_entries
from eqprop.results import Report


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--write", is_flag=True, help="Keep what was measured; of other entries, what is there.")
def main(*, file: Path, write: bool) -> None:
    """Compare a report with the cells that the package carries."""
    report = Report.from_record(json.loads(file.read_text(encoding="utf-8")))
    if report.failures:
        click.echo(f"the report has {len(report.failures)} failures; mend them first")
        raise SystemExit(1)
    own = own_entries()
    found = {name: row for name, row in expected.measured(report).items() if name in own}
    kept = {name: row for name, row in expected.cells().items() if name in own}
    for name in sorted(found):
        for prop in sorted(kept.get(name, {}).keys() ^ found[name].keys()):
            click.echo(f"{'+' if prop in found[name] else '-'} {name}: {prop}")
    for name in sorted(own.keys() - found.keys() - kept.keys()):
        click.echo(f"? {name}: never measured")
    if write:
        target = Path(expected.__file__).with_name(expected.FILE)
        target.write_text(expected.written({**kept, **found}), encoding="utf-8")
        click.echo(f"{target}: {sum(map(len, {**kept, **found}.values()))} cells of {len({**kept, **found})} entries")


if __name__ == "__main__":
    main()
