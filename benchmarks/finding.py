"""What ``find`` finds: beside theory on Marcotte's families, on the catalog's models, on networks without symmetries.

    python -m benchmarks.finding marcotte --count 50
    python -m benchmarks.finding catalog
    python -m benchmarks.finding none --count 300
    python -m benchmarks.finding emitted
    python -m benchmarks.finding large
    python -m benchmarks.finding transformers

The families are those of Marcotte, Gribonval & Peyré 2023 (arXiv 2307.00144), whose algorithm counts conservation laws
by generating a Lie algebra: 41 s a linear and 136 s a ReLU network, on 64 threads.
"""

from __future__ import annotations

import gc
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from benchmarks.nets import transformer
from eqprop.finding import Symmetries, covered, find
from eqprop.registry import Entry, entries
from eqprop.search import simplest

SCOPE = "outside of scope"


def chain(widths: Sequence[int], activation: Callable[[Any], Any] | None, seed: int) -> eqprop.Model:
    """Layers without biases."""
    rng = np.random.default_rng(seed)
    params = [rng.standard_normal(shape) for shape in pairwise(widths)]

    def apply(params, x):
        for place, layer in enumerate(params):
            x = x @ layer
            if activation is not None and place + 1 < len(params):
                x = activation(x)
        return x

    return eqprop.Model(apply, params, rng.standard_normal((max(widths) + 2, widths[0])), name="chain")


def balanced(widths: Sequence[int], seed: int) -> int:
    """How many of the entries of WᵢWᵢᵀ − Wᵢ₊₁ᵀWᵢ₊₁ are independent: the rank of their differentials, taken densely."""
    rng = np.random.default_rng(seed)
    layers = [rng.standard_normal(shape) for shape in pairwise(widths)]
    rows = []
    for place, (left, right) in enumerate(pairwise(layers)):
        n = left.shape[1]
        for i in range(n):
            for j in range(i, n):
                parts = [np.zeros_like(layer) for layer in layers]
                parts[place][:, i] += left[:, j]
                parts[place][:, j] += left[:, i]
                parts[place + 1][i] -= right[j]
                parts[place + 1][j] -= right[i]
                rows.append(np.concatenate([part.reshape(-1) for part in parts]))
    return int(np.linalg.matrix_rank(np.array(rows))) if rows else 0


@click.group()
def main() -> None:
    """Measure what is found."""


@main.command()
@click.option("--count", default=50, show_default=True, help="Networks of each family.")
@click.option("--seed", default=0, show_default=True)
def marcotte(*, count: int, seed: int) -> None:
    """Dimension and charges of linear chains (widths 2 to 5) and ReLU chains (widths 2 to 9), beside theory."""
    rng = np.random.default_rng(seed)
    for family, activation, widest in (("linear", None, 5), ("ReLU", jax.nn.relu, 9)):
        taken, wrong = [], []
        for number in range(count):
            widths = rng.integers(2, widest + 1, rng.integers(3, 6)).tolist()
            start = time.process_time()
            found = find(chain(widths, activation, number), prove=False)
            taken.append(time.process_time() - start)
            hidden = widths[1:-1]
            theory = (
                (sum(n * n for n in hidden), balanced(widths, number)) if activation is None else (sum(hidden),) * 2
            )
            if (found.dimension, found.charges) != theory:
                wrong.append((widths, found.dimension, found.charges, theory))
        median, worst = statistics.median(taken), max(taken)
        print(f"{family}: {count - len(wrong)} of {count} exact, {median:.2f} s of CPU time a net, {worst:.2f} at most")
        for case in wrong:
            print(f"  not as in theory: {case}")


@main.command()
@click.option("--match", default="", metavar="TEXT", help="Only entries whose name contains this.")
@click.option("--missed", is_flag=True, help="Print what was found instead, of those that are missed.")
def catalog(*, match: str, missed: bool) -> None:
    """Which entries are recovered from their model alone: what is declared lies among what is found."""
    outcomes: dict[str, list[str]] = {}
    for name, entry in entries().items():
        if match in name and entry.origin.startswith("eqprop.catalog."):
            said, found = _recovered(entry)
            outcomes.setdefault(said, []).append(name)
            print(f"{name}: {said}", flush=True)
            if missed and said == "missed" and found is not None:
                print(found.text())
    for said, names in outcomes.items():
        print(f"\n{len(names)} {said}: {', '.join(names)}")


def _recovered(entry: Entry) -> tuple[str, Any]:
    pair = simplest(entry.pairs)
    model, claim = pair.model, pair.transformation
    if pair.target is not None or claim.moves_outputs or claim.moves_inputs:
        return SCOPE, None
    bare = _bare(model, entry.name)
    found = find(bare, prove=False)
    if claim.defect is not None:
        (listed,) = covered(bare, [claim], [near.found.transformation for near in found.near])
        return f"near-symmetry, {'listed' if listed else 'not listed'}", found
    (there,) = covered(bare, [claim], [one.found.transformation for one in found.found])
    if entry.control:
        return ("false: a negative control's claim is found" if there else "control, not found"), found
    return ("recovered" if there else "missed"), found


def _bare(model: eqprop.Model, name: str) -> eqprop.Model:
    """Only what a callable says: neither the transformation nor a point of interest."""
    return eqprop.Model(model.apply, model.params, model.inputs, name=name, domain=model.domain)


