"""The families of Marcotte et al. 2023 and the catalog, as ``benchmarks.finding`` measures them."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.finding import balanced, chain, judged_lines, main
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
    missed = [line.strip() for line in said if line.startswith("  not found")]
    assert len([line for line in said if line.startswith("  found")]) >= 34
    # A rotation that fixes one vector lies between O(n) and its subgroups that are templates.
    assert [line.split(",")[0] for line in missed] == ["not found: rotation: O(15)"]
