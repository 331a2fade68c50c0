"""The search: deterministic for a seed, remembers failures, shrinks to small structures, settles every cell."""

from __future__ import annotations

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop import search as search_module
from eqprop.profiles import PROFILES
from eqprop.properties import LIBRARY, by_name
from eqprop.sampling import READABLE
from eqprop.search import Search, search
from eqprop.structures import rebuilt
from eqprop.subject import Options, Subject
from eqprop.verdict import Outcome

SMALL = replace(PROFILES["gate"], name="small", architectures=2, examples=6, probes=16)
BIAS_FORGOTTEN, GRADIENT_SCALED = "bias forgotten", "gradient scaled"


@jax.custom_vjp
def scaled(x):
    return jax.nn.relu(x)


def _scaled_backward(x, w):
    return (w * (x > 0) * (1 + 1e-6 * jnp.reshape(jnp.arange(1.0, 1.0 + x.size), x.shape)),)


scaled.defvjp(lambda x: (jax.nn.relu(x), x), _scaled_backward)


def build(d_in, hidden, d_out, batch, defect):
    rng = np.random.default_rng(0)
    shapes = {"b": (1, hidden), "v": (hidden, d_out), "w": (d_in, hidden)}
    relu = scaled if defect == GRADIENT_SCALED else jax.nn.relu

    def apply(p, x):
        return relu(x @ p["w"] + jnp.broadcast_to(p["b"], (batch, hidden))) @ p["v"]

    writes = {"w": 1} if defect == BIAS_FORGOTTEN else {"w": 1, "b": 1}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    model = eqprop.Model(apply, params, rng.standard_normal((batch, d_in)), trained=False)
    drawn = {"d_in": d_in, "hidden": hidden, "d_out": d_out, "batch": batch}
    rescaling = eqprop.hidden_units(groups.Scaling(hidden), writes=writes, reads={"v": 0})
    return eqprop.Pair(model, rescaling, name="net", architecture=drawn)


def nets(defect=""):
    width = st.integers(1, 5)
    return st.builds(build, width, width, width, st.integers(1, 4), st.just(defect))


def searched(defect="", names=("equivariance",), *, seed=0, profile=SMALL, **subject):
    options = Options(profile, seed=seed, properties=tuple(by_name(name) for name in names))
    return search(Subject("net", nets(defect), **subject), options)


def record(verdicts):
    return [verdict.to_record() | {"seconds": 0} for verdict in verdicts]


@pytest.fixture(autouse=True)
def _storage(tmp_path, monkeypatch):
    """Each test starts with an empty example database."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))


@pytest.fixture
def foreign_profile():
    """A hypothesis profile of the user's that would change any search that inherits it."""
    settings.register_profile("foreign", derandomize=True, max_examples=1, database=None, deadline=1)
    settings.load_profile("foreign")
    yield
    settings.load_profile("default")


def fresh_storage(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "another"))


def test_the_same_seed_gives_the_same_verdicts_whatever_the_environment(tmp_path, monkeypatch, request):
    first = record(searched(BIAS_FORGOTTEN, ("equivariance", "noether")))
    fresh_storage(tmp_path, monkeypatch)
    monkeypatch.setenv("CI", "true")
    request.getfixturevalue("foreign_profile")
    assert record(searched(BIAS_FORGOTTEN, ("equivariance", "noether"))) == first


def test_another_seed_draws_other_probes():
    residuals = {searched(seed=seed)[0].residual for seed in (0, 1, 2)}
    assert len(residuals) == 3


def explored(defect, names=("equivariance",), profile=SMALL, **subject):
    found = Search(Subject("net", nets(defect), **subject), Options(profile, properties=tuple(map(by_name, names))))
    found.explore()
    return found


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
    program = search_module.Program

    def counted(pair, *rest, **more):
        compiled.append(pair.key)
        return program(pair, *rest, **more)

    monkeypatch.setattr(search_module, "Program", counted)
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
    assert structure == state.violations["equivariance"].structure or (
        structure.pair.architecture == state.violations["equivariance"].structure.pair.architecture
    )


def test_a_stored_failure_is_tried_before_anything_new():
    searched(BIAS_FORGOTTEN)
    again = Search(Subject("net", nets(BIAS_FORGOTTEN)), Options(SMALL, properties=(by_name("equivariance"),)))
    again._recall()
    assert again.violations["equivariance"].structure.pair.architecture["hidden"] == 1


def test_a_stored_failure_that_was_mended_is_none():
    searched(BIAS_FORGOTTEN)
    assert [verdict.outcome for verdict in searched()] == [Outcome.HOLDS]


# -- outcomes ---------------------------------------------------------------------------------------------------------


def test_what_rests_on_a_falsified_property_is_blocked():
    premise, noether = searched(BIAS_FORGOTTEN, ("equivariance", "noether"))
    assert (premise.outcome, noether.outcome) == (Outcome.FALSIFIED, Outcome.BLOCKED)
    assert noether.reason == "rests on equivariance, which was falsified"
    assert noether.counterexample is None


def test_an_expected_failure_is_known_with_its_reason():
    (verdict,) = searched(BIAS_FORGOTTEN, known_failures={"equivariance": "ticket 7"})
    assert (verdict.outcome, verdict.reason) == (Outcome.KNOWN_FAILURE, "ticket 7")


def test_an_expected_failure_that_holds_is_an_unexpected_pass():
    (verdict,) = searched(known_failures={"equivariance": "ticket 7"})
    assert verdict.outcome is Outcome.UNEXPECTED_PASS


def test_a_control_is_asked_for_a_falsified_premise_only():
    premise, noether = searched(BIAS_FORGOTTEN, ("equivariance", "noether"), control="forgets the bias")
    assert (premise.outcome, noether.outcome) == (Outcome.KNOWN_FAILURE, Outcome.NOT_APPLICABLE)
    assert searched(control="nothing is wrong")[0].outcome is Outcome.UNEXPECTED_PASS


def test_a_property_that_does_not_apply_says_why():
    (verdict,) = searched(names=("tangent-kernel-covariance",))
    assert verdict.outcome is Outcome.NOT_APPLICABLE
    assert "isometry=True" in verdict.reason


# -- the functions ----------------------------------------------------------------------------------------------------


def test_verify_raises_an_assertion_error_with_the_counterexample_as_its_message():
    with pytest.raises(eqprop.Falsified) as caught:
        eqprop.verify(build(2, 3, 1, 2, BIAS_FORGOTTEN), properties=["equivariance"])
    assert isinstance(caught.value, AssertionError)
    (verdict,) = caught.value.report.verdicts
    assert str(verdict.counterexample) in str(caught.value)


@settings(max_examples=2, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(nets())
def test_a_users_own_given_test_may_run_eqprop_inside(pair):
    report = eqprop.run(pair, properties=["equivariance"])
    assert report.ok
    assert [v.architectures for v in report.verdicts] == [1]


def test_every_asked_property_has_a_verdict_in_the_order_of_the_library():
    verdicts = search(Subject("net", nets()), Options(replace(SMALL, architectures=1)))
    assert [v.property.name for v in verdicts] == [p.name for p in LIBRARY]
    assert all(re.fullmatch("holds|not applicable", v.outcome) for v in verdicts)
