"""Soak: many random probes over the whole catalog, extremes included; correct code must not be falsified by any.

    python -m benchmarks.soak                        # 100,000 probes
    python -m benchmarks.soak --probes 1000000 --per-architecture 2048
    python -m benchmarks.soak --probes 2000 --match relu --jobs 1
    python -m benchmarks.soak --conjugates           # likewise, each pair in other coordinates of its parameters

A probe is one point (parameters, inputs, group elements, tangents, targets) at which all core properties that apply to
the pair are judged, floors included; of every fourth batch an eighth of the probes go to the costly ones instead.
Probes come from the same sampling as in a search: all families of parameters, badly scaled ones included, and reaches
up to the groups' extremes take turns. A probe counts as inconclusive, or as vacuous, where any of its properties is (a
costly property that claims nothing at a point does not make it vacuous). The exit code is 1 where a violation is
confirmed or more than 2 % are inconclusive.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial

import click
import jax
import numpy as np
from hypothesis import Phase

from eqprop.engine import freed_memory_kept, persistent_cache, separated_caches
from eqprop.evaluation import Program, applicable, fresh_perturbations, rounding_inside
from eqprop.probes import Probe, output_shapes
from eqprop.profiles import PROFILES
from eqprop.properties import CORE, LIBRARY, Property
from eqprop.registry import Entry, entries
from eqprop.rounding import Judgement
from eqprop.search import Drawn, drive
from eqprop.strategies.conjugates import conjugates

PER_ARCHITECTURE = 512
COSTLY_PART, COSTLY_EVERY = 8, 4
"""Of each fourth batch this part of the probes goes to the costly properties."""

PROBES_A_CALL = 64

COSTLY = tuple(prop for prop in LIBRARY if prop.costly)
CORE_NAMES = frozenset(prop.name for prop in CORE)
ALLOWED_INCONCLUSIVE = 0.02
LOOKED_AT_ONCE = 8
"""Followed up together: each brings many copies."""

NEAR = 0.1
"""From this part of the margin on a residual is looked at more closely."""

SPARE = 3
"""Structures drawn for each one that is probed: hypothesis repeats itself, and new architectures come first."""


@dataclass
class Count:
    """What the probes of one entry said. Plain data: it travels between processes."""

    entry: str
    wanted: int
    probes: int = 0
    batches: int = 0
    inconclusive: int = 0
    vacuous: int = 0
    falsified: int = 0
    worst: float = 0.0
    seconds: float = 0.0
    architectures: set[Hashable] = field(default_factory=set[Hashable])
    judged_at: Counter[str] = field(default_factory=Counter[str])
    inconclusive_at: Counter[str] = field(default_factory=Counter[str])
    vacuous_at: Counter[str] = field(default_factory=Counter[str])
    worst_at: dict[str, float] = field(default_factory=dict[str, float])
    details: list[str] = field(default_factory=list[str])

    @property
    def passed(self) -> bool:
        """Whether every wanted probe was judged, none is falsified, and few enough are inconclusive."""
        settled = self.falsified == 0 and self.inconclusive <= ALLOWED_INCONCLUSIVE * self.probes
        return settled and self.probes >= self.wanted

    def line(self) -> str:
        """One row of the table."""
        rates = f"{percent(self.inconclusive, self.probes)} {percent(self.vacuous, self.probes)}"
        row = f"{self.entry:32} {self.probes:8} {len(self.architectures):6} {self.falsified:10} {rates}"
        return f"{row} {self.worst:8.2g} {self.seconds:8.1f}"


HEADER = (
    f"{'entry':32} {'probes':>8} {'archs':>6} {'falsified':>10} {'inconcl.':>9} {'vacuous':>9} {'floors':>8} {'s':>8}"
)


def percent(part: int, whole: int) -> str:
    """A rate, nine characters wide."""
    return f"{100 * part / whole:8.3f}%" if whole else f"{'-':>9}"


def soak(
    name: str, probes: int, seed: int, per_architecture: int = PER_ARCHITECTURE, *, conjugated: bool = False
) -> Count:
    """Judge this many probes of one entry, on a fresh architecture for each batch as long as hypothesis finds any.

    With ``conjugated`` each pair is seen in other coordinates (``eqprop.strategies.conjugates``).
    """
    start = time.perf_counter()
    count = Count(name, probes)
    batches = -(-probes // per_architecture)
    repeats_left = (SPARE - 1) * batches

    def body(structure: Drawn) -> bool:
        nonlocal repeats_left
        known = structure.pair.key in count.architectures
        repeats_left -= known
        if count.probes < probes and not (known and repeats_left > 0):
            batch(count, structure, min(per_architecture, probes - count.probes))
        return False

    profile = replace(PROFILES["deep"], name="soak", examples=SPARE * batches)
    with separated_caches("float64"), persistent_cache(), freed_memory_kept():
        pairs = conjugates(entries()[name]) if conjugated else entries()[name].pairs
        drive(pairs, body, profile, Phase.generate, number=seed, digest=f"soak/{name}")
    count.seconds = time.perf_counter() - start
    return count


def batch(count: Count, structure: Drawn, probes: int) -> None:
    """Judge a batch of probes on one structure: most of them with the core, some of every fourth with the others."""
    core, costly = (applicable(structure.pair, asked) for asked in (CORE, COSTLY))
    part = probes // COSTLY_PART if costly and count.batches % COSTLY_EVERY == 1 else 0
    count.batches += 1
    for properties, some in ((core, probes - part), (costly, part)):
        if some > 0:
            judge(count, structure, properties, some)
    count.worst = max(count.worst_at.values(), default=0.0)
    count.architectures.add(structure.pair.key)


def judge(count: Count, structure: Drawn, properties: Sequence[Property], probes: int) -> None:
    """Judge some properties at fresh probes on one structure."""
    pair = structure.pair
    shapes = jax.tree.leaves(output_shapes(pair, "float64"))
    loss = structure.loss(tuple(leaf.shape for leaf in shapes))
    program = Program(pair, properties, loss, probes=min(probes, PROBES_A_CALL))
    rng = np.random.default_rng(structure.seed)
    drawn = program.draw(rng, probes)
    inconclusive, vacuous, falsified = (np.zeros(probes, dtype=bool) for _ in range(3))
    for name, judged in program.judge(drawn, rng).items():
        found = settled(program, name, drawn, judged, rng)
        count.details += [described(structure, program, name, judged, i) for i in np.flatnonzero(found.falsified)[:1]]
        count.worst_at[name] = max(count.worst_at.get(name, 0.0), found.worst)
        count.judged_at[name] += probes
        count.inconclusive_at[name] += int(found.inconclusive.sum())
        count.vacuous_at[name] += int(judged.vacuous.sum())
        inconclusive |= found.inconclusive
        vacuous |= judged.vacuous & (name in CORE_NAMES)
        falsified |= found.falsified
    count.probes += probes
    count.inconclusive += int(inconclusive.sum())
    count.vacuous += int(vacuous.sum())
    count.falsified += int(falsified.sum())


@dataclass(frozen=True)
class Settled:
    """What is left of a batch's suspicions about one property."""

    falsified: np.ndarray
    inconclusive: np.ndarray
    worst: float


