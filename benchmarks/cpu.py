"""CPU time of two builds of eqprop on the same entries, in turns, in one run: medians, ratios, and the same verdicts?

    python -m benchmarks.cpu OLD/bin/python NEW/bin/python --entries relu-rescaling,glu-sign --repeats 3

Each is an interpreter of an environment in which a build is installed. Every search is a process of its own with caches
of its own, which are empty unless ``--warm``; its CPU seconds are those of all its threads and children. A later build
may know more properties: ``--common`` asks both for those that both have.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

ENTRIES = "relu-rescaling,neuron-permutation,batchnorm-scale,attention-head-permutation,recurrent-permutation,glu-sign"
PROGRAM = "import sys; from importlib.metadata import entry_points as e; "
PROGRAM += "sys.exit(next(iter(e(group='console_scripts', name='eqprop'))).load()())"


def searched(
    python: str, entry: str, profile: str, folder: Path, properties: Sequence[str] = ()
) -> tuple[float, dict[str, str]]:
    """CPU seconds of one search, and what became of each cell; of all properties where none are named."""
    caches = {"XDG_CACHE_HOME": str(folder / "caches"), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
    command = [python, "-c", PROGRAM, "verify", entry, "--profile", profile, "--format", "json", "-j", "1"]
    command += [word for name in properties for word in ("--property", name)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "--save", str(folder / "saved")],
        env={**os.environ, **caches},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        msg = f"{python}, {entry}: {done.stderr[-2000:]}"
        raise click.ClickException(msg)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cells: list[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    return seconds, {f"{cell['pair']}::{cell['property']}": cell["outcome"] for cell in cells}


def in_common(pythons: Sequence[str], entry: str, profile: str) -> list[str]:
    """The properties that both builds judge on an entry, in the order of the first one."""
    found: list[list[str]] = []
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            found.append([cell.partition("::")[2] for cell in searched(python, entry, profile, Path(folder))[1]])
    return [name for name in found[0] if name in found[1]]


def compared(
    pythons: Sequence[str], entry: str, profile: str, repeats: int, *, warm: bool, properties: Sequence[str] = ()
) -> list[float]:
    """Print one entry's line; the medians of both builds."""
    times: list[list[float]] = [[], []]
    cells: list[dict[str, str]] = [{}, {}]
    with tempfile.TemporaryDirectory() as kept:
        for i in range(repeats + warm):
            for build, python in enumerate(pythons):
                with tempfile.TemporaryDirectory() as fresh:
                    folder = Path(kept, str(build)) if warm else Path(fresh)
                    folder.mkdir(exist_ok=True)
                    seconds, cells[build] = searched(python, entry, profile, folder, properties)
                if i or not warm:
                    times[build].append(seconds)
    old, new = map(statistics.median, times)
    both = cells[0].keys() & cells[1].keys()
    differing = sorted(name for name in both if cells[0][name] != cells[1][name])
    remark = f"; differing: {', '.join(f'{n} ({cells[0][n]}, {cells[1][n]})' for n in differing)}" if differing else ""
    click.echo(f"  {entry}: {old:.1f} s, {new:.1f} s, ratio {new / old:.2f}; {len(both)} cells in common{remark}")
    return [old, new]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("old", type=click.Path(exists=True, dir_okay=False))
@click.argument("new", type=click.Path(exists=True, dir_okay=False))
@click.option("--entries", default=ENTRIES, show_default=True)
@click.option("--profile", default="gate", show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--warm", is_flag=True, help="Keep caches from one search to the next, and leave out the first.")
@click.option("--common", is_flag=True, help="Only the properties that both builds know.")
def main(*, old: str, new: str, entries: str, profile: str, repeats: int, warm: bool, common: bool) -> None:
    """Measure and print, an entry at a time; the ratio of the sums last."""
    click.echo(f"CPU seconds of OLD and of NEW, medians of {repeats}, {'warm' if warm else 'cold'}, profile {profile}")
    pythons = [str(Path(path).absolute()) for path in (old, new)]  # not resolved: a link into another environment
    names = entries.split(",")
    properties = in_common(pythons, names[0], profile) if common else []
    if common:
        click.echo(f"{len(properties)} properties")
    sums = [compared(pythons, name, profile, repeats, warm=warm, properties=properties) for name in names]
    first, second = (sum(medians) for medians in zip(*sums, strict=True))
    click.echo(f"  together: {first:.1f} s, {second:.1f} s, ratio {second / first:.2f}")


if __name__ == "__main__":
    main()
