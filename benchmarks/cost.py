"""Cost: verifying all properties of a pair at one probe, in gradient evaluations of the same model.

    python -m benchmarks.cost                          # about 1e4, 1e5 and 1e6 parameters
    python -m benchmarks.cost --sizes 1e4 --repeats 3
    python -m benchmarks.cost --evaluator xla

The model is a ReLU network with two hidden layers on a batch of 32, its first hidden layer rescaled, in float64. One
gradient is ``jax.jit(jax.grad(loss))`` with XLA's default options. Verifying draws the probe, its perturbed copies for
the floors, evaluates both sides of all properties at each of these rows, and judges them; probes come in batches as a
search of this model has them. Gradients are timed before and after, compiled beforehand, on the threads that JAX takes
by itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.nets import perceptron
from eqprop import rounding
from eqprop.claims import Pair
from eqprop.engine import freed_memory_kept
from eqprop.evaluation import Choice, Program, applicable
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.profiles import PROFILES
from eqprop.properties import CORE
from eqprop.search import SMALL

BATCH = 32
CLASSES = 10
ALLOWED = 100.0
SHORTEST = 0.05
"""Seconds: a shorter gradient is repeated, for the clock's sake."""

CLOCKS = {"wall": time.perf_counter, "CPU": time.process_time}


def network(parameters: float) -> Pair:
    """A pair with about this many parameters: w inputs, two hidden layers of w units, ten outputs."""
    width = round((-(2 + CLASSES) + ((2 + CLASSES) ** 2 + 8 * (parameters - CLASSES)) ** 0.5) / 4)
    return perceptron((width, width, width, CLASSES), BATCH)


def gradient(pair: Pair, probe: Probe) -> Callable[[], Any]:
    """∇L at a probe, compiled with default options, its arguments already where JAX computes."""
    model = pair.model

    def loss(params: Any, inputs: Any, targets: Any) -> Any:
        return SQUARED_ERROR(model.apply(model.param_leaves.join(params), inputs), targets)

    with jax.enable_x64(True):
        compiled = jax.jit(jax.grad(loss))
        arguments = jax.tree.map(jnp.asarray, (probe.params, probe.inputs, probe.targets))
        jax.block_until_ready(compiled(*arguments))

    def run() -> None:
        with jax.enable_x64(True):
            jax.block_until_ready(compiled(*arguments))

    return run


@dataclass(frozen=True)
class Cost:
    """Of one probe, once for each repetition and clock: seconds of a gradient, and of verifying by stage."""

    parameters: int
    properties: int
    rows: int
    probes: int
    gradient: np.ndarray
    stages: dict[str, np.ndarray]

    @property
    def total(self) -> np.ndarray:
        """Seconds of verifying, of shape (repetitions, clocks)."""
        return sum(self.stages.values(), np.zeros_like(self.gradient))

    @property
    def ratio(self) -> np.ndarray:
        """Gradient evaluations that verifying one probe costs."""
        return self.total / self.gradient


def seconds(work: Callable[[], Any]) -> tuple[np.ndarray, Any]:
    """On both clocks, and what the work returned."""
    start = [clock() for clock in CLOCKS.values()]
    found = work()
    return np.array([clock() - before for clock, before in zip(CLOCKS.values(), start, strict=True)]), found


def verify_once(program: Program, probes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The stages of ``program.draw`` and ``program.judge``, timed one after the other."""
    copies, eps = program.copies, max(program.eps.values())
    draw, drawn = seconds(lambda: program.draw(rng, probes))
    perturb, rows = seconds(lambda: rounding.perturbed(drawn, copies, eps, rng))
    run, measured = seconds(lambda: program.measure(rows, copies, rng))
    judge, _ = seconds(lambda: [rounding.judgement(m, program.eps[name]).suspect for name, m in measured.items()])
    return {"draw": draw, "perturb": perturb, "run": run, "judge": judge}


def cost(pair: Pair, repeats: int, evaluator: Choice) -> Cost:
    """Time gradients before and after verifying, as a process has them that verifies nothing."""
    program = Program(pair, applicable(pair, CORE), SQUARED_ERROR, evaluator=evaluator)
    probes = max(1, PROFILES["gate"].probes * SMALL // max(pair.model.param_leaves.size, SMALL))
    rng = np.random.default_rng(0)
    run = gradient(pair, program.draw(rng, 1).at(0))
    calls = max(1, int(SHORTEST / seconds(run)[0][0]))

    def gradients(times: int) -> list[np.ndarray]:
        return [seconds(lambda: [run() for _ in range(calls)])[0] / calls for _ in range(times)]

    before = gradients(repeats // 2)
    with freed_memory_kept():
        verify_once(program, probes, rng)
        verified = [verify_once(program, probes, rng) for _ in range(repeats)]
    unit = np.stack(before + gradients(repeats - repeats // 2))
    stages = {name: np.stack([v[name] for v in verified]) / probes for name in verified[0]}
    size = pair.model.param_leaves.size
    return Cost(size, len(program.properties), program.evaluator.rows, probes, unit, stages)


def spread(values: np.ndarray) -> str:
    """Median, and the range."""
    return f"{statistics.median(values):.0f} ({values.min():.0f} to {values.max():.0f})"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--sizes", default="1e4,1e5,1e6", show_default=True, help="Numbers of parameters, separated by commas.")
@click.option("--repeats", type=click.IntRange(1), default=7, show_default=True)
@click.option("--evaluator", type=click.Choice(["numpy", "xla"]), default="numpy", show_default=True)
def main(*, sizes: str, repeats: int, evaluator: Choice) -> None:
    """Measure and print; the exit code is 1 where the median is above 100 gradient evaluations."""
    costs = [cost(network(float(size)), repeats, evaluator) for size in sizes.split(",")]
    for i, clock in enumerate(CLOCKS):
        click.echo(f"{clock} time, medians (ranges) of {repeats} repetitions")
        for c in costs:
            unit = statistics.median(c.gradient[:, i])
            stages = ", ".join(f"{name} {statistics.median(s[:, i]) / unit:.0f}" for name, s in c.stages.items())
            click.echo(
                f"  {c.parameters:,} parameters: {c.properties} properties with floors at one probe cost "
                f"{spread(c.ratio[:, i])} gradients ({stages}); a gradient takes {1e3 * unit:.2f} ms, "
                f"verifying {1e9 * statistics.median(c.total[:, i]) / c.parameters:,.0f} ns for each parameter "
                f"({c.probes} probes a batch, {c.rows} rows a call)"
            )
    growth(costs)
    if any(statistics.median(c.ratio[:, 0]) > ALLOWED for c in costs):
        raise SystemExit(1)


def growth(costs: list[Cost]) -> None:
    """The exponent of time ~ parameters^exponent between the sizes, CPU time: 1 is linear."""
    for small, large in pairwise(costs):
        times = np.log(statistics.median(large.total[:, 1]) / statistics.median(small.total[:, 1]))
        exponent = times / np.log(large.parameters / small.parameters)
        click.echo(
            f"from {small.parameters:,} to {large.parameters:,} parameters, CPU time ~ parameters^{exponent:.2f}"
        )


if __name__ == "__main__":
    main()
