"""CPU time of two builds of eqprop on the same entries, in turns, in one run: medians, ratios, and the same verdicts?

    python -m benchmarks.cpu OLD/bin/python NEW/bin/python --entries relu-rescaling,glu-sign --repeats 3

    python -m benchmarks.cpu OLD/bin/python NEW/bin/python --mutants 20 --common --without-imports   # falsifications

Each is an interpreter of an environment in which a build is installed. Every search is a process of its own with caches
of its own, which are empty unless ``--warm``; its CPU seconds are those of all its threads and children. A later build
may know more properties: ``--common`` asks both for those that both have.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

ENTRIES = "relu-rescaling,neuron-permutation,batchnorm-scale,attention-head-permutation,recurrent-permutation,glu-sign"
LOADED = """
import importlib, pkgutil, sys, time
from importlib.metadata import entry_points
command = next(iter(entry_points(group="console_scripts", name="eqprop"))).load()
"""
PROGRAM = f"{LOADED}\nsys.exit(command())"
IMPORTED = f"""{LOADED}
import eqprop
for module in pkgutil.walk_packages(eqprop.__path__, "eqprop."):  # what a command imports when it needs it, too
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError:  # of an extra that is not installed
            pass
importlib.import_module("eqprop.registry").entries()
open("imports", "w").write(repr(time.process_time()))
sys.exit(command())
"""
"""The command once all is imported: how much CPU time that took stands in a file of the current folder."""
MUTANTS = """
from eqprop.registry import entries
print(*(f"{entry.name}[{mutant.name}]" for entry in entries().values() for mutant in entry.mutants), sep="\\n")
"""


@dataclass(frozen=True)
class Asked:
    """What is asked of both builds, beside the entry; of all properties where none are named."""

    profile: str
    repeats: int
    warm: bool
    program: str
    properties: tuple[str, ...] = ()


def searched(python: str, entry: str, asked: Asked, folder: Path) -> tuple[float, dict[str, str]]:
    """CPU seconds of one search, and what became of each cell."""
    caches = {"XDG_CACHE_HOME": str(folder / "caches"), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
    command = [python, "-c", asked.program, "verify", entry, "--profile", asked.profile, "--format", "json", "-j", "1"]
    command += [word for name in asked.properties for word in ("--property", name)]
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
    if asked.program == IMPORTED:
        seconds -= float((folder / "imports").read_text(encoding="utf-8"))
    cells: list[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    return seconds, {f"{cell['pair']}::{cell['property']}": cell["outcome"] for cell in cells}


def in_common(pythons: Sequence[str], entry: str, asked: Asked) -> tuple[str, ...]:
    """The properties that both builds judge on an entry, in the order of the first one."""
    found: list[list[str]] = []
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            found.append([cell.partition("::")[2] for cell in searched(python, entry, asked, Path(folder))[1]])
    return tuple(name for name in found[0] if name in found[1])


def mutants(pythons: Sequence[str], count: int, seed: int) -> list[str]:
    """Some mutants of the catalog that both builds know, drawn at random."""
    names = [
        subprocess.run([python, "-P", "-c", MUTANTS], capture_output=True, text=True, check=True).stdout.split()
        for python in pythons
    ]
    return random.Random(seed).sample([name for name in names[0] if name in names[1]], count)


def compared(pythons: Sequence[str], entry: str, asked: Asked) -> list[float]:
    """Print one entry's line; the medians of both builds."""
    times: list[list[float]] = [[], []]
    cells: list[dict[str, str]] = [{}, {}]
    with tempfile.TemporaryDirectory() as kept:
        for i in range(asked.repeats + asked.warm):
            for build, python in enumerate(pythons):
                with tempfile.TemporaryDirectory() as fresh:
                    folder = Path(kept, str(build)) if asked.warm else Path(fresh)
                    folder.mkdir(exist_ok=True)
                    seconds, cells[build] = searched(python, entry, asked, folder)
                if i or not asked.warm:
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
@click.option("--mutants", "broken", type=click.IntRange(1), help="Instead of entries, so many mutants of the catalog.")
@click.option("--seed", default=0, show_default=True, help="Which mutants.")
@click.option("--profile", default="gate", show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--warm", is_flag=True, help="Keep caches from one search to the next, and leave out the first.")
@click.option("--common", is_flag=True, help="Only the properties that both builds know.")
@click.option("--without-imports", is_flag=True, help="Leave out the CPU time of imports.")
def main(
    *,
    old: str,
    new: str,
    entries: str,
    broken: int | None,
    seed: int,
    profile: str,
    repeats: int,
    warm: bool,
    common: bool,
    without_imports: bool,
) -> None:
    """Measure and print, an entry at a time; the median of the ratios and the ratio of the sums last."""
    click.echo(f"CPU seconds of OLD and of NEW, medians of {repeats}, {'warm' if warm else 'cold'}, profile {profile}")
    pythons = [str(Path(path).absolute()) for path in (old, new)]  # not resolved: a link into another environment
    asked = Asked(profile, repeats, warm, IMPORTED if without_imports else PROGRAM)
    names = entries.split(",")
    if common:
        asked = replace(asked, properties=in_common(pythons, names[0], asked))
        click.echo(f"{len(asked.properties)} properties")
    medians = [compared(pythons, name, asked) for name in (names if broken is None else mutants(pythons, broken, seed))]
    ratio = statistics.median(second / first for first, second in medians)
    first, second = (sum(times) for times in zip(*medians, strict=True))
    click.echo(
        f"  together: {first:.1f} s, {second:.1f} s, ratio {second / first:.2f}; median of the ratios {ratio:.3f}"
    )


if __name__ == "__main__":
    main()
