"""Models with many parameters: measured inside the compiled program, and judged as small ones are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups, rounding
from eqprop.evaluation import Choice, Program, as_compiled, copies, fresh_perturbations, rounding_inside, row
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import by_name
from eqprop.rounding import in_program

FEW = tuple(by_name(name) for name in ("group-laws", "equivariance", "gradient-covariance", "hessian-generator"))


def scaled(error: float = 0.0, **changes: Any) -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        return jnp.maximum(x @ p["w1"], 0) @ p["w2"]

    def act(a: Any, p: Any) -> Any:
        return {"w1": p["w1"] * a[None] * (1 + error), "w2": p["w2"] / a[:, None]}

    params = {"w1": np.ones((3, 4)), "w2": np.ones((4, 2))}
    model = eqprop.Model(apply, params, np.ones((5, 3)), trained=False, **changes)
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(4), act))


@pytest.fixture
def as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "LARGE", 1)


@pytest.mark.usefixtures("as_large")
def test_a_large_program_takes_one_copy():
    program = Program(scaled(), FEW, SQUARED_ERROR, evaluator="xla")
    assert (program.large, program.copies) == (True, 1)
    assert program.evaluator.rows % (1 + program.copies) == 0


@pytest.mark.parametrize(
    "copies", [2, pytest.param(5, marks=pytest.mark.slow), pytest.param(6, marks=pytest.mark.slow)]
)
def test_measured_inside_the_program_or_outside_a_batch_gets_the_same_judgement(
    copies: int, monkeypatch: pytest.MonkeyPatch
):
    small = Program(scaled(), FEW, SQUARED_ERROR, evaluator="xla")
    monkeypatch.setattr(row, "LARGE", 1)
    large = Program(scaled(), FEW, SQUARED_ERROR, evaluator="xla")
    assert (small.eps, small.lowest) == (large.eps, large.lowest)
    probes = small.draw(np.random.default_rng(0), 7)
    outside, inside = (p.judge(probes, np.random.default_rng(1), copies=copies) for p in (small, large))
    for name, a in outside.items():
        b = inside[name]
        for field in ("finite", "vacuous", "suspect", "inconclusive"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=name)
        np.testing.assert_allclose(a.size, b.size, rtol=1e-9)
        # Compiled otherwise, sums may be added up in another order: a few roundings of the same terms.
        np.testing.assert_array_less(np.abs(a.residual - b.residual), a.floor + b.floor + 1e-300)
        np.testing.assert_array_less(np.abs(a.floor - b.floor), 0.9 * (a.floor + b.floor) + 1e-300)


@pytest.mark.parametrize(("error", "genuine"), [(0.0, False), (1e-9, True)], ids=["correct", "off by 1e-9"])
@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
@pytest.mark.usefixtures("as_large")
def test_a_violation_is_confirmed_and_survives_the_noise_and_the_compiler(
    error: float, genuine: bool, evaluator: Choice
):
    program = Program(scaled(error), FEW[1:2], SQUARED_ERROR, evaluator=evaluator)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 6)
    assert program.judge(probes, rng)["equivariance"].suspect.any() == genuine
    assert fresh_perturbations(program, "equivariance", probes, rng).suspect.any() == genuine
    assert rounding_inside(program, "equivariance", probes, rng).suspect.any() == genuine
    assert as_compiled(program, "equivariance", probes, rng).suspect.any() == genuine


@pytest.mark.parametrize(
    ("error", "copies"), [(0.0, [rounding.COPIES]), (1e-13, [rounding.COPIES, 63]), (1e-9, [rounding.COPIES])]
)
@pytest.mark.usefixtures("as_large")
def test_a_suspicion_of_a_large_model_is_looked_at_with_a_few_copies_and_with_many_where_it_is_in_doubt(
    error: float, copies: list[int], monkeypatch: pytest.MonkeyPatch
):
    program, asked = Program(scaled(error), FEW[1:2], SQUARED_ERROR, evaluator="numpy"), []
    judge = program.judge

    def judged(probes: Probe, rng: np.random.Generator, copies: int, only: str) -> dict[str, rounding.Judgement]:
        asked.append(copies)
        return judge(probes, rng, copies, only)

    monkeypatch.setattr(program, "judge", judged)
    fresh_perturbations(program, "equivariance", program.draw(np.random.default_rng(0), 2), np.random.default_rng(0))
    assert asked == copies


@pytest.mark.usefixtures("as_large")
def test_a_suspicion_beyond_doubt_is_looked_at_with_all_copies_once_rounding_is_inside(monkeypatch: pytest.MonkeyPatch):
    """A kink between both sides is as far beyond doubt, and a copy sees it only now and then."""
    program, held = Program(scaled(1e-3), FEW[1:2], SQUARED_ERROR, evaluator="numpy"), []
    inside = program.evaluators.rounding.measured_under_noise

    def measured(name: str, rows: Probe, copies: int, rng: np.random.Generator) -> rounding.Measured:
        held.append(copies)
        return inside(name, rows, copies, rng)

    monkeypatch.setattr(program.evaluators.rounding, "measured_under_noise", measured)
    probes = program.draw(np.random.default_rng(0), 2)
    judged = rounding_inside(program, "equivariance", probes, np.random.default_rng(0))
    assert judged.beyond_doubt.all()
    assert sum(held) == 63


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
@pytest.mark.usefixtures("as_large")
def test_copies_of_a_large_model_are_made_some_at_a_time_and_say_the_same(
    evaluator: Choice, monkeypatch: pytest.MonkeyPatch
):
    program, rows = Program(scaled(1e-12), FEW[1:2], SQUARED_ERROR, evaluator=evaluator), []
    measure = program.measure

    def measured(given: Probe, copies: int, rng: np.random.Generator, only: str) -> dict[str, rounding.Measured]:
        rows.append((given.count, copies))
        return measure(given, copies, rng, only)

    monkeypatch.setattr(program, "measure", measured)
    probes = program.draw(np.random.default_rng(0), 3)
    whole = program.judge(probes, np.random.default_rng(1), 63)["equivariance"]
    monkeypatch.setattr(copies, "NUMBERS_AT_ONCE", 12 * sum(leaf.size for leaf in jax.tree.leaves(probes)))
    parts = program.judge(probes, np.random.default_rng(1), 63)["equivariance"]
    assert rows == [(3 * 64, 63), *7 * [(3 * 10, 9)]]
    np.testing.assert_array_equal(parts.residual, whole.residual)
    np.testing.assert_array_equal(parts.suspect, whole.suspect)
    np.testing.assert_allclose(parts.floor, whole.floor, rtol=0.5)
    assert rounding_inside(program, "equivariance", probes, np.random.default_rng(1)).suspect.all()
    assert as_compiled(program, "equivariance", probes, np.random.default_rng(1)).suspect.all()


@pytest.mark.usefixtures("as_large")
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_a_number_that_is_none_makes_a_large_probe_inconclusive_even_where_the_right_side_is_zero(
    value: float, evaluator: Choice
):
    program = Program(scaled(), FEW, SQUARED_ERROR, evaluator=evaluator)
    probes = program.draw(np.random.default_rng(0), 3)
    probes.params[1][1, 0, 0] = value
    for name, judged in program.judge(probes, np.random.default_rng(0)).items():
        np.testing.assert_array_equal(judged.finite, [True, False, True], err_msg=name)


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
@pytest.mark.usefixtures("as_large")
def test_whole_sides_of_a_large_model_are_there_for_reports(evaluator: Choice):
    program = Program(scaled(), FEW, SQUARED_ERROR, evaluator=evaluator)
    found = program.compare("gradient-covariance", program.draw(np.random.default_rng(0), 1).at(0))
    assert [side.shape for side in found.lhs] == [(3, 4), (4, 2)]


def test_a_program_keeps_no_probe():
    kept = jax.tree.leaves(vars(Program(scaled(), FEW, SQUARED_ERROR).row)["_example"])
    assert kept
    assert not any(isinstance(leaf, np.ndarray | jax.Array) for leaf in kept)


def test_more_copies_than_a_group_holds_make_several_groups_with_the_same_probe():
    found = in_program.groups(2, 3, 2)
    np.testing.assert_array_equal(found, [[0, 1, 2], [0, 3, 3], [4, 5, 6], [4, 7, 7]])
