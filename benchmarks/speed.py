"""Speed: the whole catalog from the command line, the compiled path alone, and the obvious harness beside it.

    python -m benchmarks.speed                     # all three
    python -m benchmarks.speed --only compiled     # verify, compiled, or obvious

- *verify*: ``eqprop verify`` as a user runs it, in a process of its own, with an empty compilation cache and again with
  the one that it left. Wall time.
- *compiled*: drawing and judging probes of two-layer networks with a compiled program that has run for a while, all
  applicable properties and their floors. Probes per second of the process's CPU time, which counts all threads, so that
  a busy machine and a second core change little. The process is pinned to one core before JAX starts its threads.
- *obvious*: plain JAX code for the same identities at the same probes, one probe at a time (``benchmarks/obvious.py``),
  against a compiled program for each architecture, compilation included on both sides, no persistent cache, on the same
  core, in turns. Two ways to be obvious: an architecture drawn with each probe, as a plain hypothesis test does, so
  that each probe compiles; and an architecture's functions kept for all of its probes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

from benchmarks.nets import perceptron
from benchmarks.obvious import Harness
from eqprop import rounding
from eqprop.claims import Pair
from eqprop.engine import HOT
from eqprop.evaluation import Program, applicable
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE

LONGEST_VERIFY = 1800
"""Seconds after which a run of the command line is given up."""

BATCHES = (64, 256, 1024)
TWO_LAYER = ((2, 2, 1, 2), (3, 4, 2, 3), (4, 8, 3, 4))
"""d_in, hidden units, d_out, batch: from small to large among what the catalog draws."""

PROBES = 64
ARCHITECTURES = tuple((1 + i % 4, 2 + i, 1 + i % 3, 1 + i % 5) for i in range(12))


# ---- the command line ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verified:
    """One run of ``eqprop verify``."""

    seconds: float
    exit_code: int
    pairs: int
    architectures: int
    fewest_architectures: int
    probes: int
    fewest_probes: int


def verify(cache: Path, scratch: Path, *arguments: str) -> Verified:
    """Run ``eqprop verify`` with a compilation cache of its own; nothing that earlier runs found is remembered."""
    save, database = scratch / "counterexamples", scratch / "hypothesis"
    command = [sys.executable, "-c", "from eqprop.faces.cli import main; main()", "verify", "--format", "json"]
    environment = os.environ | {"EQPROP_CACHE_DIR": str(cache), "HYPOTHESIS_STORAGE_DIRECTORY": str(database)}
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--save", str(save), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_VERIFY,
        check=False,
    )
    seconds = time.perf_counter() - start
    if not done.stdout:
        msg = f"eqprop verify printed nothing (exit code {done.returncode}): {done.stderr[-2000:]}"
        raise click.ClickException(msg)
    cells: dict[str, list[dict[str, Any]]] = {}
    for verdict in json.loads(done.stdout)["verdicts"]:
        if verdict["probes"]:
            cells.setdefault(verdict["pair"], []).append(verdict)
    architectures = [max(cell["architectures"] for cell in row) for row in cells.values()]
    probes = [max(cell["probes"] for cell in row) for row in cells.values()]
    return Verified(
        seconds,
        done.returncode,
        len(cells),
        sum(architectures),
        min(architectures, default=0),
        sum(probes),
        min(probes, default=0),
    )


def measure_verify(*arguments: str) -> None:
    core = [argument for prop in CORE for argument in ("--property", prop.name)]
    seconds: dict[tuple[str, str], float] = {}
    for asked, names in (("core properties", core), ("all properties", [])):
        with tempfile.TemporaryDirectory(prefix="eqprop-speed-") as folder:
            for state in ("cold", "warm"):
                run = verify(Path(folder, "cache"), Path(folder, state), *arguments, *names)
                seconds[asked, state] = run.seconds
                click.echo(
                    f"eqprop verify, {asked}, {state} cache: {run.seconds:.1f} s wall, exit code {run.exit_code}; "
                    f"{run.pairs} pairs, {run.architectures} architectures (at least {run.fewest_architectures} each), "
                    f"{run.probes} probes (at least {run.fewest_probes} each)"
                )
    for state in ("cold", "warm"):
        ratio = seconds["all properties", state] / seconds["core properties", state]
        click.echo(f"all properties beside the core, {state}: {ratio:.2f} times")


# ---- the compiled path -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stages:
    """Microseconds of CPU time for each probe."""

    draw: float
    perturb: float
    run: float
    judge: float
    total: float

    @property
    def rate(self) -> float:
        """Probes per second and core."""
        return 1e6 / self.total


def compiled(pair: Pair) -> Program:
    """All applicable properties of a pair."""
    return Program(pair, applicable(pair, CORE), SQUARED_ERROR, evaluator="xla")


def cpu(work: Callable[[], object], repeats: int) -> float:
    """The median CPU time of the process for this work, after one run to warm up."""
    work()
    found: list[float] = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return statistics.median(found)


def stages(program: Program, batch: int, repeats: int) -> Stages:
    """What ``draw`` and ``judge`` cost together, and where they spend it; the parts are timed one by one."""
    rng, copies = np.random.default_rng(0), program.copies
    eps = max(program.eps.values())
    probes = program.draw(rng, batch)
    rows = rounding.perturbed(probes, copies, eps, rng)
    sides = program.evaluate(rows)

    def judge() -> None:
        for name, parts in sides.items():
            lhs, rhs, scales, errors = (part.reshape(batch, 1 + copies, -1) for part in parts)
            rounding.judgement(rounding.measure(lhs, rhs, scales, program.layouts[name].starts, errors), eps)

    seconds = (
        cpu(lambda: program.draw(rng, batch), repeats),
        cpu(lambda: rounding.perturbed(probes, copies, eps, rng), repeats),
        cpu(lambda: program.evaluate(rows), repeats),
        cpu(judge, repeats),
        cpu(lambda: program.judge(program.draw(rng, batch), rng), repeats),
    )
    return Stages(*(1e6 * s / batch for s in seconds))


def warm_up(program: Program, batch: int = 1024) -> None:
    """Run a program for as long as it takes to be compiled once more."""
    rng = np.random.default_rng(0)
    for _ in range(1 + HOT // (batch * (1 + program.copies) * program.pair.model.param_leaves.size)):
        program.judge(program.draw(rng, batch), rng)


def measure_compiled(repeats: int) -> None:
    click.echo("two-layer ReLU networks, all properties with floors; CPU microseconds for each probe")
    for d_in, hidden, d_out, batch in TWO_LAYER:
        program = compiled(perceptron((d_in, hidden, d_out), batch))
        warm_up(program)
        size = program.pair.model.param_leaves.size
        for probes in BATCHES:
            s = stages(program, probes, repeats)
            click.echo(
                f"  {d_in}-{hidden}-{d_out} ({size} parameters, batch {batch}), {len(program.properties)} properties, "
                f"{probes} probes a batch: draw {s.draw:.0f}, perturb {s.perturb:.0f}, run {s.run:.0f}, "
                f"judge {s.judge:.0f}; together {s.total:.0f}: {s.rate:,.0f} probes per second and core"
            )


# ---- beside the obvious harness --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beside:
    """Seconds (wall, CPU) on one architecture.

    Attributes:
        compiled: eqprop, all probes, compilation included.
        again: all probes once more, compiled.
        first: the obvious harness, one probe, compilation included.
        rest: the other probes, compiled.
        probes: how many there are.
    """

    compiled: np.ndarray
    again: np.ndarray
    first: np.ndarray
    rest: np.ndarray
    probes: int

    @property
    def each_compiles(self) -> np.ndarray:
        """How many times faster for a probe than where each probe compiles."""
        return self.first * self.probes / self.compiled


def clocked(work: Callable[[], object]) -> np.ndarray:
    """(wall, CPU) seconds."""
    wall, process = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - process])


def beside(pair: Pair, probes: int) -> Beside:
    """One architecture both ways, at the same number of probes."""
    kept: list[Program] = []

    def ours() -> None:
        kept.append(compiled(pair))
        rng = np.random.default_rng(0)
        kept[0].judge(kept[0].draw(rng, probes), rng)

    def again() -> None:
        rng = np.random.default_rng(1)
        kept[0].judge(kept[0].draw(rng, probes), rng)

    seconds = clocked(ours), clocked(again)
    drawn = kept[0].draw(np.random.default_rng(0), probes)
    if len(kept[0].properties) != len(Harness(pair).jitted):
        msg = f"the obvious harness checks other properties than {[p.name for p in kept[0].properties]}"
        raise click.ClickException(msg)
    with jax.enable_x64(True):
        harness = Harness(pair)
        first = clocked(lambda: harness.check(drawn.at(0)))
        rest = clocked(lambda: [harness.check(drawn.at(i)) for i in range(1, probes)])
    return Beside(*seconds, first, rest, probes)


def measure_obvious(architectures: int) -> None:
    chosen = ARCHITECTURES[:: max(1, len(ARCHITECTURES) // architectures)][:architectures]
    jax.block_until_ready(jax.numpy.ones(2) + 1)  # JAX's own start belongs to neither
    found = [beside(perceptron((d_in, hidden, d_out), batch), PROBES) for d_in, hidden, d_out, batch in chosen]
    click.echo(
        f"{len(chosen)} of {len(ARCHITECTURES)} two-layer architectures × {PROBES} probes, compilation included, "
        f"single core; the rest of the {len(ARCHITECTURES)} is not measured"
        if len(chosen) < len(ARCHITECTURES)
        else f"{len(chosen)} two-layer architectures × {PROBES} probes, compilation included, single core"
    )
    for i, clock in enumerate(("wall", "CPU")):
        ours = 1e3 * sum(b.compiled[i] for b in found) / (PROBES * len(found))
        each = 1e3 * sum(b.first[i] for b in found) / len(found)
        kept = 1e3 * sum(b.first[i] + b.rest[i] for b in found) / (PROBES * len(found))
        compiled_ours = 1e3 * sum(b.again[i] for b in found) / (PROBES * len(found))
        compiled_obvious = 1e3 * sum(b.rest[i] for b in found) / ((PROBES - 1) * len(found))
        spread = sorted(float(b.each_compiles[i]) for b in found)
        click.echo(
            f"  {clock}: eqprop {ours:.2f} ms for each probe; the obvious harness {each:.0f} ms where each probe "
            f"brings its architecture ({each / ours:.0f} times slower; {spread[0]:.0f} to {spread[-1]:.0f}), "
            f"{kept:.1f} ms where it keeps an architecture for all {PROBES} ({kept / ours:.1f} times slower); "
            f"once compiled {compiled_ours:.2f} ms with floors against {compiled_obvious:.1f} ms without "
            f"({compiled_obvious / compiled_ours:.0f} times slower)"
        )


def pin_to_one_core() -> None:
    """Must come before JAX starts its threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", type=click.Choice(["verify", "compiled", "obvious"]), help="Measure one of the three.")
@click.option("--repeats", type=click.IntRange(1), default=15, show_default=True, help="Of each timing of a batch.")
@click.option("--architectures", type=click.IntRange(1, 12), default=3, show_default=True, help="For the comparison.")
@click.option("--match", default="", help="Only entries whose name contains this, for eqprop verify.")
def main(*, only: str | None, repeats: int, architectures: int, match: str) -> None:
    """Measure and print."""
    if only in (None, "verify"):
        measure_verify(*(["--match", match] if match else []))
    pin_to_one_core()
    if only in (None, "compiled"):
        measure_compiled(repeats)
    if only in (None, "obvious"):
        measure_obvious(architectures)


if __name__ == "__main__":
    main()
