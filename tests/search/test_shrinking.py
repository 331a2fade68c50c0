"""What is falsified is shrunk to a small structure with simple numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eqprop.probes import READABLE
from eqprop.properties import by_name
from eqprop.search import pool, rebuilt
from tests.search.nets import BIAS_FORGOTTEN, GRADIENT_SCALED, SMALL, explored, nets


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
