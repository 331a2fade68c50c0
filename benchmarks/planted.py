"""Sensitivity: a small relative error in one tensor, and which of the properties that it touches find it.

    python -m benchmarks.planted                  # every entry, float64 and float32
    python -m benchmarks.planted --match rope-qk

Each entry's pairs get one of three defects in the first tensor that K moves: K moves it too far (order 0), its
derivative is scaled (order 1), its second derivative is bent (order 2). A property is *touched* by a defect where it is
falsified at a size of one half, and must *find* it at 1e-9 in float64 and at 1e-3 in float32, within five
architectures and at most 64 probes a batch, as in the kill matrix.

``orbit-curvature`` of a commutative group is touched to second order only: with k' = k + δm its residual is
δ·k_η⟨∇L, m_ξ⟩, and ⟨∇L, m_ξ⟩ is constant along the orbit where m commutes with k. A residual of 1e-18 is not there to
be found.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import click
import jax
import numpy as np

from benchmarks.power import ARCHITECTURES, PROFILE
from eqprop.claims import Pair
from eqprop.engine import Precision, persistent_cache
from eqprop.errors import InvalidInput
from eqprop.mutants import Mutant, scaled_gradient, second_derivative, slips
from eqprop.properties import CORE
from eqprop.registry import Entry, entries
from eqprop.search import Options, Search, SearchTask

GROSS = 0.5
SIZES: dict[str, float] = {"float64": 1e-9, "float32": 1e-3}
DEFECTS = (slips, scaled_gradient, second_derivative)
"""Of order 0, 1 and 2; each takes a path and a size."""


@dataclass(frozen=True)
class Cell:
    """One defect of one entry in one dtype."""

    entry: str
    order: int
    dtype: str


@dataclass(frozen=True)
class Planted:
    """Which properties one defect touches, and which find it when it is small."""

    cell: Cell
    touched: frozenset[str]
    found: frozenset[str]

    @property
    def missed(self) -> list[str]:
        """The properties that are touched and find nothing, in the library's order."""
        return [p.name for p in CORE if p.name in self.touched - self.found]


def first_moved(pair: Pair) -> str:
    """The path of the first tensor that K changes at the example parameters."""
    leaves, rng = pair.model.param_leaves, np.random.default_rng(0)
    element = pair.transformation.group.sample(rng, 1.0)
    before = leaves.split(pair.model.params)
    after = leaves.split(pair.transformation.on_params(element, pair.model.params))
    for path, a, b in zip(leaves.float_paths, before, after, strict=True):
        if not np.array_equal(a, b):
            return path
    msg = f"{pair.name}: {element!r} moves no tensor."
    raise InvalidInput(msg)


def planted(pair: Pair, order: int, size: float, dtype: str) -> Pair | None:
    """The pair with a defect of this order and size, its example numbers in a dtype."""
    mutant: Mutant = DEFECTS[order](first_moved(pair), size)
    broken = mutant.broken(pair)
    if broken is None or dtype == "float64":
        return broken
    model = broken.model
    return broken.replaced(model=replace(model, params=_cast(model.params, dtype), inputs=_cast(model.inputs, dtype)))


def _cast(tree: Any, dtype: str) -> Any:
    def cast(leaf: Any) -> np.ndarray:
        leaf = np.asarray(leaf)
        return leaf.astype(dtype) if np.issubdtype(leaf.dtype, np.floating) else leaf

    return jax.tree.map(cast, tree)


def falsified(entry: Entry, order: int, size: float, dtype: str) -> frozenset[str]:
    """The properties that a search over a few architectures falsifies."""
    pairs = entry.pairs.map(lambda pair: planted(pair, order, size, dtype)).filter(lambda pair: pair is not None)
    precision: Precision = "float64" if dtype == "float64" else "model"
    search = Search(
        SearchTask(f"{entry.name}-{order}-{size}", pairs), Options(PROFILE, precision=precision, properties=CORE)
    )  # pyright: ignore[reportArgumentType]
    search.explore()
    search.expect_evaluated()
    return frozenset(search.gathered.violations)


def measured(cell: Cell) -> Planted:
    """One cell in a worker process."""
    entry = entries()[cell.entry]
    with persistent_cache():
        touched, found = (falsified(entry, cell.order, size, cell.dtype) for size in (GROSS, SIZES[cell.dtype]))
    return Planted(cell, touched, found)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--match", default="", help="Only entries whose name contains this.")
@click.option("--dtype", type=click.Choice(list(SIZES)), multiple=True, default=list(SIZES), show_default=True)
@click.option("--jobs", default=os.cpu_count(), show_default=True, help="Worker processes.")
def main(*, match: str, dtype: tuple[str, ...], jobs: int) -> None:
    """Print, for every entry, defect and dtype, how many of the properties that are touched find the small defect."""
    names = [name for name, entry in entries().items() if match in name and not entry.control]
    cells = [Cell(name, order, kind) for kind in dtype for name in names for order in range(len(DEFECTS))]
    found: list[Planted] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for row in pool.map(measured, cells):
            cell, missed = row.cell, f"; not by {', '.join(row.missed)}" if row.missed else ""
            counted = f"{len(row.touched & row.found)} of {len(row.touched)} properties"
            size = f"{SIZES[cell.dtype]:g} in {cell.dtype}"
            click.echo(f"{cell.entry}, {size}, order {cell.order}: found by {counted}{missed}")
            found.append(row)
    click.echo()
    for kind in dtype:
        rows = [row for row in found if row.cell.dtype == kind]
        touched, missed = sum(len(row.touched) for row in rows), sum(len(row.missed) for row in rows)
        idle = sum(not row.touched for row in rows)
        click.echo(
            f"{kind}: an error of {SIZES[kind]:g} in one tensor is found within {ARCHITECTURES} architectures in "
            f"{touched - missed} of {touched} cases (property × defect); {idle} of {len(rows)} defects touch nothing"
        )


if __name__ == "__main__":
    main()
