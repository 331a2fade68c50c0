"""Float64 in a scope of its own, whatever the user traced before and traces afterwards."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import pytest

from eqprop.engine import numbers_context, separated_caches


def test_float64_is_entered_and_left():
    with numbers_context("float64"):
        assert jnp.ones(1).dtype == jnp.float64
    assert jnp.ones(1).dtype == jnp.float32


@pytest.mark.parametrize("wide", [False, True])
def test_the_models_own_precision_changes_nothing(wide: bool):
    with jax.enable_x64(wide), numbers_context("model"):
        assert jax.config.values["jax_enable_x64"] == wide


def test_float64_is_left_after_an_exception_too():
    with (
        pytest.raises(ZeroDivisionError, match="division by zero"),
        separated_caches("float64"),
        numbers_context("float64"),
    ):
        _ = 1 / 0
    assert not jax.config.values["jax_enable_x64"]


def clearings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(jax, "clear_caches", lambda: found.append("cleared"))
    return found


def test_caches_are_cleared_once_before_and_once_after_however_deeply_uses_are_nested(monkeypatch: pytest.MonkeyPatch):
    found = clearings(monkeypatch)
    with separated_caches("float64"):
        assert len(found) == 1
        with separated_caches("float64"):
            pass
        assert len(found) == 1
    assert len(found) == 2
    with separated_caches("float64"):
        assert len(found) == 3


def test_caches_stay_where_no_two_precisions_meet(monkeypatch: pytest.MonkeyPatch):
    found = clearings(monkeypatch)
    with separated_caches("model"):
        pass
    with jax.enable_x64(True), separated_caches("float64"):
        pass
    assert not found


# In a process of its own, because the failure depends on everything that the process has traced before.
CLOSED_OVER = """
    import jax, jax.numpy as jnp, numpy as np
    import eqprop
    from eqprop import groups

    TABLE = np.linspace(0.5, 1.5, 4)  # float64
    MASK = np.eye(4)

    @jax.jit
    def features(x):
        return x * TABLE @ MASK

    @jax.jit
    def apply(p, x):
        return jnp.tanh(features(x) @ p["w"]) @ p["a"]

    params = {"w": np.ones((4, 3), np.float32), "a": np.ones((3, 2), np.float32)}
    inputs = np.ones((2, 4), np.float32)
    act = eqprop.hidden_units(groups.Permutation(3), writes={"w": 1}, reads={"a": 0})
    pair = eqprop.Pair(eqprop.Model(apply, params, inputs), act)

    def user():
        assert not jax.config.jax_enable_x64
        found = jax.jit(jax.grad(lambda p: jnp.sum(apply(p, inputs) ** 2)))(params)
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(np.float32)}
        assert apply(params, inputs).dtype == np.float32

    def verified():
        report = eqprop.run(pair, properties=["equivariance", "gradient-covariance"])
        assert [v.outcome.value for v in report.verdicts] == ["holds", "holds"], report.verdicts
        assert {v.precision for v in report.verdicts} == {"float64"}

"""


@pytest.mark.parametrize("order", ["user(); verified(); user()", "verified(); user(); verified()"])
def test_a_model_that_closes_over_float64_arrays_works_for_the_user_and_for_eqprop_in_either_order(order: str):
    script = textwrap.dedent(CLOSED_OVER) + order.replace("; ", "\n")
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
