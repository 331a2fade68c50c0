"""Optimisers beside transformations: which commute with which, and what the command prints of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop import groups
from eqprop.engine import watchdog
from eqprop.errors import Falsified, InvalidInput
from eqprop.faces.cli import main
from eqprop.optimizers import grid, preconditioners, table
from eqprop.optimizers import run as run_table
from eqprop.optimizers.grid import Cell, search_cell
from eqprop.optimizers.pairs import columns
from eqprop.optimizers.zoo import ROWS, Maps, Row
from eqprop.properties.optimizers import charge_drift
from eqprop.runs import replay

pytest_plugins = "pytester"

COLUMNS = {column.name: column for column in columns()}
OF_OPTIMIZER = ["optimizer-step", "optimizer-trajectory"]
QUICK: dict[str, Any] = {"properties": OF_OPTIMIZER}


class Simple(NamedTuple):
    """A user's own optimiser, without optax."""

    init: Any
    update: Any


def stateless(step):
    return Simple(lambda params: (), lambda grads, state, params: (step(grads, params), state))


def plain_descent(grads, params):
    return jax.tree.map(lambda g: -0.1 * g, grads)


def pair(group="permutations"):
    return COLUMNS[group].pair


def outcomes(report):
    return {v.property.name: str(v.outcome) for v in report.verdicts}


def run(optimizer, group="permutations", **rest):
    return eqprop.run(pair(group), optimizer=optimizer, **(QUICK | rest))


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
    monkeypatch.setattr(watchdog, "POLL", 0.05)
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


# ---- verify ---------------------------------------------------------------------------------------------------------


def test_without_an_optimiser_its_properties_do_not_exist():
    with pytest.raises(InvalidInput, match="no property is called 'optimizer-step'"):
        eqprop.run(pair(), properties=["optimizer-step"])


def test_the_properties_of_an_optimiser_are_added_to_those_that_were_asked_for():
    report = eqprop.run(pair(), properties=["equivariance"], optimizer=optax.sgd(0.1))
    assert list(outcomes(report)) == ["equivariance", *OF_OPTIMIZER]
    assert report.ok


def test_an_optimiser_that_does_not_commute_is_falsified_with_a_counterexample_that_runs():
    with pytest.raises(Falsified, match="optimizer-step") as caught:
        eqprop.verify(pair("rotations"), optimizer=optax.sign_sgd(0.1), properties=["optimizer-step"])
    (verdict,) = caught.value.report.verdicts
    code = verdict.counterexample.code
    assert "optimizer = ...  # optimizer, as it was passed to eqprop" in code
    assert verdict.counterexample.replay.endswith("optimizer=optimizer)")
    replaced = code.replace("pair = ...", "pair = given").replace("optimizer = ...", "optimizer = of_user")
    with pytest.raises(Falsified, match="optimizer-step"):
        exec(replaced, {"given": pair("rotations"), "of_user": optax.sign_sgd(0.1)})


def test_a_trajectory_is_blocked_by_its_first_step():
    assert outcomes(run(optax.sign_sgd(0.1), "rotations")) == {
        "optimizer-step": "falsified",
        "optimizer-trajectory": "blocked",
    }


def test_an_optimiser_of_ones_own_that_commutes_holds():
    assert run(stateless(plain_descent), "rotations").ok


def test_an_optimiser_of_ones_own_that_does_not_commute_is_falsified():
    def uneven(grads, params):
        return jax.tree.map(lambda g: -0.1 * g * jnp.linspace(1.0, 2.0, g.size).reshape(g.shape), grads)

    assert outcomes(run(stateless(uneven)))["optimizer-step"] == "falsified"


def test_momentum_that_forgets_one_tensor_is_caught_by_the_trajectory_alone():
    """The first step has no moments to forget."""
    right: Any = optax.sgd(0.1, momentum=0.9)

    def forget(updates, state, params=None):
        steps, after = right.update(updates, state, params)
        trace = after[0].trace
        first = jnp.zeros_like(trace["w1"]).at[:, 0].set(trace["w1"][:, 0])
        return steps, (after[0]._replace(trace={**trace, "w1": first}), *after[1:])

    found = outcomes(run(Simple(right.init, forget)))
    assert found == {"optimizer-step": "holds", "optimizer-trajectory": "falsified"}


def test_adam_with_a_slip_of_1e_9_in_one_unit_is_caught():
    right: Any = optax.adam(1e-3)

    def slip(updates, state, params=None):
        steps, after = right.update(updates, state, params)
        return {**steps, "w1": steps["w1"].at[:, 0].multiply(1 + 1e-9)}, after

    assert outcomes(run(Simple(right.init, slip), properties=["optimizer-step"])) == {"optimizer-step": "falsified"}
    assert run(right, properties=["optimizer-step"]).ok


def test_the_sign_of_a_gradient_that_is_exactly_zero_falsifies_nothing():
    """Two inputs cancel: the gradient is zero up to the order of a sum, and its sign is that of a rounding error."""
    model = eqprop.Model(
        lambda w, x: jnp.stack([jnp.sum(w * x), jnp.sum(w * x)]),
        np.array([1.0, 2.0, 3.0]),
        np.array([0.1, 0.2, 0.3]),
        loss=lambda y: y[0] / 3 - y[1] / 3,
    )
    moves = eqprop.Transformation(groups.Permutation(3), lambda p, w: w[p], on_inputs=lambda p, x: x[p])
    still = eqprop.Transformation(groups.Permutation(3), lambda p, w: w)
    assert set(outcomes(eqprop.run(eqprop.Pair(model, moves), optimizer=optax.sign_sgd(0.1), **QUICK)).values()) == {
        "not applicable"
    }
    found = outcomes(eqprop.run(eqprop.Pair(model, still), optimizer=optax.sign_sgd(0.1), **QUICK))
    assert "falsified" not in found.values()


