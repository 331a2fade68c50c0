"""Junk: generated bad inputs in every place that takes one, and what became of them.

    python -m benchmarks.junk                   # 1,000 inputs
    python -m benchmarks.junk --inputs 20000 --only arguments

Each public function with each of its arguments, what the functions of a pair return, each command with each of its
options, each option of the plugin, each key of ``[tool.eqprop]`` and each value in a kept file is visited in turn; the
tests hold these lists complete. Right and wrong pairs are among what is run, so that verdicts can be wrong and results
lost. Each fault is printed; the exit code is 1 where there is one.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import click

from tests.faces.commands import project
from tests.faces.test_junk import CONFIGURED, KEPT, TYPED, of_kept
from tests.faces.test_junk_pytest import OF_PYTEST
from tests.junk import Fed, LostResultError, WrongVerdictError
from tests.test_arbitrary_arguments import CALLS, GIVEN, of_calls

TRACEBACK, VERDICT, LOST = "tracebacks from inside", "wrong verdicts", "lost results"
SHARES = {
    of_calls(*CALLS): 0.5,
    GIVEN: 0.1,
    TYPED: 0.15,
    OF_PYTEST: 0.05,
    CONFIGURED: 0.1,
    of_kept(*KEPT): 0.1,
}
"""Which part of the inputs is put where."""


def fault(fed: Fed, place: object, junk: object) -> str:
    """What is wrong with the answer to an input; empty where nothing is."""
    try:
        with redirect_stdout(StringIO()):
            fed.feed(place, junk)
    except WrongVerdictError as error:
        return f"{VERDICT}: {error}"
    except LostResultError as error:
        return f"{LOST}: {error}"
    except BaseException as error:  # noqa: BLE001 - whatever comes out is what is counted
        return f"{TRACEBACK}: {type(error).__name__}: {error}"
    return ""


def fed(where: Fed, count: int) -> Counter[str]:
    """How many inputs were put somewhere, and how many of each fault were seen."""
    found: Counter[str] = Counter()
    started = time.process_time()
    for place, junk in where.drawn(count):
        said = fault(where, place, junk)
        found["inputs"] += 1
        if said:
            found[said.partition(":")[0]] += 1
            click.echo(f"  {where.name}, {place!a}: {said[:2000]}", err=True)
    click.echo(f"{count:6} in {len(where.places):4} {where.name}: {time.process_time() - started:.0f} s of CPU time")
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--inputs", type=click.IntRange(20), default=1000, show_default=True, help="Of all kinds together.")
@click.option("--only", default="", metavar="TEXT", help="Only kinds whose name contains this.")
def main(*, inputs: int, only: str) -> None:
    """Put junk everywhere, and count what is wrong with the answers."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    found: Counter[str] = Counter()
    kinds = {where: share for where, share in SHARES.items() if only in where.name}
    with tempfile.TemporaryDirectory() as folder, project(Path(folder)):
        for where, share in kinds.items():
            found += fed(where, round(inputs * share / sum(kinds.values())))
    faults = [f"{found[kind]} {kind}" for kind in (TRACEBACK, VERDICT, LOST)]
    click.echo(f"{found['inputs']} inputs: {', '.join(faults)}")
    raise SystemExit(int(found.total() > found["inputs"]))


if __name__ == "__main__":
    main()
