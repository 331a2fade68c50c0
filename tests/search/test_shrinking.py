"""What is falsified is shrunk to a small structure with simple numbers."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.probes import READABLE
from eqprop.properties import by_name
from eqprop.search import pool, rebuilt
from tests.search.nets import BIAS_FORGOTTEN, GRADIENT_SCALED, SMALL, explored, nets


def count_nonzero(leaves):
    return sum(np.count_nonzero(leaf["values"]) for leaf in leaves.values())


@pytest.mark.parametrize(
    ("defect", "name"), [(BIAS_FORGOTTEN, "equivariance"), (GRADIENT_SCALED, "jacobian-generator")]
)
def test_a_planted_defect_shrinks_to_the_smallest_net_with_simple_numbers(defect, name):
    found = explored(defect, (name,)).counterexample(by_name(name))
    assert found.architecture == {"d_in": "1", "hidden": "1", "d_out": "1", "batch": "1"}
    values = [v for fields in found.recipe["probe"].values() for leaf in fields.values() for v in leaf["values"]]
    assert set(values) <= {0.0, *READABLE}


def test_the_shrinker_does_not_walk_into_a_kink():
    found = explored(GRADIENT_SCALED, ("jacobian-generator",)).counterexample(by_name("jacobian-generator"))
    probe = {
        f: {p: np.reshape(a["values"], a["shape"]) for p, a in leaves.items()}
        for f, leaves in found.recipe["probe"].items()
    }
    before_relu = probe["inputs"]["."] @ probe["params"]["w"] + probe["params"]["b"]
    assert (before_relu != 0).all()


def test_shrinking_compiles_no_more_architectures_than_the_profile_allows(monkeypatch):
    state = explored(BIAS_FORGOTTEN, profile=replace(SMALL, shrinks=2))
    compiled = []
    program = pool.Program

    def counted(pair, *rest, **more):
        compiled.append(pair.key)
        return program(pair, *rest, **more)

    monkeypatch.setattr(pool, "Program", counted)
    state.counterexample(by_name("equivariance"))
    assert len(set(compiled)) <= 2


def test_where_the_last_word_clears_the_simplest_numbers_less_simple_ones_are_shown(monkeypatch):
    state, shown = explored(BIAS_FORGOTTEN), []
    last_word = pool.ProgramPool.last_word

    def clears_the_first_two(self, violation, *rest):
        shown.append(violation.probe)
        return last_word(self, violation, *rest) if len(shown) > 2 else None

    monkeypatch.setattr(pool.ProgramPool, "last_word", clears_the_first_two)
    found = state.counterexample(by_name("equivariance"))
    assert len(shown) == 3
    nonzero = [sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(probe.params)) for probe in shown]
    assert nonzero[0] < nonzero[2] == count_nonzero(found.recipe["probe"]["params"])


@pytest.mark.slow  # fifteen seconds
def test_a_slightly_wrong_derivative_of_a_layer_of_three_hundred_units_shrinks_to_a_few_numbers():
    @jax.custom_jvp
    def softplus(x):
        return jnp.logaddexp(x, 0.0)

    softplus.defjvp(lambda x, t: (softplus(x[0]), t[0] * jax.nn.sigmoid(x[0]) * (1 + 1e-7)))

    def apply(p, x):
        return softplus(x @ p["w"] + p["b"][None]) @ p["v"]

    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(40, 300)) / 6, "b": rng.normal(size=300), "v": rng.normal(size=(300, 3)) / 17}
    move = eqprop.hidden_units(groups.Permutation(300), writes={"w": 1, "b": 0}, reads={"v": 0})
    pair = eqprop.Pair(eqprop.Model(apply, params, rng.normal(size=(8, 40)), trained=False), move)
    with pytest.raises(eqprop.Falsified, match="numbers made zero") as told:
        eqprop.verify(pair, properties=["derivative"])
    (found,) = told.value.report.failures
    assert sum(map(count_nonzero, found.counterexample.recipe["probe"].values())) <= 12


def test_the_blob_rebuilds_the_structure():
    found = explored(BIAS_FORGOTTEN).counterexample(by_name("equivariance"))
    structure = rebuilt(nets(BIAS_FORGOTTEN), found.recipe["structure"], SMALL)
    assert {k: repr(v) for k, v in structure.pair.architecture.items()} == found.architecture


def test_a_counterexample_that_was_not_shrunk_has_a_blob_too():
    state = explored(BIAS_FORGOTTEN, profile=replace(SMALL, shrinks=0))
    found = state.counterexample(by_name("equivariance"))
    structure = rebuilt(nets(BIAS_FORGOTTEN), found.recipe["structure"], SMALL)
    assert structure == state.gathered.violations["equivariance"].structure or (
        structure.pair.architecture == state.gathered.violations["equivariance"].structure.pair.architecture
    )
