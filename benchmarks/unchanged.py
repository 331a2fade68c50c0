"""What a run costs in which nothing changed: the pairs of examples/, told from the ledger or searched anew.

    python -m benchmarks.unchanged             # --changed, of each target and of all, by eqprop and by pytest
    python -m benchmarks.unchanged --searched  # and a whole run with warm caches, which takes minutes

CPU seconds (user and system, of all threads and children) and seconds by the clock, medians. Beside them the imports
alone, in processes of their own: what is left is eqprop's. The first two runs, which fill the caches, are left out.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

OF_LIBRARIES = ("linen_mlp", "nnx_mlp", "equinox_mlp", "haiku_mlp")
TARGETS = ("examples.digits:pairs", *(f"examples.{name}:pair" for name in OF_LIBRARIES))
IMPORTS = ("jax", "eqprop.runs", "equinox", "flax.linen, flax.nnx", "haiku", "equinox, flax.linen, flax.nnx, haiku")
EQPROP = "from eqprop.faces.cli import main; main()"
TOP = Path(__file__).parents[1]

PROJECT = """[tool.eqprop]
targets = [{targets}]
{budget}
[tool.pytest.ini_options]
testpaths = ["tests"]
"""
LEAST = "max_architectures = 1\nprobes = 1\n"
"""What the ledger is written with: what is told of a pair does not depend on how long it was searched."""


@dataclass(frozen=True)
class Spent:
    """Seconds of a process, and its last line."""

    cpu: float
    clock: float
    summary: str


def spent(arguments: Sequence[str], folder: Path) -> Spent:
    """One process of this interpreter, in a folder of its own with caches of its own.

    Raises:
        ClickException: where it fails, with what it said last.
    """
    own = {"EQPROP_CACHE_DIR": str(folder / "cache"), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
    path = os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment | own | {"PYTHONPATH": path},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        msg = f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout[-2000:]}"
        raise click.ClickException(msg)
    return Spent(
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        clock,
        (done.stdout.strip().splitlines() or [""])[-1],
    )


def told(what: str, arguments: Sequence[str], folder: Path, repeats: int) -> None:
    """Print the medians of a command."""
    every = [spent(arguments, folder) for _ in range(repeats)]
    cpu, clock = (statistics.median(getattr(one, field) for one in every) for field in ("cpu", "clock"))
    click.echo(f"  {what}: {cpu:.1f} s of CPU time, {clock:.1f} s by the clock")


def project(targets: Sequence[str], folder: Path, budget: str) -> None:
    """Write a project with these targets, and its ledger."""
    (folder / "tests").mkdir(exist_ok=True)
    text = PROJECT.format(targets=", ".join(f'"{target}"' for target in targets), budget=budget)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    spent(["-c", EQPROP, "ledger", "update"], folder)


def unchanged(targets: Sequence[str], folder: Path, repeats: int) -> None:
    """Measure both faces where nothing changed, and see that they search nothing."""
    project(targets, folder, LEAST)
    verify = ["-c", EQPROP, "verify", "--changed"]
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--eqprop-changed"]
    for arguments in (verify, pytest):
        summary = spent(arguments, folder).summary
        if "holds" in summary or "passed" in summary:
            msg = f"something was searched: {summary}"
            raise click.ClickException(msg)
    name = targets[0] if len(targets) == 1 else f"all {len(targets)} targets"
    told(f"{name}, eqprop verify --changed", verify, folder, repeats)
    told(f"{name}, pytest --eqprop-changed", pytest, folder, repeats)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--searched", is_flag=True, help="Also a run with warm caches that searches everything, at --profile.")
@click.option("--profile", default="quick", show_default=True)
def main(*, repeats: int, searched: bool, profile: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="eqprop-unchanged-") as name:
        click.echo("imports alone")
        for modules in IMPORTS:
            told(modules, ["-c", f"import {modules}"], Path(name), repeats)
        click.echo("nothing changed")
        for targets in (TARGETS, TARGETS[1:], *((target,) for target in TARGETS)):
            unchanged(targets, Path(name), repeats)
        if searched:
            click.echo(f"everything searched, warm caches, profile {profile}")
            for targets in (TARGETS[1:], TARGETS):
                project(targets, Path(name), f'profile = "{profile}"\n')
                command = ["-c", EQPROP, "verify", "--ledger"]
                told(f"{len(targets)} targets, eqprop verify --ledger", command, Path(name), 1)


if __name__ == "__main__":
    main()
