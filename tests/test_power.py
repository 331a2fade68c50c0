"""Every property can fail: a few mutants that between them are falsified by the whole library."""

from __future__ import annotations

import pytest

from benchmarks.power import trial
from eqprop.properties import LIBRARY
from eqprop.registry import entry

TRIALS = (("odd-mirror", "wrong-inverse-in-w-out"), ("linear-gl", "scales-gradient-of-w-in"))

pytestmark = [pytest.mark.slow, pytest.mark.checkout]


@pytest.fixture(scope="module")
def trials():
    return [trial(entry(name), entry(name).mutant(mutant)) for name, mutant in TRIALS]


def test_every_property_kills_a_mutant(trials):
    killed = set().union(*(t.killers for t in trials))
    assert killed == {prop.name for prop in LIBRARY}


def test_each_mutant_is_caught_at_its_own_order_and_not_below(trials):
    assert [t.lowest for t in trials] == [t.order for t in trials]
