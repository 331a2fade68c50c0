"""The cells of the built-in catalog that are known to be filled, with the resolution at which each was seen to hold.

They are kept in ``cells.json``, which ``python -m benchmarks.cells`` writes from a report of ``eqprop verify``. A run
of the catalog is compared with it: a property that applied once and does not any more is a cell that vanished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from eqprop.profiles import GATE_SEED, PROFILES
from eqprop.results import Outcome, Report
from eqprop.search import Options, SearchTask

FILE = "cells.json"
MEASURE = "eqprop verify --format json > report.json; python -m benchmarks.cells report.json"

Resolutions = Mapping[str, Mapping[str, float | None]]
"""Entry → property that applies → resolution; None where an error of any size was to be found: a negative control."""


@cache
def cells() -> Resolutions:
    """The cells that the package carries."""
    return json.loads(files("eqprop.authoring").joinpath(FILE).read_text(encoding="utf-8"))


def applying(task: SearchTask, options: Options) -> frozenset[str]:
    """The properties that are known to apply to a task in such a run.

    Empty for what is not of the built-in catalog, and for runs that draw less, or other, architectures than the
    default one: some properties apply to some architectures of an entry only.
    """
    usual = options.seed == GATE_SEED and options.profile.architectures >= PROFILES["gate"].architectures
    return frozenset(cells().get(task.name, ())) if task.built_in and usual else frozenset()


def measured(report: Report) -> Resolutions:
    """The cells of a report in which the property applied."""
    found: dict[str, dict[str, float | None]] = {}
    for verdict in report.verdicts:
        if verdict.outcome is not Outcome.NOT_APPLICABLE:
            resolution = float(f"{verdict.resolution:.0e}") if verdict.resolution == verdict.resolution else None
            found.setdefault(verdict.pair.name, {})[verdict.property.name] = resolution
    return found


def written(found: Resolutions) -> str:
    """Cells as text, in alphabetical order, an entry a line."""
    lines = [f"  {json.dumps(name)}: {json.dumps(dict(sorted(found[name].items())))}" for name in sorted(found)]
    return "{\n" + ",\n".join(lines) + "\n}\n"
