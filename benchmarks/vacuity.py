"""Vacuity: whether the verdicts of a report compare something, and on enough different architectures.

    eqprop verify --format json > report.json
    python -m benchmarks.vacuity report.json

Of each claim of the catalog: distinct architectures of the run; the part of the probes at which its first order says
something, from the property that says least; that part for ``noether`` (where it is vacuous all terms of ⟨∇L, k_ξ⟩
vanish: a generator that moves nothing) and for ``gradient-covariance`` (where it is, the gradient vanishes). Controls
are left out: what they claim fails, and their searches end early. The exit code is 1 where an entry falls short.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from eqprop.authoring import LEAST_ARCHITECTURES, LEAST_USABLE, own_entries, usable
from eqprop.properties import CORE
from eqprop.results import Outcome, Report, Verdict

NAMES = frozenset(prop.name for prop in CORE)
GENERATOR, GRADIENT = "noether", "gradient-covariance"


@dataclass(frozen=True)
class Row:
    """What one entry's verdicts compare.

    Attributes:
        entry: its name.
        architectures: distinct ones on which its premise was judged.
        parts: of each core property that was judged, the part of its probes at which it says something.
    """

    entry: str
    architectures: int
    parts: dict[str, float]

    @property
    def least(self) -> tuple[str, float]:
        """The property that says least, and the part of its probes at which it says something."""
        return min(self.parts.items(), key=lambda item: item[1], default=("nothing judged", 0.0))

    @property
    def passed(self) -> bool:
        """Whether there are enough architectures, and enough is said on them."""
        return self.architectures >= LEAST_ARCHITECTURES and self.least[1] >= LEAST_USABLE

    def line(self) -> str:
        """One row of the table."""
        generator, gradient = (
            f"{self.parts[name]:10.1%}" if name in self.parts else f"{'-':>10}" for name in (GENERATOR, GRADIENT)
        )
        name, part = self.least
        return f"{self.entry:36} {self.architectures:5} {part:8.1%} {name:20} {generator} {gradient}"


HEADER = f"{'entry':36} {'archs':>5} {'least':>8} {'by':20} {'generator':>10} {'gradient':>10}"


def rows_of(verdicts: Iterable[Verdict]) -> list[Row]:
    """A row for each pair, from those of its verdicts that settled something about a core property."""
    parts: dict[str, dict[str, float]] = {}
    architectures: dict[str, int] = {}
    for verdict in verdicts:
        name = verdict.pair.name
        if verdict.property.name in NAMES and verdict.probes and verdict.outcome is not Outcome.NOT_APPLICABLE:
            parts.setdefault(name, {})[verdict.property.name] = usable(verdict.property.name, verdict)
            architectures[name] = max(architectures.get(name, 0), verdict.architectures)
    return [Row(name, architectures[name], parts[name]) for name in parts]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(*, file: Path) -> None:
    """Print what the claims of a report compare, the least first."""
    report = Report.from_record(json.loads(file.read_text(encoding="utf-8")))
    claims = {name for name, entry in own_entries().items() if not entry.control}
    rows = sorted((row for row in rows_of(report.verdicts) if row.entry in claims), key=lambda row: row.least[1])
    if not rows:
        msg = f"{file} has no verdict about a claim of the built-in catalog"
        raise click.ClickException(msg)
    click.echo(HEADER)
    for row in rows:
        click.echo(row.line())
    passed = sum(row.passed for row in rows)
    median = statistics.median(row.least[1] for row in rows)
    click.echo(
        f"\n{passed} of {len(rows)} claims have at least {LEAST_ARCHITECTURES} architectures, and every core property "
        f"says something at {LEAST_USABLE:.0%} of its probes or more; the least: {rows[0].least[1]:.1%} at worst "
        f"({rows[0].entry}), median {median:.1%}"
    )
    if passed < len(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
