"""What the property library refutes is no symmetry: it is named, and counts for nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import eqprop
from eqprop.finding import Symmetries, find
from tests.finding.networks import numbers

LIMIT = 12.0
"""Of a clamp that no normal random point reaches."""


def network(limit: float = LIMIT) -> eqprop.Model:
    def clamped(params, x):
        return (jnp.tanh(x @ params["gate"]) * jnp.clip(x @ params["up"], -limit, limit)) @ params["down"]

    draw = numbers()
    params = {"gate": draw(2, 3), "up": draw(2, 3), "down": draw(3, 2)}
    return eqprop.Model(clamped, params, draw(1, 2), name="clamped")


def linear_below_a_clamp() -> eqprop.Model:
    """GL(3) of its units at random points, and no more than permutations and signs in truth."""

    def clamped(params, x):
        return jnp.clip(x @ params["up"], -LIMIT, LIMIT) @ params["down"]

    draw = numbers()
    return eqprop.Model(clamped, {"up": draw(2, 3), "down": draw(3, 2)}, draw(1, 2), name="linear")


@pytest.fixture(scope="module")
def symmetries() -> Symmetries:
    return find(network(), prove="premise")


def test_the_premise_refutes_a_scaling_below_a_clamp_and_says_no_more_of_the_others(symmetries):
    verdicts = {one.found.kind: one.verdict for one in symmetries.found}
    assert verdicts == {"permutation": "", "sign": "", "whole": "refuted"}
    assert "whole: no symmetry" in symmetries.text()


@pytest.mark.slow
def test_all_properties_refute_it_too_and_prove_the_others():
    symmetries = find(network())
    verdicts = {one.found.kind: one.verdict for one in symmetries.found}
    assert verdicts == {"permutation": "proven", "sign": "proven", "whole": "refuted"}
    assert symmetries.exit_code == 0


def test_what_is_refuted_is_no_part_of_the_algebra(symmetries):
    assert (symmetries.dimension, symmetries.rank, symmetries.charges) == (0, 0, 0)
    assert "conserved by gradient flow: " not in symmetries.text()
    assert [row.dimension for row in symmetries.interfaces] == [0] * len(symmetries.interfaces)


@pytest.fixture(scope="module")
def below_a_clamp() -> Symmetries:
    return find(linear_below_a_clamp())


@pytest.mark.slow
def test_what_is_refuted_has_a_row_of_its_own(below_a_clamp):
    rows = {row.group: [one.verdict for one in row.members] for row in below_a_clamp.interfaces}
    assert rows["signs of 3 ⋊ S_3"] == ["proven", "proven"]
    assert rows["R₊ on whole tensors, powers 1, -1"] == ["refuted"]


def test_what_is_refuted_is_not_written(symmetries):
    assert "whole" not in symmetries.code("nets:model")
    assert "hidden_units" in symmetries.code("nets:model")


def test_a_finding_that_was_wrong_is_no_fault_of_the_model(symmetries):
    assert symmetries.exit_code == 0


def test_without_a_proof_it_is_listed_as_it_was_read_off():
    assert find(network(), prove=False).dimension == 1


def instead_of_matrices(symmetries: Symmetries) -> list[str]:
    assert "linear" in {one.found.kind for one in symmetries.found if one.verdict == "refuted"}
    return [one.found.kind for one in symmetries.standing]


def test_what_the_premise_refutes_of_matrices_would_have_contained_permutations():
    assert instead_of_matrices(find(linear_below_a_clamp(), prove="premise")) == ["permutation", "sign"]


@pytest.mark.slow
def test_what_all_properties_refute_of_matrices_would_have_contained_them_too(below_a_clamp):
    assert instead_of_matrices(below_a_clamp) == ["permutation", "sign"]


def test_matrices_that_no_proof_was_asked_of_contain_them():
    assert [one.found.kind for one in find(linear_below_a_clamp(), prove=False).found] == ["linear"]


def test_a_clamp_on_the_way_is_no_wrong_derivative():
    symmetries = find(network(limit=7.0), prove=False)
    assert symmetries.hidden == ()
    assert "scaling" not in {one.found.kind for one in symmetries.found}


def test_of_matrices_that_are_hidden_from_gradients_the_largest_is_told_and_their_permutations_are_found():
    def stopped(params, x):
        return x @ params["up"] @ params["down"] + jax.lax.stop_gradient(jnp.sin(params["up"]).sum())

    draw = numbers()
    model = eqprop.Model(stopped, {"up": draw(2, 3), "down": draw(3, 2)}, draw(1, 2), name="stopped")
    symmetries = find(model, prove=False)
    assert [one.found.group for one in symmetries.found] == ["S_3"]
    assert symmetries.hidden[0] == "GL(3) on down, up"
    assert not [line for line in symmetries.hidden if line.startswith("O(")]
