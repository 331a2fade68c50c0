"""Whatever is put in the place of an argument, a public function does what it says or says in a line what is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eqprop
from tests.calls import (
    CALLS,
    MODEL,
    MOVED,
    OF_FUNCTIONS,
    PARAMS,
    SCALING,
    WRITTEN_BY_EQPROP,
    Call,
    act,
    called,
    forward,
    of_runs,
)
from tests.calls_where_installed import WHERE_INSTALLED
from tests.junk import JUNK, Fed, LostResultError, WrongVerdictError, said_of

TYPES = {"Algebra", "Element"}
MODULES = ("", ".actions", ".conversions", ".groups", ".mutants", ".properties", ".registry", ".strategies")
LAYERS = (".equinox", ".flax", ".haiku")


def listed() -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = tomllib.loads(
        Path(__file__).with_name("public_names.toml").read_text(encoding="utf-8")
    )["names"]
    return names


def test_every_public_function_with_arguments_is_called_here():
    names = listed()
    offered = {name for module in MODULES for name, takes in names[f"eqprop{module}"].items() if takes}
    assert offered - WRITTEN_BY_EQPROP == {*map(called, CALLS), *OF_FUNCTIONS, *TYPES} - {"from_module"}
    modules = {call.function.__module__.rpartition(".")[0] for call in CALLS if called(call) == "from_module"}
    assert modules == {f"eqprop{layer}" for layer in LAYERS}
    assert names.keys() == {f"eqprop{m}" for m in (*MODULES, *LAYERS, ".errors")} | WHERE_INSTALLED.keys()


def judged_call(place: tuple[Call, int | str], junk: Any) -> None:
    call, at = place
    said_of(call.with_junk(at, junk))


def of_calls(*calls: Call) -> Fed:
    return Fed("arguments", [(call, at) for call in calls for at in call.places], JUNK, judged_call)


@pytest.mark.parametrize("call", CALLS, ids=called)
def test_a_function_does_what_it_says_or_says_what_is_wrong(call):
    of_calls(call).fed(8)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS, ids=called)
def test_a_function_says_so_of_much_more(call):
    of_calls(call).fed(100)


@pytest.mark.parametrize("module", WHERE_INSTALLED)
def test_a_function_of_a_library_says_what_is_wrong_where_the_library_is(module):
    libraries, made = WHERE_INSTALLED[module]
    for library in libraries:
        pytest.importorskip(library)
    calls = made()
    assert {*map(called, calls)} == {name for name, takes in listed()[module].items() if takes} - WRITTEN_BY_EQPROP
    of_calls(*calls).fed(60)


PLACES: dict[str, Callable[[Any], eqprop.Pair]] = {
    "apply": lambda junk: eqprop.Pair(eqprop.Model(lambda p, x: junk, PARAMS, np.ones((4, 2)), name="m"), MOVED),
    "params": lambda junk: eqprop.Pair(eqprop.Model(forward, junk, np.ones((4, 2)), name="m"), MOVED),
    "inputs": lambda junk: eqprop.Pair(eqprop.Model(forward, PARAMS, junk, name="m"), MOVED),
    "loss": lambda junk: eqprop.Pair(eqprop.Model(forward, PARAMS, np.ones((4, 2)), lambda y: junk, name="m"), MOVED),
    "domain": lambda junk: eqprop.Pair(
        eqprop.Model(forward, PARAMS, np.ones((4, 2)), name="m", domain=lambda p: junk), MOVED
    ),
    "on_params": lambda junk: eqprop.Pair(MODEL, eqprop.Transformation(SCALING, lambda g, p: junk, name="m")),
    "on_outputs": lambda junk: eqprop.Pair(MODEL, eqprop.Transformation(SCALING, act, lambda g, y: junk, name="m")),
    "charge": lambda junk: eqprop.Pair(MODEL, eqprop.Transformation(SCALING, act, charge=lambda k, p: junk)),
    "defect": lambda junk: eqprop.Pair(MODEL, eqprop.Transformation(SCALING, act, defect=lambda k, p, x: junk)),
}
NEVER_RIGHT = {"params", "domain", "on_params", "on_outputs"}
"""Where nothing of what is drawn makes a pair that holds."""


def judged(place: str, junk: Any) -> None:
    """A pair that returns junk is refused, or has a verdict with a reason in a line; it holds nowhere by mistake."""
    reports: list[eqprop.Report] = []

    def run() -> None:
        reports.append(eqprop.run(PLACES[place](junk), **{**of_runs, "properties": ["equivariance", "noether"]}))

    said_of(run)
    for report in reports:
        if [verdict.property.name for verdict in report.verdicts] != ["equivariance", "noether"]:
            raise LostResultError(str(report))
        for verdict in report.verdicts:
            assert "\n" not in verdict.reason
            if verdict.outcome is eqprop.Outcome.HOLDS and place in NEVER_RIGHT:
                raise WrongVerdictError(str(verdict))
            if not (verdict.counterexample or verdict.reason or verdict.outcome is eqprop.Outcome.HOLDS):
                raise LostResultError(str(verdict))


GIVEN = Fed("what a pair gives", sorted(PLACES), JUNK, judged)


def test_what_a_pair_gives_is_never_taken_for_what_it_is_not():
    GIVEN.fed(10)


@pytest.mark.slow
def test_much_more_of_what_a_pair_gives_is_not_either():
    GIVEN.fed(500)
