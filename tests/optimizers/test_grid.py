"""Optimisers beside transformations: which commute with which, and what the command prints of it."""

from __future__ import annotations

import json
import sys
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from eqprop.engine import watchdog
from eqprop.errors import InvalidInput
from eqprop.faces.cli import main
from eqprop.optimizers import grid, preconditioners, table
from eqprop.optimizers import run as run_table
from eqprop.optimizers.grid import Cell, search_cell
from eqprop.optimizers.zoo import ROWS, Maps, Row
from eqprop.properties.optimizers import charge_drift
from eqprop.runs import replay
from tests.optimizers.stepping import (
    COLUMNS,
    pair,
    plain_descent,
    stateless,
)

pytest_plugins = "pytester"

# ---- the table ----------------------------------------------------------------------------------------------------


def cell_named(name, group) -> Cell:
    return search_cell(next(row for row in ROWS if row.name == name), COLUMNS[group])


@pytest.mark.parametrize(
    ("name", "group", "commutes"),
    [
        ("sgd", "across-tensors", True),
        ("sgd", "rescaling", False),
        ("momentum", "both-sides", True),
        ("nesterov", "rotations", True),
        ("clip by norm", "across-tensors", True),
        ("clip by value", "rotations", False),
        ("adam", "permutations", True),
        ("adam", "rotations", False),
        ("adamw", "translation", False),
        ("adamw", "normed-block", False),
        ("lion", "signed-permutations", True),
        ("lion", "translation", False),
        ("sign descent", "signs", True),
        ("sign descent", "translation", True),
        ("rmsprop", "rotations", False),
        ("adagrad", "both-sides", False),
        pytest.param("adafactor", "translation", False, marks=pytest.mark.slow),
        pytest.param("muon", "both-sides", True, marks=pytest.mark.slow),
        pytest.param("muon", "across-tensors", False, marks=pytest.mark.slow),
        pytest.param("shampoo", "rotations", True, marks=pytest.mark.slow),
        pytest.param("shampoo", "across-tensors", False, marks=pytest.mark.slow),
        pytest.param("newton", "general-linear", True, marks=pytest.mark.slow),
        pytest.param("newton", "rescaling", True, marks=pytest.mark.slow),
    ],
)
def test_an_optimiser_commutes_with_a_group_as_predicted(name, group, commutes):
    cell = cell_named(name, group)
    assert (cell.predicted, cell.step, cell.trajectory) == (("yes" if commutes else "no"),) * 3
    assert cell.agrees
    assert (cell.counterexample is None) == commutes


def test_newtons_method_does_not_apply_where_a_translation_makes_the_hessian_singular():
    cell = cell_named("newton", "translation")
    assert (cell.predicted, cell.found) == ("n/a", "n/a")
    assert cell.agrees
    assert "singular Hessian" in cell.reason
    hessian = flat_hessian(pair("translation"))
    values = np.sort(np.abs(np.linalg.eigvalsh(hessian)))
    assert values[2] < 1e-14 * values[-1] < 1e-10 * values[-1] < values[3]  # as many zeros as there are features


def flat_hessian(pair):
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, pair.model.params)
        flat, unravel = ravel_pytree(params)

        def value(at):
            return pair.model.loss(pair.model.apply(unravel(at), jnp.asarray(pair.model.inputs)))

        return np.asarray(jax.hessian(value)(flat))


@pytest.mark.parametrize("group", ["rotations", "both-sides", "across-tensors", "rescaling", "general-linear"])
def test_the_hessians_for_newtons_method_are_invertible(group):
    values = np.abs(np.linalg.eigvalsh(flat_hessian(pair(group))))
    assert values.min() > 1e-6 * values.max()


def test_predictions_follow_the_kinds_of_maps():
    row = next(row for row in ROWS if row.name == "muon")
    assert [row.predicts(maps) for maps in Maps] == [True, True, False, False]
    assert row.predicts(None)
    assert Row("own", lambda: None).predicts(Maps.SIGNED) is None


@pytest.mark.slow
def test_gradient_descent_moves_charges_at_second_order_and_adam_at_first():
    exact, rough = (cell_named(name, "general-linear").charge for name in ("sgd", "adam"))
    assert (exact.predicted, exact.found) == ("yes", "yes")
    assert (rough.predicted, rough.found) == ("no", "no")
    assert exact.drift is not None
    assert rough.drift is not None
    assert 0 < exact.drift < rough.drift


def test_adam_commutes_with_a_translation_and_does_not_conserve_its_charge():
    cell = cell_named("adam", "translation")
    assert (cell.found, cell.charge.found) == ("yes", "no")
    assert cell.charge.drift is not None
    assert cell.charge.drift > 1e-6


