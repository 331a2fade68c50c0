"""Choices: architectures of each entry in which every two drawn choices meet; a claim must hold on all of them.

    python -m benchmarks.choices                     # 400 draws of each entry
    python -m benchmarks.choices --match joint --draws 2000
    python -m benchmarks.choices --properties core   # or library; the premises alone by default

``soak.py`` judges many probes on few architectures. What is wrong for some architectures (with a residual connection,
which is drawn where two widths happen to be equal) takes many of them, and few probes of each. Of those that are drawn
a few are judged in which all pairs of choices meet that met in any (all-pairs testing, chosen greedily). The exit code
is 1 where a violation is confirmed.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Hashable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations

import click
from hypothesis import Phase, given, seed, settings

from benchmarks.soak import Count, claims, judge, told
from eqprop import Pair
from eqprop.engine import freed_memory_kept, separated_caches
from eqprop.evaluation import applicable
from eqprop.properties import CORE, LIBRARY
from eqprop.registry import entries
from eqprop.search import Drawn

PROBES = 16
"""Of each architecture: what is wrong with a claim is wrong nearly everywhere."""

Meeting = frozenset[tuple[str, Hashable]]
"""Two choices of an architecture."""

PREMISES = tuple(prop for prop in CORE if prop.order == 0)
ASKED = {"premises": PREMISES, "core": CORE, "library": LIBRARY}


def drawn(name: str, draws: int, number: int) -> list[Pair]:
    """The distinct pairs among so many draws of an entry."""
    found: dict[Hashable, Pair] = {}

    @seed(number)
    @settings(max_examples=draws, database=None, deadline=None, phases=[Phase.generate])
    @given(entries()[name].pairs)
    def collect(pair: Pair) -> None:
        found.setdefault(pair.key, pair)

    collect()
    return list(found.values())


def meetings(pair: Pair) -> set[Meeting]:
    """All pairs of choices in an architecture; where there is one choice, that."""
    choices = list(pair.architecture.items())
    return {frozenset(two) for two in combinations(choices, min(2, len(choices)))}


def covering(pairs: Iterable[Pair]) -> list[Pair]:
    """A few of the pairs in which all choices meet that meet in any, those with the most new ones first."""
    left = {id(pair): (pair, meetings(pair)) for pair in pairs}
    chosen: list[Pair] = []
    while left:
        best, new = max(left.values(), key=lambda each: len(each[1]))
        if not new:
            return chosen or [best]
        chosen.append(best)
        left = {key: (pair, rest - new) for key, (pair, rest) in left.items() if pair is not best}
    return chosen


def of_entry(name: str, *, draws: int, number: int, asked: str) -> Count:
    """Judge an entry at architectures in which every two choices meet."""
    start = time.perf_counter()
    pairs = covering(drawn(name, draws, number))
    count = Count(name, PROBES * len(pairs))
    with separated_caches("float64"), freed_memory_kept():
        for i, pair in enumerate(pairs):  # losses take turns
            judge(count, Drawn(pair, i, number), applicable(pair, ASKED[asked]), PROBES)
            count.architectures.add(pair.key)
    count.worst = max(count.worst_at.values(), default=0.0)
    count.seconds = time.perf_counter() - start
    return count


@click.command()
@click.option("--draws", type=click.IntRange(1), default=400, show_default=True, help="Of each entry.")
@click.option("--match", default="", help="Only entries whose name contains this.")
@click.option("--properties", "asked", type=click.Choice(list(ASKED)), default="premises", show_default=True)
@click.option("--seed", "number", default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
def main(*, draws: int, match: str, asked: str, number: int, jobs: int) -> None:
    """Judge every entry that is no negative control at many architectures, and print what was found."""
    names = [entry.name for entry in claims(match)]
    context = multiprocessing.get_context("spawn")  # JAX's threads do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        counts = pool.map(partial(of_entry, draws=draws, number=number, asked=asked), names)
        found = told(counts, f"{len(names)} entries, {draws} draws, seed {number}, {jobs} jobs")
    if any(count.falsified for count in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