def test_a_rounding_error_that_a_sign_makes_large_is_no_violation():
    """At identical units with opposite weights gradients cancel to rounding errors, in an order that K changes."""

    def apply(params, x):
        return jnp.tanh(x @ params["w1"]) @ params["w2"]

    params = {"w1": np.ones((2, 3)), "w2": np.array([0.1, 0.2, -0.3])}
    model = eqprop.Model(apply, params, np.ones((1, 2)), loss=lambda y: jnp.sum(y**2))
    moves = eqprop.hidden_units(groups.Permutation(3), writes={"w1": 1}, reads={"w2": 0})
    found = outcomes(eqprop.run(eqprop.Pair(model, moves), optimizer=optax.sign_sgd(0.1), **QUICK))
    assert "falsified" not in found.values()


def test_a_line_search_gets_the_value_the_gradient_and_the_function():
    seen = []

    def update(grads, state, params, *, value, grad, value_fn):
        seen.append(jax.tree.structure(grad) == jax.tree.structure(params))
        shrunk = jax.tree.map(lambda p, g: p - 0.1 * g, params, grad)
        rate = jnp.where(value_fn(shrunk) < value, 0.1, 0.01)
        return jax.tree.map(lambda g: -rate * g, grads), state

    assert run(Simple(lambda params: (), update), "rotations").ok
    assert seen
    assert all(seen)


@pytest.mark.slow
def test_optax_lbfgs_runs_with_its_line_search():
    assert outcomes(run(optax.lbfgs(), "rotations", properties=["optimizer-step"])) == {"optimizer-step": "holds"}


def test_integer_leaves_are_none_to_the_optimiser_and_stay_as_they_are():
    seen = []

    def init(params):
        seen.append(params)
        return ()

    params = {"scale": np.array([2, 3]), "w": np.array([1.0, 2.0])}
    model = eqprop.Model(lambda p, x: jnp.sum(jnp.tanh(p["w"] * x)) * p["scale"][0], params, np.ones(2))
    moves = eqprop.Transformation(groups.Permutation(2), lambda g, p: {**p, "w": p["w"][jnp.argsort(g)]})
    optimizer = Simple(init, lambda grads, state, params: (plain_descent(grads, params), state))
    model = eqprop.Model(model.apply, params, np.ones(1))
    assert eqprop.run(eqprop.Pair(model, moves), optimizer=optimizer, **QUICK).ok
    assert all(params["scale"] is None for params in seen)


def test_a_model_in_float32_is_verified_in_float32():
    given = pair()
    params, inputs = (jax.tree.map(np.float32, tree) for tree in (given.model.params, given.model.inputs))
    model = eqprop.Model(given.model.apply, params, inputs)
    report = eqprop.run(
        given.replaced(model=model), precision="model", properties=["optimizer-step"], optimizer=optax.adam(1e-2)
    )
    assert (outcomes(report), report.verdicts[0].reason) == ({"optimizer-step": "holds"}, "")
    assert report.verdicts[0].precision == "float32"


# ---- optimisers that cannot be used ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0.1, optax.adam, object()])
def test_something_without_init_and_update_is_no_optimiser(wrong):
    with pytest.raises(InvalidInput, match=r"which has no callable init and no callable update; expected an optax"):
        eqprop.run(pair(), optimizer=wrong)


BROKEN = {
    "structure": (stateless(lambda grads, params: {"w1": grads["w1"]}), r"changed the structure.*missing: b1, w2"),
    "shape": (
        stateless(lambda grads, params: {**grads, "w1": grads["w1"].T[:2]}),
        r"shape \(2, 3\) for 'w1'; expected the parameter's shape \(3, 3\)",
    ),
    "dtype": (
        stateless(lambda grads, params: jax.tree.map(lambda g: jnp.zeros(g.shape, int), grads)),
        r"update of dtype int64 for 'b1'",
    ),
    "nan": (
        stateless(lambda grads, params: jax.tree.map(lambda g: g / (0 * g), grads)),
        r"returned (nan|-?inf) for 'b1'.*add an eps",
    ),
    "no pair": (Simple(lambda params: (), lambda grads, state, params: grads), r"expected a pair \(updates, state\)"),
    "raises": (
        Simple(lambda params: (), lambda grads, state: (grads, state)),
        r"update\(grads, state, params\) raised",
    ),
    "state": (
        Simple(lambda params: jnp.zeros(2), lambda grads, state, params: (grads, state[:1])),
        r"changed the state at '\.' from float64\[2\] to float64\[1\]",
    ),
    "string": (Simple(lambda params: "zero", lambda grads, state, params: (grads, state)), r"put 'zero' \(str\)"),
    "branch": (
        stateless(lambda grads, params: grads if grads["b1"][0] > 0 else params),
        r"cannot be traced by JAX",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_an_update_does_wrong_is_an_error_that_says_so(kind):
    optimizer, message = BROKEN[kind]
    report = run(optimizer)
    assert set(outcomes(report).values()) == {"error"}
    assert report.exit_code == 2
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(report.verdicts[0].reason)


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
