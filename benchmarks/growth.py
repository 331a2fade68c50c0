"""Growth: the CPU time of one evaluation against the number of rows, for every entry, or for a library's layers.

    python -m benchmarks.growth                              # every entry that is no control, walked in NumPy
    python -m benchmarks.growth --evaluator xla --match conv # compiled at level 0, once for each number of rows
    python -m benchmarks.growth --layers linen               # the layers of tests/layers in float64

Of each pair (of an entry, the largest of a few that are drawn) the sides of all core properties that apply, or of those
that are named, are evaluated at 25, 100 and 400 rows: five, twenty and eighty probes with their copies. The exponent is
that of time ~ rows^exponent between the last two: 1 is linear, and less where the rest still counts.
XLA compiles a program for each number of rows, so that fewer properties are asked of it. The fastest growth is printed
last; the exit code is 1 where it is above ``ALLOWED``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

import click
import jax
import numpy as np
from hypothesis import Phase
from hypothesis import strategies as st

from eqprop import rounding
from eqprop.claims import Pair
from eqprop.engine import separated_caches
from eqprop.evaluation import Choice, Program, applicable
from eqprop.probes import output_shapes, suitable_losses
from eqprop.profiles import PROFILES
from eqprop.properties import CORE, Property, by_name
from eqprop.registry import entries
from eqprop.search import Drawn, drive

PROBES = (5, 20, 80)
"""Each with its copies: 25, 100 and 400 rows."""

REPEATS = 3
DRAWN = 6
"""Pairs of an entry of which the largest is measured."""

ALLOWED = 1.25
"""An exponent of 1 and what busy caches add."""

COMPILED = ("equivariance", "gradient-covariance")
"""What XLA is asked for where nothing is named: forward and backward, each operation once."""

LAYERS = {"linen": "flax_linen", "nnx": "flax_nnx", "equinox": "equinox_nn", "haiku": "haiku_nn"}


@dataclass(frozen=True)
class Growth:
    """CPU seconds of one evaluation at each number of rows."""

    name: str
    parameters: int
    rows: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """Of time ~ rows^exponent between the two largest numbers of rows."""
        (few, many), (fast, slow) = self.rows[-2:], self.seconds[-2:]
        return math.log(slow / fast) / math.log(many / few)

    def line(self) -> str:
        """One row of the table."""
        times = " ".join(f"{1e3 * each:9.2f}" for each in self.seconds)
        each = 1e6 * self.seconds[-1] / self.rows[-1]
        return f"{self.name:52} {self.parameters:6} {times} {each:9.1f} {self.exponent:9.2f}"


def largest(pairs: st.SearchStrategy[Pair]) -> Pair:
    """Of a few that are drawn, the one with the most numbers in its parameters and inputs."""
    found: list[Pair] = []

    def body(structure: Drawn) -> bool:
        found.append(structure.pair)
        return False

    profile = replace(PROFILES["deep"], name="growth", examples=DRAWN)
    drive(pairs, body, profile, Phase.generate, number=0, digest="growth")
    return max(found, key=_numbers)


def _numbers(pair: Pair) -> int:
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves((pair.model.params, pair.model.inputs)))


def grown(name: str, pair: Pair, asked: Sequence[Property], evaluator: Choice) -> Growth:
    """Measure one pair."""
    loss = suitable_losses(tuple(leaf.shape for leaf in jax.tree.leaves(output_shapes(pair, "float64"))))[0]
    properties = applicable(pair, asked)
    walked = None if evaluator == "xla" else Program(pair, properties, loss, evaluator=evaluator)
    seconds = tuple(
        timed(walked or Program(pair, properties, loss, evaluator=evaluator, probes=probes), probes)
        for probes in PROBES
    )
    rows = tuple(probes * (1 + rounding.COPIES) for probes in PROBES)
    return Growth(name, pair.model.param_leaves.size, rows, seconds)


def timed(program: Program, probes: int) -> float:
    """The least CPU time of an evaluation at these probes with their copies, of a few after one that is not counted."""
    rng = np.random.default_rng(0)
    drawn = program.draw(rng, probes)
    rows = rounding.perturbed(drawn, rounding.COPIES, max(program.eps.values()), rng)
    program.evaluate(rows)
    found: list[float] = []
    for _ in range(REPEATS):
        start = time.process_time()
        program.evaluate(rows)
        found.append(time.process_time() - start)
    return min(found)


def of_entries(match: str) -> Iterator[tuple[str, Pair]]:
    """The largest drawn pair of each entry."""
    for entry in entries().values():
        if match in entry.name and not entry.control:
            yield entry.name, largest(entry.pairs)


def of_layers(library: str, match: str) -> Iterator[tuple[str, Pair]]:
    """The claims of a library's layers, in float64."""
    numbers = import_module("tests.layers.statements").NUMBERS["float64"]
    for claim, build in import_module(f"tests.layers.{LAYERS[library]}").LIBRARY.claims.items():
        if match in claim:
            yield f"{library}: {claim}", build(numbers)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--match", default="", help="Only what has this in its name.")
@click.option("--layers", type=click.Choice([*LAYERS]), help="The layers of this library instead of entries.")
@click.option("--evaluator", type=click.Choice(["numpy", "xla"]), default="numpy", show_default=True)
@click.option("--property", "names", multiple=True, help="Only this property; may be given several times.")
def main(*, match: str, layers: str | None, evaluator: Choice, names: Sequence[str]) -> None:
    """Measure and print, the slowest growth last."""
    names = names or (COMPILED if evaluator == "xla" else ())
    asked = tuple(map(by_name, names)) or CORE
    rows = " ".join(f"{probes * (1 + rounding.COPIES):6} ms" for probes in PROBES)
    click.echo(f"{evaluator}, {'all core properties' if asked == CORE else ', '.join(names)}, CPU time")
    click.echo(f"{'':52} {'params':>6} {rows} {'µs a row':>9} {'exponent':>9}")
    found: list[Growth] = []
    with separated_caches("float64"):
        for name, pair in of_layers(layers, match) if layers else of_entries(match):
            found.append(grown(name, pair, asked, evaluator))
            click.echo(found[-1].line())
    worst = max(found, key=lambda growth: growth.exponent)
    click.echo(f"\n{len(found)} measured; the fastest growth: time ~ rows^{worst.exponent:.2f} ({worst.name})")
    if worst.exponent > ALLOWED:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