def settled(program: Program, name: str, probes: Probe, judged: Judgement, rng: np.random.Generator) -> Settled:
    """Follow up every suspicion as a search does: with many fresh perturbations, then with rounding inside the program.

    What comes near the margin is looked at with rounding inside, too: the worst residual in floors is that of the last
    judgement of each conclusive probe, and without it would say how far perturbations of the inputs can be off.
    """
    now = judged
    near = np.flatnonzero((judged.floors > NEAR * judged.bar.margin) & ~judged.inconclusive & ~judged.vacuous)
    for which, look in ((np.flatnonzero(judged.suspect), fresh_perturbations), (near, rounding_inside)):
        for start in range(0, which.size, LOOKED_AT_ONCE):
            some = which[start : start + LOOKED_AT_ONCE]
            now = now.replaced(some, look(program, name, probes.at(some), rng))
    inconclusive = np.where(judged.suspect, now.inconclusive, judged.inconclusive)
    conclusive = ~inconclusive & ~judged.vacuous
    return Settled(judged.suspect & now.suspect, inconclusive, float(np.max(now.floors[conclusive], initial=0.0)))


def described(structure: Drawn, program: Program, name: str, judged: Judgement, index: int) -> str:
    """Where a violation was found: enough to draw it again."""
    leaf = int(judged.worst_leaf[index])
    return (
        f"{name} at {program.layouts[name].names[leaf]}: residual {judged.residual[index, leaf]:.3e}, "
        f"floor {judged.floor[index, leaf]:.3e} ({judged.floors[index]:.0f} floors), "
        f"size {judged.size[index, leaf]:.3e}; loss {program.loss.name}, seed {structure.seed}, probe {index} of "
        f"{judged.finite.size}; {structure.pair!r}"
    )


def quotas(found: list[Entry], probes: int) -> dict[str, int]:
    """How many probes each entry gets: an equal part, the first ones one more where it does not come out even."""
    share, rest = divmod(probes, len(found))
    return {entry.name: share + (i < rest) for i, entry in enumerate(found)}