@main.command()
@click.option("--match", default="", metavar="TEXT", help="Only entries whose name contains this.")
@click.option("--part", default="1/1", metavar="I/N", help="Only the I-th of N parts of these.")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Only by these properties.")
def emitted(*, match: str, part: str, properties: Sequence[str]) -> None:
    """Whether the tests that are written for the catalog's models hold, line by line, by all properties."""
    counts: Counter[str] = Counter()
    number, parts = map(int, part.split("/"))
    names = [n for n, e in entries().items() if match in n and e.origin.startswith("eqprop.catalog.")]
    for name in names[number - 1 :: parts]:
        model = _bare(simplest(entries()[name].pairs).model, name)
        found = find(model, prove=False)
        judged = judged_lines(found, model, properties)
        if set(judged.values()) - {"hold"}:
            found = find(model)  # its own proof decides what is written
            judged = judged_lines(found, model, properties)
        refuted = len(found.found) - len(found.standing)
        own = Counter({"refuted": refuted, "not written": len(found.unwritten), **Counter(judged.values())})
        counts += own
        print(f"{name}: {_counted(own)}", flush=True)
        for what in (*found.unwritten, *(f"{line}: {said}" for line, said in judged.items() if said != "hold")):
            print(f"  {what}", flush=True)
    print(f"in all: {_counted(counts)}")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {said}" for said, count in counts.items() if count) or "nothing"


def judged_lines(found: Symmetries, model: eqprop.Model, properties: Sequence[str] = ()) -> dict[str, str]:
    """What becomes of each pair of the tests that are written: its name, with ``hold``, or what is falsified."""
    pairs = written_pairs(found, model)
    said = dict.fromkeys([pair.name for pair in pairs], "hold")
    for verdict in eqprop.run(pairs, profile="quick", properties=list(properties) or None).verdicts if pairs else ():
        if verdict.outcome.value in ("falsified", "error"):
            said[verdict.pair.name] = f"{verdict.outcome.value} at {verdict.property.name}"
    return said


def written_pairs(found: Symmetries, model: eqprop.Model) -> list[eqprop.Pair]:
    """The pairs of the file of tests that ``--to`` writes, run as it stands with the model in a module of its own."""
    module = ModuleType("emitted_nets")
    module.__dict__["model"] = model
    sys.modules[module.__name__] = module
    try:
        space: dict[str, Any] = {}
        exec(compile(found.code("emitted_nets:model"), "test_symmetries.py", "exec"), space)
    finally:
        del sys.modules[module.__name__]
    return space["pairs"]


@main.command()
@click.option("--count", default=300, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the first network; the next one has the next.")
def none(*, count: int, seed: int) -> None:
    """Random networks without symmetries: each unit has an activation of its own. Counts are printed on the way."""
    gc.freeze()  # each search ends with a collection, which need not look through the libraries every time
    alarms, start = 0, time.process_time()
    for done, number in enumerate(range(seed, seed + count), 1):
        found = find(lopsided(number), prove=False, seed=number)
        if found.found:
            alarms += 1
            print(f"  network {number}: {[one.found.group for one in found.found]}", flush=True)
        if done % STEP == 0 or done == count:
            taken = time.process_time() - start
            print(f"{alarms} of {done} with a false symmetry, from {seed} on: {taken:.0f} s of CPU time", flush=True)


STEP = 250
"""Networks from one line to the next."""


def lopsided(seed: int) -> eqprop.Model:
    """A chain of layers with biases, whose units are told apart by slopes, offsets and squares of their own."""
    rng = np.random.default_rng(seed)
    widths = rng.integers(2, 6, rng.integers(3, 6)).tolist()
    params = [{"w": rng.standard_normal(shape), "b": rng.standard_normal(shape[1])} for shape in pairwise(widths)]
    activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]
    own = [rng.uniform(0.5, 1.5, (3, n)) for n in widths[1:-1]]

    def apply(params, x):
        *hidden, last = params
        for layer, (slope, offset, square) in zip(hidden, own, strict=True):
            z = x @ layer["w"] + layer["b"]
            x = activation(slope * z + offset) + 0.1 * square * z**2
        return x @ last["w"] + last["b"]

    return eqprop.Model(apply, params, rng.standard_normal((6, widths[0])), name="lopsided")


ACTIVATIONS = (jnp.tanh, jax.nn.gelu, jax.nn.relu, jax.nn.softplus, jnp.sin)


@main.command()
@click.option("--width", default=256, show_default=True)
@click.option("--layers", default=12, show_default=True)
def large(*, width: int, layers: int) -> None:
    """A transformer: what is found, CPU time and the most memory."""
    start = time.process_time()
    model = transformer(width, layers).model
    found = find(model, prove=False)
    kinds = Counter(f"{one.found.kind} {one.found.group}" for one in found.found)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{model.param_leaves.size} parameters: dimension {found.dimension}, {len(found.found)} symmetries")
    print(f"{time.process_time() - start:.0f} s of CPU time, {memory:.1f} GB at most")
    for kind, count in sorted(kinds.items()):
        print(f"  {count} of {kind}")


@main.command()
@click.argument("architectures", nargs=-1)
def transformers(*, architectures: Sequence[str]) -> None:
    """Which symmetries that released architectures are known to have are found; all of some five by default."""
    from benchmarks.released import SIZES, compared  # PyTorch and transformers are no part of the other figures

    for architecture in architectures or SIZES:
        start = time.process_time()
        rows, found = compared(architecture)
        there = sum(row.found for row in rows)
        print(f"{architecture}: {there} of {len(rows)} found, {time.process_time() - start:.0f} s of CPU time")
        for row in rows:
            print(f"  {'found' if row.found else 'not found'}: {row.symmetry}: {row.form}")
        print(f"  {len(found.found)} findings in all, dimension {found.dimension}", flush=True)


if __name__ == "__main__":
    main()
