"""The families of Marcotte et al. 2023 and the catalog, as ``benchmarks.finding`` measures them."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import finding
from benchmarks.finding import balanced, chain, judged_lines, lopsided, main
from eqprop.finding import find

pytestmark = pytest.mark.checkout


@pytest.mark.parametrize("widths", [(2, 5, 2), (4, 2, 5, 2, 4), (3, 3), (1, 5, 1)], ids=str)
def test_linear_chains_have_the_dimension_and_the_charges_of_theory(widths):
    found = find(chain(widths, None, 0), prove=False)
    assert (found.dimension, found.charges) == (sum(n * n for n in widths[1:-1]), balanced(widths, 0))


def test_independent_charges_of_two_linear_layers_are_those_that_are_published():
    for n, r, m in ((2, 5, 2), (3, 2, 4), (2, 4, 1), (1, 3, 1)):
        both = n + m
        expected = r * (r + 1) // 2 if both >= r else both * r - both * (both - 1) // 2
        assert balanced((n, r, m), 0) == expected


@pytest.mark.slow
@pytest.mark.parametrize("family", ["linear", "relu"])
def test_all_of_fifty_chains_are_as_in_theory(family):
    rng = np.random.default_rng(1)
    widest = 5 if family == "linear" else 9
    for seed in range(50):
        widths = rng.integers(2, widest + 1, rng.integers(3, 6)).tolist()
        found = find(chain(widths, None if family == "linear" else jax.nn.relu, seed), prove=False)
        hidden = widths[1:-1]
        linear = sum(n * n for n in hidden), balanced(widths, seed)
        assert (found.dimension, found.charges) == (linear if family == "linear" else (sum(hidden),) * 2), widths


def test_a_claim_up_to_a_bound_is_looked_for_among_near_symmetries():
    said = CliRunner().invoke(main, ["catalog", "--match", "layernorm-scale-near"], catch_exceptions=False).output
    assert said.splitlines()[0] == "layernorm-scale-near: near-symmetry, listed"


@pytest.mark.slow
def test_the_catalog_is_recovered_from_its_models_alone():
    said = CliRunner().invoke(main, ["catalog"], catch_exceptions=False).output.splitlines()
    assert sum(line.endswith(": recovered") for line in said) >= 95
    assert not [line for line in said if line.endswith(": missed")]
    assert not [line for line in said if "a negative control's claim is found" in line]


def test_the_tests_that_are_written_hold_line_by_line():
    model = chain((2, 3, 2), jax.nn.relu, 0)
    assert judged_lines(find(model, prove=False), model, ["equivariance"]) == {
        "chain/scaling": "hold",
        "chain/permutation": "hold",
    }


def test_a_line_that_is_false_of_the_model_is_named_with_what_it_breaks():
    linear = find(chain((2, 3, 2), None, 0), prove=False)
    assert judged_lines(linear, chain((2, 3, 2), jax.nn.relu, 0), ["equivariance"]) == {
        "chain/linear": "falsified at equivariance"
    }


def counted_without(monkeypatch, network, *arguments):
    """What is printed of some networks, with a line for every second one."""
    monkeypatch.setattr(finding, "STEP", 2)
    monkeypatch.setattr(finding, "lopsided", network)
    said = CliRunner().invoke(main, ["none", *arguments], catch_exceptions=False).output
    return re.sub(r": \d+ s of CPU time", "", said).splitlines()


def test_networks_without_symmetries_are_counted_on_the_way(monkeypatch):
    assert counted_without(monkeypatch, finding.lopsided, "--count", "3", "--seed", "7") == [
        "0 of 2 with a false symmetry, from 7 on",
        "0 of 3 with a false symmetry, from 7 on",
    ]


def test_a_network_in_which_something_is_found_is_named(monkeypatch):
    def network(seed):
        return chain((2, 3, 2), jax.nn.relu if seed == 8 else lambda z: jax.nn.gelu(z * np.arange(1, 4)), seed)

    assert counted_without(monkeypatch, network, "--count", "2", "--seed", "7") == [
        "  network 8: ['R₊^3, powers 1, -1', 'S_3']",
        "1 of 2 with a false symmetry, from 7 on",
    ]


def test_networks_without_symmetries_differ_from_each_other():
    shapes = {str(jax.tree.map(np.shape, lopsided(seed).params)) for seed in range(40)}
    assert len(shapes) > 20
    again, once = lopsided(3), lopsided(3)
    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_array_equal(*(np.asarray(m.apply(m.params, m.inputs)) for m in (again, once)))


@pytest.mark.slow
def test_what_is_written_for_the_catalog_holds_and_is_nearly_all_that_is_found():
    said = CliRunner().invoke(main, ["emitted"], catch_exceptions=False).output.splitlines()[-1]
    counts = {outcome: int(count) for count, outcome in re.findall(r"(\d+) ([^,]+)", said)}
    assert set(counts) <= {"hold", "not written"}
    assert counts["hold"] >= 0.95 * sum(counts.values())


@pytest.mark.slow
def test_what_released_architectures_have_is_found_from_the_callable_alone():
    pytest.importorskip("transformers")
    said = CliRunner().invoke(main, ["transformers"], catch_exceptions=False).output.splitlines()
    assert len([line for line in said if line.startswith("  found")]) >= 35
    assert not [line for line in said if line.startswith("  not found")]