def test_a_cell_that_is_found_otherwise_than_predicted_does_not_agree():
    wrong = Row("adam", lambda: optax.adam(0.01), Maps.ORTHOGONAL, address="tests:none")
    cell = search_cell(wrong, COLUMNS["rotations"])
    assert (cell.predicted, cell.found, cell.agrees) == ("yes", "no", False)


def rounded(grads, params):
    """Gradient descent that loses digits: g is added to a large number and taken off again."""
    large = 1e6 * (1 + sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params)))
    return jax.tree.map(lambda g: -0.1 * ((g + large) - large), grads)


def test_what_the_last_word_clears_in_a_cell_is_a_yes_and_is_counted(monkeypatch):
    monkeypatch.setattr(grid, "Options", partial(grid.Options, evaluator="xla"))  # walked, it rouses no suspicion
    cell = search_cell(Row("rounds", lambda: stateless(rounded), address="tests:none"), COLUMNS["rotations"])
    assert (cell.step, cell.trajectory, cell.counterexample) == ("yes", "yes", None)
    assert cell.cleared == cell.to_record()["cleared"] > 0
    remarks = [str(line) for line in table._remarks([cell], 1.0, None, verbose=False)]
    assert f"at {cell.cleared} probes the sides differed by rounding inside the program" in remarks


def test_what_the_compiled_program_does_not_violate_is_no_answer(disputing):
    cell = search_cell(next(row for row in ROWS if row.name == "sign descent"), COLUMNS["rotations"])
    assert (cell.step, cell.counterexample, cell.agrees) == ("?", None, False)
    assert "the compiled program does not" in cell.reason


def test_a_trajectory_is_asked_for_itself_where_a_step_is_not_what_it_should_be():
    cell = search_cell(next(row for row in ROWS if row.name == "sign descent"), COLUMNS["rotations"])
    assert (cell.step, cell.trajectory, cell.reason) == ("no", "no", "")


