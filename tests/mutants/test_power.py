"""Every property can fail: a few mutants that between them are falsified by all that is no mere consequence."""

from __future__ import annotations

import pytest

from benchmarks.power import trial
from eqprop.properties import CORE, LIBRARY
from eqprop.registry import entry

TRIALS = (
    ("odd-mirror", "wrong-inverse-in-w-out"),
    ("relu-rescaling", "mixes-logarithm-of-w-in"),
    ("linear-gl", "scales-gradient-of-w-in"),
    ("linear-gl", "scales-all-gradients"),
    ("linear-gl", "turns-gradient"),
    ("linear-gl", "turns-sensitivities"),
    ("batchnorm-scale-near", "understates-defect"),
    ("batchnorm-scale-near", "turns-gradient"),
)
ALONE = {
    ("relu-rescaling", "twists-w-in"): "third-order",
    ("relu-rescaling", "slides-along-orbit"): "bracket",
    ("relu-rescaling", "mixes-logarithm-of-w-in"): "data-sensitivity",
    ("relu-rescaling", "misstates-charge"): "charge-form",
    ("relu-rescaling", "claims-isometry"): "tangent-kernel-covariance",
}
"""Mutants that one property catches and no other."""

COVARIANT_IN_A_PERMUTATION = {
    "scales-all-gradients": {"derivative", "input-derivative"},
    "scales-tensors-apart": {"derivative"},
    "masks-small-entries": {"derivative"},
    "scales-cotangent-of-inputs": {"input-derivative"},
    "turns-gradient": {"hessian-symmetry"},
    "turns-sensitivities": {"mixed-covariance"},
}

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


def test_what_bends_alike_is_seen_by_integrals_of_the_second_derivative_alone():
    found = trial(entry("neuron-permutation"), entry("neuron-permutation").mutant("bends-alike-in-w-in"))
    assert found.killers == {"averaged-hessian", "hessian-integral"}


def test_integrals_alone_of_first_order_see_what_every_permutation_carries_along():
    found = trial(entry("neuron-permutation"), entry("neuron-permutation").mutant("straight-through-alike-in-w-in"))
    of_first_order = {p.name for p in LIBRARY if p.order < 2 and p.name in found.killers}
    assert of_first_order == {"derivative", "averaged-gradient"}


@pytest.mark.parametrize(("mutant", "alone"), COVARIANT_IN_A_PERMUTATION.items())
def test_at_each_probe_only_the_premises_of_calculus_see_a_covariant_mutant(mutant: str, alone: set[str]):
    found = trial(entry("neuron-permutation"), entry("neuron-permutation").mutant(mutant))
    assert found.killers & {prop.name for prop in CORE} == alone
    assert found.caught
