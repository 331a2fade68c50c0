"""The entries on dense layers: every property holds, every mutant is caught at its own order and not below."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st

from eqprop import registry
from eqprop.evaluation import Program, applicable
from eqprop.losses import SQUARED_ERROR
from eqprop.mutants import Mutant
from eqprop.pair import Pair
from eqprop.properties import LIBRARY

NAMES = (
    "linear-gl",
    "relu-rescaling",
    "homogeneous-network",
    "quasi-homogeneous-network",
    "odd-mirror",
    "sigmoid-mirror",
    "gelu-mirror",
    "neuron-permutation",
)
CONTROLS = ("rescaling-through-gelu", "sign-flips-through-gelu", "permutation-forgets-bias")
# One of each order here; python -m benchmarks.power has them all.
MUTANTS = [
    (name, next(m.name for m in registry.entry(name).mutants if m.order == order))
    for name in NAMES
    for order in range(3)
]
PROBES = 32
SMALL = settings(database=None, max_examples=500, suppress_health_check=list(HealthCheck))


def drawn(pairs: st.SearchStrategy[Pair], count: int) -> list[Pair]:
    """Pairs as a search would draw them, the same at each run."""
    found: list[Pair] = []

    @seed(3)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(pairs)
    def collect(pair: Pair) -> None:
        found.append(pair)

    collect()
    return found


def smallest(pairs: st.SearchStrategy[Pair]) -> Pair:
    return find(pairs, lambda pair: True, settings=SMALL)


def falsified_orders(pair: Pair, upto: int, *, broken: bool) -> set[int]:
    """The orders up to the given one at which some property is violated, confirmed.

    Where the highest order is broken on purpose, only violations below it are confirmed under noise: that compiles.
    """
    program = Program(pair, applicable(pair, [p for p in LIBRARY if p.order <= upto]), SQUARED_ERROR)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, PROBES)
    judged = program.judge(probes, rng)
    found: set[int] = set()
    for prop in program.properties:
        suspects = np.flatnonzero(judged[prop.name].suspect)
        if not len(suspects):
            continue
        violations = suspects[program.confirmed(prop.name, probes.at(suspects), rng)]
        expected = broken and prop.order == upto
        if violations.size and (expected or program.under_noise(prop.name, probes.at(violations), rng).suspect.any()):
            found.add(prop.order)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_holds_in_every_property(name: str):
    for pair in drawn(registry.entry(name).pairs, 3):
        assert falsified_orders(pair, 2, broken=False) == set(), pair


@pytest.mark.parametrize(("name", "mutant"), MUTANTS, ids=[f"{n}-{m}" for n, m in MUTANTS])
def test_a_mutant_is_caught_at_its_own_order_and_not_below_on_the_smallest_network_that_carries_it(
    name: str, mutant: str
):
    entry = registry.entry(name)
    broken: Mutant = entry.mutant(mutant)
    assert falsified_orders(smallest(broken.of(entry.pairs)), broken.order, broken=True) == {broken.order}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_is_falsified_at_order_zero_on_every_network(name: str):
    for pair in drawn(registry.entry(name).pairs, 5):
        assert falsified_orders(pair, 0, broken=True) == {0}, pair


@pytest.mark.parametrize("name", [*NAMES, *CONTROLS])
def test_an_entry_draws_at_least_thirty_different_architectures(name: str):
    pairs = drawn(registry.entry(name).pairs, 150)
    assert len({pair.key for pair in pairs}) >= 30


@pytest.mark.parametrize("name", [*NAMES, *CONTROLS])
def test_an_entry_shrinks_to_widths_of_at_most_two(name: str):
    pair = smallest(registry.entry(name).pairs)
    assert pair.model.param_leaves.size <= 8, pair
