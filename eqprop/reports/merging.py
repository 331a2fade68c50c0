"""The shards of a run as one report, if they are all of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eqprop.arguments import words_of
from eqprop.errors import InvalidInput
from eqprop.reports.sharding import Shard
from eqprop.results import Applying, Ledger, Report


def report_in(path: Path) -> Report:
    """The report that a JSON file holds.

    Raises:
        InvalidInput: where it is none.
    """
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        return Report.from_record(record)
    except OSError as error:
        msg = f"the report {str(path)!r} cannot be read: {words_of(error)}."
        raise InvalidInput(msg) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"{str(path)!r} is no report of eqprop, as `eqprop verify --report json=FILE` writes them ({error!r})."
        raise InvalidInput(msg) from error


def merged(reports: Sequence[Report], kept: Applying) -> Report:
    """One report of all shards, held to a ledger: what none of them filled is missing.

    Args:
        reports: of each shard of one run.
        kept: what the ledger says must apply.

    Raises:
        InvalidInput: where they are of different runs, a shard is there twice or not at all, or two have a cell.
    """
    _check_shards([report.shard for report in reports])
    if len({(report.profile, report.seed) for report in reports}) > 1:
        said = "; ".join(f"{r.shard}: profile {r.profile}, seed {r.seed}" for r in reports)
        msg = f"the shards are of different runs ({said}); expected one profile and one seed."
        raise InvalidInput(msg)
    verdicts = [verdict for report in reports for verdict in report.verdicts]
    twice = [": ".join(cell) for cell, count in Counter(v.cell for v in verdicts).items() if count > 1]
    if twice:
        msg = f"several shards have {', '.join(sorted(twice)[:3])}; expected each cell once."
        raise InvalidInput(msg)
    ledger = Ledger()
    for pair, names in kept.items():
        ledger.expect(pair, names, names)
    ledger.fill(verdicts)
    return replace(
        reports[0],
        verdicts=tuple(ledger.verdicts({}).values()),
        seconds=max(report.seconds for report in reports),
        places={pair: place for report in reports for pair, place in report.places.items()},
        shard="",
    )


def _check_shards(found: Sequence[str]) -> None:
    shards = [Shard.of(text) for text in found]
    count = shards[0].count
    expected = [f"{index}/{count}" for index in range(1, count + 1)]
    if sorted(found) != sorted(expected):
        msg = f"the reports are of the shards {', '.join(found)}; expected each of {', '.join(expected)} once."
        raise InvalidInput(msg)