def test_a_property_that_cannot_be_evaluated_takes_no_other_answer_of_its_cell_down(monkeypatch):
    real = grid.optimizer_properties

    def broken(*given, **more):
        step, trajectory = real(*given, **more)
        return step, replace(trajectory, sides=lambda point: 1 // 0)

    monkeypatch.setattr(grid, "optimizer_properties", broken)
    cell = search_cell(Row("plain", lambda: stateless(plain_descent), address="tests:none"), COLUMNS["rotations"])
    assert (cell.step, cell.trajectory, cell.agrees) == ("yes", "?", False)
    assert "ZeroDivisionError" in cell.reason


def test_a_drift_that_stands_still_is_said_of_the_cell_and_does_not_hang_it(monkeypatch):
    monkeypatch.setattr(watchdog, "LIMIT", 1.0)
    monkeypatch.setattr(watchdog, "POLL", 0.2)
    never = Event()

    def wait(drift: Any) -> Any:
        never.wait()
        return drift

    def waiting(optimizer: Any, point: Any) -> Any:
        drift, *others = charge_drift(optimizer, point)
        promised = jax.ShapeDtypeStruct(drift.shape, drift.dtype)
        return jax.pure_callback(wait, promised, drift, vmap_method="sequential"), *others

    monkeypatch.setattr(grid, "charge_drift", waiting)
    row = Row("stands still", lambda: stateless(plain_descent), address="tests:none")
    try:
        cell = search_cell(row, COLUMNS["translation"])
    finally:
        never.set()
    assert "the program of the drift of the charges of 'stands still' stood still" in cell.reason
    assert (cell.charge.found, cell.charge.drift) == ("?", None)
    assert "?" not in (cell.step, cell.trajectory)
    assert not cell.agrees


# ---- our own two ----------------------------------------------------------------------------------------------------


def test_newton_solves_a_quadratic_in_one_step(float64):
    matrix = jnp.array([[3.0, 1.0], [1.0, 2.0]])

    def value(x):
        return 0.5 * x @ matrix @ x - jnp.sum(x)

    x = jnp.array([5.0, -7.0])
    optimizer = preconditioners.newton()
    step, _ = optimizer.update(jax.grad(value)(x), optimizer.init(x), x, value_fn=value)
    np.testing.assert_array_almost_equal_nulp(np.asarray(x + step), np.linalg.solve(matrix, np.ones(2)), 16)


def test_a_first_shampoo_step_orthogonalises_the_gradient(float64):
    gradient = jnp.asarray(np.random.default_rng(0).standard_normal((4, 3)))
    optimizer = preconditioners.shampoo(1.0, ridge=1e-14)
    step, _ = optimizer.update(gradient, optimizer.init(gradient))
    u, _, v = np.linalg.svd(gradient, full_matrices=False)
    assert np.abs(np.asarray(step) + u @ v).max() < 1e-6  # the ridge, over the smallest singular value squared


# ---- the faces ------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out, err

    return call


def test_the_table_prints_yes_no_and_the_charges_and_exits_with_0(command, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(table, "SILENCE", np.inf)
    code, out, err = command("optimizers", "eqprop.optimizers.zoo:sgd", "--match", "general", "--jobs", "1")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].split() == ["optimizer", "GL(n)"]
    assert lines[1].split() == ["sgd", "no"]
    assert any(line.startswith("sgd") and "η²" in line for line in lines[2:])
    assert max(map(len, lines)) <= 80


def test_the_table_as_json_holds_every_counterexample_and_each_is_replayed(command, tmp_path):
    code, out, _ = command(
        "optimizers", "eqprop.optimizers.zoo:sgd", "--match", "rescaling", "-j", "1", "--format", "json"
    )
    record = json.loads(out)
    assert code == record["exit_code"] == 0
    (cell,) = record["cells"]
    assert (cell["predicted"], cell["step"], cell["trajectory"]) == ("?", "no", "no")
    assert str(replay(tmp_path / cell["counterexample"]["file"]).answer) == "STILL FAILS"


def test_a_log_file_gets_a_sign_of_life(command, monkeypatch):
    monkeypatch.setattr(table, "SILENCE", 0)
    _, _, err = command("optimizers", "eqprop.optimizers.zoo:sgd", "--match", "rescaling", "-j", "1")
    assert err == "1 of 1 cells, sgd × rescaling: no\n"


def test_verbose_prints_the_counterexamples(command):
    _, out, _ = command("optimizers", "eqprop.optimizers.zoo:sgd", "--match", "rescaling", "-j", "1", "-v")
    assert "Falsified: optimizer-step (order 1) for rescaling" in out
    assert "optimizer='eqprop.optimizers.zoo:sgd'" in out


def test_a_disagreement_exits_with_1_and_says_what_was_found(monkeypatch):
    wrong = (Row("sgd", lambda: optax.sgd(0.01), Maps.INVERTIBLE, gradient=True, along=True, address="here:none"),)
    monkeypatch.setattr("eqprop.optimizers.grid.ROWS", wrong)
    monkeypatch.setattr("eqprop.optimizers.grid._own", lambda address: wrong[0])
    text, code = run_table(match="rescaling", targets=(), output="text", save=None, jobs=1, verbose=False)
    assert code == 1
    assert "sgd × rescaling: predicted yes, found no" in text
    assert "no!" in text


def test_a_match_that_leaves_nothing_names_what_there_is(command):
    code, _, err = command("optimizers", "--match", "adamant")
    assert code == 2
    assert "the optimisers are: sgd, momentum" in err


def test_without_optax_the_command_says_how_to_install_it(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    code, _, err = command("optimizers")
    assert code == 2
    assert err.count("\n") == 1
    assert "pip install 'eqprop[optimizers]'" in err


def test_verify_takes_the_optimiser_by_its_address(command):
    target = ("verify", "eqprop.optimizers.pairs:pairs", "--match", "rotations", "--property", "optimizer-step")
    assert command(*target, "--optimizer", "eqprop.optimizers.zoo:sgd")[0] == 0
    code, out, _ = command(*target, "--optimizer", "eqprop.optimizers.zoo:adam")
    assert code == 1
    assert "eqprop replay .eqprop/rotations-optimizer-step-" in out


def test_an_optimiser_is_verified_from_pytest(pytester):
    pytester.makepyfile(
        """
        import eqprop, optax
        from eqprop.optimizers.pairs import pairs

        (rotations,) = [pair for pair in pairs() if pair.name == "rotations"]

        @eqprop.parametrize(rotations, properties=["equivariance"], optimizer=optax.adam(0.01))
        def test_symmetries(case):
            case.verify()
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*rotations::optimizer-step*", "*optimizer = ...  # optimizer, as it was passed*"])


def test_a_table_whose_process_is_killed_says_so_in_a_line(monkeypatch):
    class Dying:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __enter__(self) -> Dying:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def map(self, *_: Any) -> Any:
            msg = "A process in the process pool was terminated abruptly"
            raise BrokenProcessPool(msg)

    monkeypatch.setattr(grid, "ProcessPoolExecutor", Dying)
    cells = [(ROWS[0], column) for column in grid.columns()[:2]]
    with pytest.raises(
        InvalidInput, match=r"^a process that searched .* was killed .*; with --jobs 1 all are searched"
    ):
        list(grid.searched(cells, None, jobs=2))