def counts_of(
    wanted: dict[str, int], *, seed: int, jobs: int, per_architecture: int = PER_ARCHITECTURE, conjugated: bool = False
) -> Iterator[Count]:
    """Soak every entry, each in a worker process of its own choosing; counts come as they are finished."""
    context = multiprocessing.get_context("spawn")  # JAX's threads do not survive a fork
    with ProcessPoolExecutor(min(jobs, len(wanted)), mp_context=context) as pool:
        run = partial(soak, seed=seed, per_architecture=per_architecture, conjugated=conjugated)
        futures = {pool.submit(run, name, probes): name for name, probes in wanted.items() if probes}
        for future in as_completed(futures):
            if error := future.exception():
                pool.shutdown(wait=False, cancel_futures=True)  # said now, not when all others are through
                error.add_note(f"The soak of {futures[future]} failed.")
                raise error
            yield future.result()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--probes", type=click.IntRange(1), default=100_000, show_default=True, help="Over all entries.")
@click.option("--match", default="", help="Only entries whose name contains this.")
@click.option("--seed", default=0, show_default=True)
@click.option("--per-architecture", type=click.IntRange(1), default=PER_ARCHITECTURE, show_default=True, help="Probes.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
@click.option("--conjugates", "conjugated", is_flag=True, help="Each pair in other coordinates of its parameters.")
def main(*, probes: int, match: str, seed: int, per_architecture: int, jobs: int, conjugated: bool) -> None:
    """Probe every entry that is no negative control, and print what was found."""
    found = claims(match)
    wanted = quotas(found, probes)
    counts = counts_of(wanted, seed=seed, jobs=jobs, per_architecture=per_architecture, conjugated=conjugated)
    if not all(count.passed for count in told(counts, f"{len(found)} entries, seed {seed}, {jobs} jobs")):
        raise SystemExit(1)


def claims(match: str) -> list[Entry]:
    """The entries that are no negative controls and whose names contain this.

    Raises:
        click.ClickException: where there is none.
    """
    found = [entry for entry in entries().values() if match in entry.name and not entry.control]
    if not found:
        msg = f"no entry of the catalog that is no control contains {match!r}"
        raise click.ClickException(msg)
    return found


def told(counts: Iterable[Count], how: str) -> list[Count]:
    """The counts, printed as they come and summed up."""
    start = time.perf_counter()
    click.echo(f"{HEADER}  ({how})")
    found: list[Count] = []
    for count in counts:
        found.append(count)
        click.echo(count.line())
        for detail in count.details:
            click.echo(f"  FALSIFIED {count.entry}: {detail}")
    summary(found, time.perf_counter() - start)
    return found


def summary(counts: list[Count], seconds: float) -> None:
    """The rates of each property that was judged, the entries that do not pass, and the total."""
    click.echo(f"\n{'property':32} {'probes':>8} {'inconcl.':>9} {'vacuous':>9} {'floors':>8}")
    for prop in LIBRARY:
        judged, unsettled, empty = (
            sum(getattr(count, part)[prop.name] for count in counts)
            for part in ("judged_at", "inconclusive_at", "vacuous_at")
        )
        if not judged:
            continue
        worst = max((count.worst_at.get(prop.name, 0.0) for count in counts), default=0.0)
        click.echo(f"{prop.name:32} {judged:8} {percent(unsettled, judged)} {percent(empty, judged)} {worst:8.2g}")
    click.echo()
    for count in counts:
        if not count.passed:
            reason = f"{count.falsified} falsified, {percent(count.inconclusive, count.probes).strip()} inconclusive"
            click.echo(f"NOT PASSED {count.entry}: {reason}, {count.probes} of {count.wanted} probes")
    probes, falsified, unsettled = (
        sum(getattr(count, part) for count in counts) for part in ("probes", "falsified", "inconclusive")
    )
    judgements, architectures = sum(c.judged_at.total() for c in counts), sum(len(c.architectures) for c in counts)
    worst = max(counts, key=lambda c: c.inconclusive / max(c.probes, 1))
    click.echo(
        f"total: {probes} probes ({judgements} judgements) on {architectures} architectures of {len(counts)} entries "
        f"in {seconds:.0f} s: {falsified} falsified, {percent(unsettled, probes).strip()} inconclusive (at most "
        f"{percent(worst.inconclusive, worst.probes).strip()}, {worst.entry}); no conclusive residual above "
        f"{max(c.worst for c in counts):.2g} floors"
    )


if __name__ == "__main__":
    main()
