"""A first verdict on networks of one's own: what it waits for, and how much memory it takes.

    python -m benchmarks.own                                    # 1e3 to 1e6 parameters, walked
    python -m benchmarks.own --sizes 1e5 --kinds transformer --evaluator xla
    python -m benchmarks.own --sizes 1e5 --check-grads
    python -m benchmarks.own --sizes 1e8 --kinds transformer --precision model
    python -m benchmarks.own --properties equivariance,gradient-covariance,hessian-covariance

One probe of all core properties that apply, or of those that are named, with its perturbed copies, in float64, or in
float32 as the networks are: tracing, building or compiling, and evaluating, in CPU seconds. Then what a probe costs in
a batch as a search has them, drawn and judged, in gradients of the same model (``jax.jit(jax.grad(loss))``, timed
before and after); and how many gradients' worth of products of tensors one row has: both programs are walked and
multiplications counted, loops round by round. A product may run faster than in the gradient, where BLAS takes it and
XLA has a loop.

Each network has a process of its own, so that its peak of memory is its own. Beside it, on demand,
``jax.test_util.check_grads`` of order 2 on the same loss with its default tolerances, which asks less: whether
automatic derivatives agree with differences.
"""

from __future__ import annotations

import math
import resource
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

import click
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jax.test_util import check_grads

from benchmarks import nets
from benchmarks.cost import SHORTEST, gradient
from eqprop.claims import Pair
from eqprop.engine import Precision, Reading, Walk, freed_memory_kept, separated_caches
from eqprop.evaluation import Choice, Program, applicable
from eqprop.evaluation.row import Row
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE, Property, by_name


def perceptron(parameters: float) -> Pair:
    width = max(2, round((parameters / 2) ** 0.5))
    return nets.perceptron((width, width, width, 10), batch=32)


def convolutional(parameters: float) -> Pair:
    channels = max(2, round((parameters / 36) ** 0.5))
    return nets.convolutional(channels, layers=5)


def transformer(parameters: float) -> Pair:
    """Of three layers up to 300,000 parameters, of six beyond, of twelve beyond 10 million."""
    layers = 3 if parameters <= 3e5 else 6 if parameters <= 1e7 else 12
    width = max(4, 4 * round((parameters / (12 * layers)) ** 0.5 / 4))
    return nets.transformer(width, layers, tokens=16 if layers == 3 else 64)


LONG = 20.0
"""CPU seconds: what takes longer is measured once."""

T = TypeVar("T")

KINDS: dict[str, Callable[[float], Pair]] = {
    "perceptron": perceptron,
    "convolutional": convolutional,
    "transformer": transformer,
}


@dataclass(frozen=True)
class First:
    """What one network took: CPU seconds by stage, and the peak of memory in bytes."""

    name: str
    parameters: int
    properties: int
    worst: float
    stages: dict[str, float]
    peak: int
    rows: int
    products: float
    gradients: list[float]

    def __str__(self) -> str:
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.stages.items())
        return (
            f"{self.name}, {self.parameters:,} parameters: {self.properties} properties at a first probe in "
            f"{sum(self.stages.values()):.2f} s ({stages}), peak {self.peak / 2**30:.2f} GiB; "
            f"at most {self.worst:.2g} floors\n"
            f"  a probe of {self.rows} rows in a search's batch costs "
            f"{statistics.median(self.gradients):.0f} gradients ({min(self.gradients):.0f} to "
            f"{max(self.gradients):.0f}); a row has the products of {self.products:.1f}"
        )


def first_verdict(
    kind: str, parameters: float, evaluator: Choice, precision: Precision, asked: Sequence[Property]
) -> First:
    """All of some properties that apply at one probe, stage by stage."""
    pair = KINDS[kind](parameters)
    stages: dict[str, float] = {}
    rng = np.random.default_rng(0)
    with separated_caches(precision):
        with freed_memory_kept():
            properties = timed(stages, "hypotheses", lambda: applicable(pair, asked))
            making = "building" if evaluator == "numpy" else "lowering and compiling"
            with tracing_apart(stages, making):
                program = Program(pair, properties, SQUARED_ERROR, precision, evaluator=evaluator, probes=1)
            judged = timed(stages, "evaluating", lambda: program.judge(program.draw(rng, 1), rng))
            peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            products = products_in_gradients(program.row) if evaluator == "numpy" else float("nan")
        gradients = cost_in_gradients(program, rng)
    worst = max(float(np.nanmax(found.floors)) for found in judged.values())
    size, rows = pair.model.param_leaves.size, 1 + program.copies
    return First(kind, size, len(properties), worst, stages, peak, rows, products, gradients)


@contextmanager
def tracing_apart(stages: dict[str, float], making: str) -> Generator[None]:
    """Time what is done inside: what JAX traces of the sides, and all else."""
    sides, start = Row.sides, time.process_time()
    stages["tracing"] = 0.0

    def traced(*arguments: object) -> object:
        before = time.process_time()
        found = sides(*arguments)
        stages["tracing"] += time.process_time() - before
        return found

    Row.sides = traced
    try:
        yield
    finally:
        Row.sides = sides
    stages[making] = time.process_time() - start - stages["tracing"]


