"""A report says which operations NumPy did not do, and why a program was compiled."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.evaluation import evaluators
from eqprop.faces.display import PlainBoard
from eqprop.results import Progress, Verdict

PARAMS = {"a": np.ones((3, 2)), "w": np.ones((2, 3))}


def pair(*, by_jax: bool = False) -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        h = jnp.tanh(x @ p["w"])
        return (jnp.log1p(h.astype(complex)).imag + h if by_jax else h) @ p["a"]

    model = eqprop.Model(apply, PARAMS, np.ones((4, 2)), name="net", trained=False)
    return eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(3), writes={"w": 1}, reads={"a": 0}, name="units"))


def only(of: eqprop.Pair, **options: Any) -> Verdict:
    (verdict,) = eqprop.run(of, profile="quick", properties=["equivariance"], **options).verdicts
    return verdict


def shown(verdict: Verdict, *, verbose: bool) -> list[str]:
    lines: list[str] = []
    PlainBoard(["net/units"], lines.append, verbose=verbose)(Progress("net/units", "finished", verdicts=(verdict,)))
    return lines


def test_what_numpy_evaluates_all_by_itself_needs_no_words():
    verdict = only(pair())
    assert (verdict.by_jax, verdict.why_compiled) == ((), "")
    assert len(shown(verdict, verbose=True)) == 3


def test_operations_that_are_left_to_jax_are_named():
    verdict = only(pair(by_jax=True))
    assert verdict.by_jax == ("log1p",)
    assert verdict.to_record()["by_jax"] == ("log1p",)
    assert Verdict.from_record(verdict.to_record()).by_jax == ("log1p",)
    assert shown(verdict, verbose=True)[-1] == "  evaluated by JAX, one by one: log1p (in equivariance)"
    assert len(shown(verdict, verbose=False)) == 2


def test_why_a_program_was_compiled_is_said(monkeypatch: pytest.MonkeyPatch):
    assert only(pair(), evaluator="xla").why_compiled == "asked for"
    monkeypatch.setattr(evaluators, "WALKS", 3)
    verdict = only(pair())
    assert verdict.why_compiled.startswith("it has walked ")
    assert shown(verdict, verbose=True)[-1] == f"  compiled: {verdict.why_compiled} (in equivariance)"
