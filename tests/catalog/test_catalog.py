"""Every entry of the catalog can fail, and it draws and shrinks as it should.

That every entry holds is for ``eqprop verify`` to show, which the gate runs; that every mutant is caught, for
``python -m benchmarks.power``, whose findings are kept and compared in test_properties_page.py. Here is one mutant of
each entry.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st

from eqprop.authoring.kills import kills
from eqprop.claims import Pair
from eqprop.evaluation import Program, applicable, fresh_perturbations, rounding_inside
from eqprop.mutants import Mutant
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE, by_name
from eqprop.registry import Entry, entries
from eqprop.search import simplest

ENTRIES = {name: entry for name, entry in entries().items() if not entry.control}
CONTROLS = {name: entry for name, entry in entries().items() if entry.control}


CAUGHT = {kill.cell: {by_name(name) for name in kill.falsified} for kill in kills()}


def by_core(entry: str, mutant: Mutant) -> bool:
    """Whether a property that is not costly catches this mutant."""
    caught = any(prop in CORE and prop.order == mutant.order for prop in CAUGHT.get((entry, mutant.name), ()))
    return caught and (entry, mutant.name) not in UNSEEN_WHEN_SMALLEST


UNSEEN_WHEN_SMALLEST = {("hyper-connection-permutation", "backward-straight-through-blocks-1-mix")}
"""The smallest network has two blocks: streams are summed behind the last, whose doubly stochastic mixture keeps their
sum, so that no output depends on it. It is caught where a third block follows (the kill matrix says by what)."""

MUTANTS = [
    pytest.param(entry, mutants[i % len(mutants)].name, id=f"{name}-{mutants[i % len(mutants)].name}")
    for i, (name, entry) in enumerate(ENTRIES.items())
    for mutants in [
        sorted((m for m in entry.mutants if by_core(name, m)), key=lambda mutant: mutant.order)
        or [m for m in entry.mutants if m.order == 0]
    ]
]
"""One of each entry, of another place in it each time, so that every order has its share; a wrong K where nothing was
measured yet."""
LARGER = {
    "transformer": 46,
    "lstm": 26,
    "recurrent": 20,
    "tied-embedding-shift": 15,
    "grouped-image": 24,
    "image-turn": 36,
    "strided-image-turn": 36,
    "latent-attention": 17,
    "attention-sinks-permutation": 12,
    "mamba2": 30,
    "hyper-connection": 22,
    "dihedral": 15,
}
"""The smallest pairs of which have more parameters: embeddings, norms, heads and a hidden layer; four gates; kernels of
three by three, or of two groups; latents with all that makes them; mixtures of two streams in two blocks; a ring of
units for a ring of numbers."""
MOST_PARAMETERS = 12
QUICK = settings(
    database=None,
    max_examples=500,
    phases=[Phase.generate, Phase.shrink],  # and not to explain: nobody reads which parts matter
    suppress_health_check=list(HealthCheck),
)
PROBES = 48

every_control = pytest.mark.parametrize("entry", CONTROLS.values(), ids=CONTROLS)


@pytest.fixture(autouse=True)
def _as_users_write_models() -> Iterator[None]:
    """Attention and norms broadcast their biases over batch and tokens."""
    with jax.numpy_rank_promotion("allow"):
        yield


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


def smallest(entry: Entry, mutant: Mutant) -> Pair:
    """The mutant of the simplest pair, or of the simplest that can carry it."""
    return mutant.broken(simplest(entry.pairs)) or find(mutant.of(entry.pairs), lambda pair: True, settings=QUICK)


def falsified_orders(pair: Pair, upto: int, *, broken: bool) -> set[int]:
    """The orders up to the given one at which some property is violated, confirmed.

    Where the highest order is broken on purpose, only violations below it are confirmed under noise: that compiles.
    """
    program = Program(pair, applicable(pair, [p for p in CORE if p.order <= upto]), SQUARED_ERROR)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, PROBES)
    judged = program.judge(probes, rng)
    found: set[int] = set()
    for prop in program.properties:
        suspects = np.flatnonzero(judged[prop.name].suspect)
        if not suspects.size:
            continue
        violations = suspects[fresh_perturbations(program, prop.name, probes.at(suspects), rng).suspect]
        expected = broken and prop.order == upto
        if violations.size and (
            expected or rounding_inside(program, prop.name, probes.at(violations), rng).suspect.any()
        ):
            found.add(prop.order)
    return found


@pytest.mark.parametrize(("entry", "mutant"), MUTANTS)
def test_a_mutant_is_caught_at_its_own_order_and_not_below_on_the_smallest_network_that_carries_it(
    entry: Entry, mutant: str
):
    broken = entry.mutant(mutant)
    assert falsified_orders(smallest(entry, broken), broken.order, broken=True) == {broken.order}


@every_control
def test_a_control_is_falsified_at_order_zero_on_every_network(entry: Entry):
    for pair in drawn(entry.pairs, 2):
        assert falsified_orders(pair, 0, broken=True) == {0}, pair


@pytest.mark.parametrize("entry", entries().values(), ids=entries())
def test_an_entry_draws_at_least_twenty_different_architectures(entry: Entry):
    # Most have them among the first thirty draws.
    assert any(len({pair.key for pair in drawn(entry.pairs, count)}) >= 20 for count in (30, 60))


@pytest.mark.parametrize("entry", entries().values(), ids=entries())
def test_an_entry_shrinks_to_a_model_of_a_few_parameters(entry: Entry):
    most = next((most for start, most in LARGER.items() if entry.name.startswith(start)), MOST_PARAMETERS)
    assert simplest(entry.pairs).model.param_leaves.size <= most


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_has_mutants_of_every_order(entry: Entry):
    assert {mutant.order for mutant in entry.mutants} >= {0, 1, 2}


@settings(max_examples=100, database=None, phases=[Phase.generate])
@given(ENTRIES["joint-rotation"].pairs)
def test_nothing_carries_turned_inputs_past_the_layer_that_is_turned_with_them(pair: Pair):
    assert not pair.architecture["residual"]
