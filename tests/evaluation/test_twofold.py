"""A model's compiled program is compared with its own operations: who is wrong of the two is found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine.walk import primitives
from eqprop.evaluation import NotCompared, Program, twofold
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import TWOFOLD, Property, by_name
from eqprop.results import Outcome
from eqprop.runs import make_options
from tests.compiling import unasked

GRADIENT, HESSIAN = TWOFOLD
PARAMS = {"a": np.ones((4, 2)), "c": np.ones(2), "w": np.ones((3, 4))}


def pair(inner: Callable[[Any], Any] = jnp.tanh, params: Any = PARAMS) -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        return inner(x @ p["w"]) @ p["a"] + p["c"][None]

    model = eqprop.Model(apply, params, np.ones((5, 3)), name="net", trained=False)
    return eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(4), writes={"w": 1}, reads={"a": 0}, name="units"))


def floors(of: eqprop.Pair, prop: Property, precision: Any = "float64", probes: int = 16) -> np.ndarray:
    program = Program(of, (prop,), SQUARED_ERROR, precision)
    rng = np.random.default_rng(1)
    return program.judge(program.draw(rng, probes), rng)[prop.name].floors


@pytest.fixture(autouse=True)
def _storage(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts with an empty example database."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))


@pytest.fixture(autouse=True)
def _as_users_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    unasked(monkeypatch)


twice = pytest.mark.parametrize("prop", TWOFOLD, ids=lambda prop: prop.name)


@twice
def test_right_programs_agree_within_few_floors(prop: Property):
    assert floors(pair(), prop).max() < 3


@twice
@pytest.mark.parametrize("factor", [1 + 1e-11, 2.0])
def test_a_wrong_operation_of_either_is_a_difference(prop: Property, factor: float, monkeypatch: pytest.MonkeyPatch):
    right = primitives.RULES["tanh"]

    def wrong(equation: Any) -> Any:
        step = right(equation)
        return lambda x: step(x) * factor

    monkeypatch.setitem(primitives.RULES, "tanh", wrong)
    assert floors(pair(), prop).min() > 30


@twice
def test_a_wrong_compiled_program_is_a_difference(prop: Property, monkeypatch: pytest.MonkeyPatch):
    right = twofold.as_users_run

    def miscompiled(row: Any) -> Any:
        run = right(row)
        return lambda probe: jax.tree.map(lambda leaf: np.asarray(leaf) * (1 + 1e-11), run(probe))

    monkeypatch.setattr(twofold, "as_users_run", miscompiled)
    assert floors(pair(), prop).min() > 30


@pytest.mark.parametrize(
    "inner",
    [
        lambda z: jnp.log1p(-0.41 + 0.01 * jnp.tanh(z)),  # XLA's errs by 128 units in the last place
        lambda z: jax.scipy.special.erfinv(0.999 * jnp.tanh(z)),
        lambda z: jax.nn.softmax(40 * z),
        lambda z: (z - z.mean(1, keepdims=True)) / jnp.sqrt(z.var(1, keepdims=True) + 1e-5),
    ],
    ids=["log1p", "erfinv", "saturated", "normed"],
)
def test_what_xla_computes_by_other_formulas_is_no_miscompilation(inner: Callable[[Any], Any]):
    assert max(floors(pair(inner), prop).max() for prop in TWOFOLD) < 15


def test_long_sums_of_equal_terms_are_no_miscompilation():
    """XLA adds them up one after the other, and what is lost is lost the same way each time."""
    of = pair(lambda z: jnp.tanh(z) + jnp.broadcast_to(z[:1, :1] / 3, (20_000, 1)).sum())
    assert max(floors(of, prop, probes=4).max() for prop in TWOFOLD) < 15


def test_low_precision_is_compared_in_its_own_units():
    single = {name: leaf.astype(np.float32) for name, leaf in PARAMS.items()}
    assert floors(pair(params=single), GRADIENT, "model").max() < 3


def test_a_program_too_long_is_not_compiled_for_this(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(twofold, "MOST", 10)
    with pytest.raises(NotCompared, match=r"it has \d+ operations, which take XLA long; up to 10 are compiled"):
        Program(pair(), (GRADIENT,), SQUARED_ERROR)


def verdicts(of: Any, **options: Any) -> dict[str, Any]:
    report = eqprop.run(of, profile="quick", properties=["equivariance", "compiled", "compiled-hessian"], **options)
    return {verdict.property.name: verdict for verdict in report.verdicts}


def test_a_run_has_cells_of_its_own_for_it():
    found = verdicts(pair())
    assert {name: verdict.outcome for name, verdict in found.items()} == dict.fromkeys(found, Outcome.HOLDS)
    assert found["compiled"].probes == 64


def test_a_miscompilation_is_falsified_with_a_counterexample(monkeypatch: pytest.MonkeyPatch):
    right = twofold.as_users_run

    def miscompiled(row: Any) -> Any:
        run = right(row)
        return lambda probe: {
            name: [leaves[0], *(2 * leaf for leaf in leaves[1:])] for name, leaves in run(probe).items()
        }

    monkeypatch.setattr(twofold, "as_users_run", miscompiled)
    found = verdicts(pair())
    assert found["equivariance"].outcome is Outcome.HOLDS
    assert found["compiled"].outcome is Outcome.FALSIFIED
    shown = found["compiled"].counterexample
    assert shown.leaf in {"a", "c", "w"}
    assert shown.rhs == pytest.approx(2 * shown.lhs)


def test_users_models_are_asked_about_by_default_and_built_in_ones_are_not():
    assert make_options(profile="quick").properties[-2:] == TWOFOLD
    found = verdicts(eqprop.entry("relu-rescaling"), max_architectures=1)
    assert "this one is built in" in found["compiled"].reason
    assert found["compiled"].outcome is Outcome.NOT_APPLICABLE


def test_who_wants_nothing_compiled_is_told_so():
    assert verdicts(pair(), evaluator="numpy")["compiled"].reason == "nothing is compiled with evaluator 'numpy'"


def test_a_model_that_calls_back_is_not_asked_about():
    def called(z: Any) -> Any:
        still = jax.lax.stop_gradient(z)
        return z + jax.pure_callback(np.tanh, jax.ShapeDtypeStruct(z.shape, z.dtype), still)

    assert "calls back into Python" in verdicts(pair(called))["compiled"].reason


def test_they_are_known_by_name():
    assert by_name("compiled") is GRADIENT
    assert by_name("compiled-hessian") is HESSIAN
