"""Every property can fail: a few mutants that between them are falsified by all that is no mere consequence."""

from __future__ import annotations

import pytest

from benchmarks.power import trial
from eqprop.properties import CORE, LIBRARY
from eqprop.registry import entry

TRIALS = (("odd-mirror", "wrong-inverse-in-w-out"), ("linear-gl", "scales-gradient-of-w-in"))
ALONE = {
    ("neuron-permutation", "bends-alike-in-w-in"): "averaged-hessian",
    ("relu-rescaling", "twists-w-in"): "third-order",
    ("relu-rescaling", "slides-along-orbit"): "bracket",
    ("relu-rescaling", "misstates-charge"): "charge-form",
    ("relu-rescaling", "claims-isometry"): "tangent-kernel-covariance",
}
"""Mutants that one property catches and no other."""

pytestmark = [pytest.mark.slow, pytest.mark.checkout]


@pytest.fixture(scope="module")
def trials():
    return [trial(entry(name), entry(name).mutant(mutant)) for name, mutant in TRIALS]


def test_every_core_property_kills_a_mutant(trials):
    killed = set().union(*(t.killers for t in trials))
    assert killed >= {prop.name for prop in CORE}


def test_each_mutant_is_caught_at_its_own_order_and_not_below(trials):
    assert [t.lowest for t in trials] == [t.order for t in trials]


@pytest.mark.parametrize(("name", "mutant"), ALONE)
def test_a_mutant_is_caught_by_the_one_property_that_is_about_it(name: str, mutant: str):
    found = trial(entry(name), entry(name).mutant(mutant))
    assert found.killers == {ALONE[name, mutant]}
    assert found.caught


def test_the_average_of_the_gradient_sees_at_its_order_what_every_permutation_carries_along():
    found = trial(entry("neuron-permutation"), entry("neuron-permutation").mutant("straight-through-alike-in-w-in"))
    assert {p.name for p in LIBRARY if p.order < 2 and p.name in found.killers} == {"averaged-gradient"}
