"""What has the last word is the program that was walked, compiled by XLA for one property and a few rows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import kept_program, written
from eqprop.evaluation import Program, as_compiled
from eqprop.evaluation.alone import Alone
from eqprop.evaluation.row import Row
from eqprop.evaluation.walked import Walked
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import Property, by_name
from eqprop.rounding import CONFIRMING_COPIES, COPIES

NAMES = ("equivariance", "gradient-covariance", "hessian-generator")
FEW = tuple(by_name(name) for name in NAMES)
PROBES = 2
FEW_ROWS, MANY_ROWS = 1 + COPIES, 1 + CONFIRMING_COPIES


@jax.custom_vjp
def relu(z: Any) -> Any:
    return jnp.maximum(z, 0)


relu.defvjp(lambda z: (relu(z), z), lambda z, g: (jnp.where(z > 0, g, 0),))


def dense(p: Any, x: Any) -> Any:
    return relu(x @ p["w1"]) @ p["w2"]


def pair_of(off: float = 0.0) -> eqprop.Pair:
    """Rescaled units, whose outgoing weights are off by a part of them.

    Args:
        off: which part.
    """

    def act(g: Any, p: Any) -> Any:
        return {"w1": p["w1"] * g[None, :], "w2": p["w2"] / g[:, None] * (1 + off)}

    params = {"w1": np.ones((3, 4)), "w2": np.ones((4, 2))}
    model = eqprop.Model(dense, params, np.ones((5, 3)), trained=False)
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(4), act))


def program_of(*properties: Property, **changes: Any) -> Program:
    return Program(pair_of(), properties, SQUARED_ERROR, **changes)


def drawn(program: Program) -> Probe:
    """The same numbers, whatever the program reads of them."""
    return program_of(*FEW).draw(np.random.default_rng(0), PROBES).only(program.needed)


def said(program: Program, name: str) -> Any:
    return as_compiled(program, name, drawn(program), np.random.default_rng(1))


def assert_alike(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.size, expected.size, rtol=1e-9)
    np.testing.assert_array_less(np.abs(found.residual - expected.residual), found.floor + expected.floor)
    np.testing.assert_array_equal(found.suspect, expected.suspect)


@pytest.mark.parametrize("prop", FEW, ids=lambda prop: prop.name)
def test_it_says_what_a_program_for_many_rows_says(prop: Property):
    assert_alike(said(program_of(prop), prop.name), said(program_of(prop, evaluator="xla"), prop.name))


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_one_of_several_properties_is_compiled_by_itself(evaluator: Any):
    for name in NAMES:
        found = said(program_of(*FEW, evaluator=evaluator), name)
        assert_alike(found, said(program_of(by_name(name)), name))


def test_what_was_traced_to_be_walked_is_not_traced_again(monkeypatch: pytest.MonkeyPatch):
    program = program_of(FEW[1])
    probes = drawn(program)
    monkeypatch.setattr(Row, "sides", lambda *_: pytest.fail("the model is traced again"))
    assert not as_compiled(program, FEW[1].name, probes, np.random.default_rng(1)).suspect.any()


def test_what_was_only_kept_as_data_is_traced_for_it():
    program = program_of(FEW[1])
    expected = said(program, FEW[1].name)
    walked = program.evaluator
    assert isinstance(walked, Walked)
    walked.program = kept_program(written(walked.program))
    assert_alike(said(program, FEW[1].name), expected)


@pytest.mark.parametrize(("part", "rows"), [(1e-3, [FEW_ROWS]), (3e-13, [FEW_ROWS, MANY_ROWS]), (0.0, [FEW_ROWS])])
def test_more_copies_are_compiled_only_where_few_leave_a_doubt(
    monkeypatch: pytest.MonkeyPatch, part: float, rows: list[int]
):
    asked: list[int] = []
    measured = Alone.measured

    def counted(self: Alone, given: Probe, copies: int, rng: np.random.Generator) -> Any:
        asked.append(1 + copies)
        return measured(self, given, copies, rng)

    monkeypatch.setattr(Alone, "measured", counted)
    off = Program(pair_of(part), FEW[:1], SQUARED_ERROR)
    found = as_compiled(off, FEW[0].name, drawn(off), np.random.default_rng(1))
    assert asked == rows
    assert found.suspect.all() == (part > 0)


@pytest.mark.parametrize(("spare", "long"), [(0, False), (-1, True)])
def test_what_takes_long_in_all_its_rows_is_compiled_to_run_fast(
    monkeypatch: pytest.MonkeyPatch, spare: int, long: bool
):
    asked: list[bool] = []
    monkeypatch.setattr("eqprop.evaluation.alone.compiler_options", lambda *, long: asked.append(long))
    rows, size = PROBES * FEW_ROWS, pair_of().model.param_leaves.size
    monkeypatch.setattr("eqprop.evaluation.alone.HOT", rows * size + spare)
    said(program_of(FEW[0]), FEW[0].name)
    assert asked == [long]