def cost_in_gradients(program: Program, rng: np.random.Generator) -> list[float]:
    """CPU time of a probe, drawn and judged in a call's batch, divided by that of a gradient.

    Three times, or once where it takes long; gradients before and after, as a process has them that verifies nothing.
    """
    probes = max(1, program.evaluator.rows // (1 + program.copies))
    run = gradient(program.pair, program.draw(rng, 1).at(0))
    first = seconds_of(run)
    calls = max(3, int(SHORTEST / max(first, 1e-9)))

    def gradients() -> list[float]:
        return [seconds_of(lambda: [run() for _ in range(calls)]) / calls for _ in range(3)]

    def judged() -> float:
        return seconds_of(lambda: program.judge(program.draw(rng, probes), rng)) / probes

    before = gradients()
    with freed_memory_kept():
        found = [judged()]
        found = found if found[0] * probes > LONG else [judged() for _ in range(3)]
    unit = statistics.median(before + gradients())
    return [each / unit for each in found]


def seconds_of(work: Callable[[], object]) -> float:
    """Of CPU time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def products(function: Callable[..., object], *arguments: object) -> int:
    """The multiplications in a function's products of tensors at one row, those of convolutions included.

    It is walked, so that what is worked out once is counted once; results, of which there are as many as parameters for
    each side of each property, are let go.
    """
    found = 0

    def counted(equation: JaxprEqn, _: tuple[object, ...]) -> None:
        nonlocal found
        found += multiplications(equation)

    program = jax.make_jaxpr(function)(*arguments)
    readings = [Reading((place,), lambda _: np.zeros(1)) for place in range(len(program.jaxpr.outvars))]
    walk = Walk(program, readings, watcher=counted, ahead=True)
    walk([np.asarray(leaf)[..., None] for leaf in jax.tree.leaves(arguments)])
    return found


def multiplications(equation: JaxprEqn) -> int:
    """How many an operation of one row has, if it is a product of tensors."""
    name, (out,) = equation.primitive.name, equation.outvars[:1]
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return out.aval.size * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval
        return out.aval.size * kernel.size // kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    return 0


def products_in_gradients(row: Row) -> float:
    """The multiplications of all sides at one row, in those of a gradient of the loss."""
    probe, pair = row.draw(np.random.default_rng(0), 1).at(0), row.pair

    def loss(params: object, inputs: object, targets: object) -> object:
        return SQUARED_ERROR(pair.model.apply(pair.model.param_leaves.join(params), inputs), targets)

    return products(row.sides, probe) / products(jax.grad(loss), probe.params, probe.inputs, probe.targets)


def checked_grads(kind: str, parameters: float) -> str:
    """What ``check_grads`` of order 2 says of the same loss at drawn parameters, in float64, and its CPU seconds."""
    pair = KINDS[kind](parameters)
    stages: dict[str, float] = {}
    with jax.enable_x64(True):
        row = Row(pair, applicable(pair, CORE)[:1], SQUARED_ERROR, "float64", reverse_only=False)
        probe = row.draw(np.random.default_rng(0), 1).at(0)
        params = [jnp.asarray(leaf) for leaf in probe.params]
        targets = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), row.outputs)

        def loss(*leaves: object) -> object:
            return SQUARED_ERROR(pair.model.apply(pair.model.param_leaves.join(leaves), probe.inputs), targets)

        try:
            timed(stages, "check_grads", lambda: check_grads(loss, params, order=2))
            said = "passes"
        except AssertionError as error:
            said = f"fails: {str(error).strip().splitlines()[-1].strip()}"
    seconds = f" in {stages['check_grads']:.2f} s" if stages else ""
    return f"  jax.test_util.check_grads of order 2{seconds}: {said}"


def timed(stages: dict[str, float], name: str, work: Callable[[], T]) -> T:
    start = time.process_time()
    found = work()
    stages[name] = time.process_time() - start
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--sizes", default="1e3,1e4,1e5,1e6", show_default=True, help="Numbers of parameters.")
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="Networks.")
@click.option("--properties", default="", help="Which to judge; by default all core properties.")
@click.option("--evaluator", type=click.Choice(["numpy", "xla"]), default="numpy", show_default=True)
@click.option("--precision", type=click.Choice(["float64", "model"]), default="float64", show_default=True)
@click.option("--check-grads", is_flag=True, help="Ask jax.test_util.check_grads, too.")
def main(
    *, sizes: str, kinds: str, properties: str, evaluator: Choice, precision: Precision, check_grads: bool
) -> None:
    """Measure and print, a network at a time."""
    asked = tuple(map(by_name, properties.split(","))) if properties else CORE
    context = get_context("spawn")
    for size in map(float, sizes.split(",")):
        for kind in kinds.split(","):
            with ProcessPoolExecutor(1, mp_context=context) as alone:
                click.echo(str(alone.submit(first_verdict, kind, size, evaluator, precision, asked).result()))
            if check_grads:
                with ProcessPoolExecutor(1, mp_context=context) as alone:
                    click.echo(alone.submit(checked_grads, kind, size).result())


if __name__ == "__main__":
    main()
