"""Floors, perturbations, precisions and judgements."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import eqprop
from eqprop import groups
from eqprop.engine import Roundoff, lowest_precisions
from eqprop.evaluation import Choice, Program, applicable, row
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.probes.losses import SMOOTH
from eqprop.properties import CORE, Property, by_name
from eqprop.properties.parts import of_numbers
from eqprop.rounding import MARGIN, Judgement, judge, judgement, measure, perturbed
from eqprop.rounding.floors import GROSS

EPS = float(np.finfo(np.float64).eps)
TINY = np.finfo(np.float64).tiny
NORMAL = st.floats(1e-100, 1e100) | st.floats(-1e100, -1e-100)

# -- precision --------------------------------------------------------------------------------------------------------


def rounded(x: Any, dtype: Any) -> Any:
    return x.astype(dtype).astype(x.dtype)


def in_scan(x: Any, dtype: Any) -> Any:
    return jax.lax.scan(lambda c, y: (c + rounded(y, dtype), None), jnp.zeros((), x.dtype), x)[0]


def in_while(x: Any, dtype: Any) -> Any:
    return jax.lax.while_loop(lambda c: c[0] > 3, lambda c: rounded(c, dtype) / 2, x)


def in_cond(x: Any, dtype: Any) -> Any:
    return jax.lax.cond(x[0] > 0, lambda y: y, lambda y: rounded(y, dtype), x)


def in_nested_jit(x: Any, dtype: Any) -> Any:
    return jax.jit(lambda y: jax.jit(lambda z: jnp.sum(rounded(z, dtype)))(y) + 1)(x)


def in_custom_rule(x: Any, dtype: Any) -> Any:
    rule = jax.custom_vjp(lambda y: rounded(y, dtype))
    rule.defvjp(lambda y: (y, None), lambda _, w: (w,))
    return rule(x)


def in_a_gradient_alone(x: Any, dtype: Any) -> Any:
    rule = jax.custom_vjp(lambda y: y)
    rule.defvjp(lambda y: (y, None), lambda _, w: (rounded(w, dtype),))
    return jax.grad(lambda y: jnp.sum(rule(y) ** 2))(x)


def closed_over_a_table(x: Any, dtype: Any) -> Any:
    return x * jnp.asarray(np.ones(3), dtype)


PLACES = [rounded, in_scan, in_while, in_cond, in_nested_jit, in_custom_rule, in_a_gradient_alone, closed_over_a_table]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16], ids=["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("place", PLACES)
def test_a_lower_precision_is_found_wherever_the_program_hides_it(place: Any, dtype: Any, float64: None):
    jaxpr = jax.make_jaxpr(lambda x: place(x, dtype))(np.ones(3))
    assert lowest_precisions(jaxpr)[0] == Roundoff(float(jnp.finfo(dtype).eps), np.dtype(dtype).name)


@pytest.mark.parametrize("place", PLACES)
def test_a_program_in_float64_throughout_has_the_precision_of_float64(place: Any, float64: None):
    assert lowest_precisions(jax.make_jaxpr(lambda x: place(x, np.float64))(np.ones(3)))[0] == Roundoff(EPS, "float64")


def test_a_program_of_integers_has_the_finest_precision():
    assert lowest_precisions(jax.make_jaxpr(lambda i: i + 1)(np.arange(3))) == [Roundoff(EPS, "float64")]


def test_each_output_has_the_precision_of_what_it_depends_on(float64: None):
    def program(x: Any, y: Any) -> Any:
        low = jnp.sin(rounded(y, jnp.float32))
        return x + 1, jnp.cos(x) * low, jax.jit(lambda z: z * 2)(x)

    jaxpr = jax.make_jaxpr(program)(np.ones(3), np.ones(3))
    assert [unit.name for unit in lowest_precisions(jaxpr)] == ["float64", "float32", "float64"]


def test_an_input_that_is_passed_through_and_a_constant_have_their_own_precision(float64: None):
    jaxpr = jax.make_jaxpr(lambda x, y: (x, y, np.float32(2)))(np.ones(2), np.ones(2, np.float32))
    assert [unit.name for unit in lowest_precisions(jaxpr)] == ["float64", "float32", "float32"]


# -- perturbation -----------------------------------------------------------------------------------------------------


def copies_of(leaf: np.ndarray, eps: float = EPS, copies: int = 6) -> np.ndarray:
    rows = perturbed(Probe(inputs=leaf), copies, eps, np.random.default_rng(0)).inputs
    assert rows.dtype == leaf.dtype
    return rows.reshape(leaf.shape[0], 1 + copies, *leaf.shape[1:])


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=NORMAL))
def test_every_number_moves_by_one_unit_in_its_last_place_and_the_probe_itself_stays(leaf: np.ndarray):
    rows = copies_of(leaf)
    np.testing.assert_array_equal(rows[:, 0], leaf)
    units = np.abs(rows[:, 1:] - leaf[:, None]) / np.spacing(np.abs(leaf))[:, None]
    # The unit is relative to the number: between one and two spacings of its binade.
    assert np.isin(units, [1.0, 2.0]).all()


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_lower_precisions_move_by_their_own_unit(dtype: Any):
    leaf = np.array([[1.0, -1.5, 3.0]]).astype(dtype)
    eps = float(jnp.finfo(dtype).eps)
    moved = np.abs(copies_of(leaf, eps)[:, 1:].astype(float) / leaf[:, None].astype(float) - 1)
    assert (moved >= eps / 2).all()
    assert (moved <= eps * 2).all()


def test_numbers_move_in_both_directions_independently_of_each_other():
    rows = copies_of(np.ones((1, 50)), copies=50)[0, 1:]
    assert 0.4 < (rows > 1).mean() < 0.6
    assert (rows > 1).mean(axis=0).min() > 0
    assert (rows > 1).mean(axis=0).max() < 1


def test_a_zero_moves_by_a_unit_of_the_largest_number_of_its_leaf_and_probe():
    rows = copies_of(np.array([[0.0, 8.0], [0.0, -0.25], [0.0, 0.0]]))
    np.testing.assert_array_equal(np.abs(rows[:, 1:, 0]), np.array([8.0, 0.25, 1.0])[:, None] * EPS * np.ones(6))


def test_a_leaf_of_one_zero_per_probe_moves_as_if_it_were_one():
    np.testing.assert_array_equal(np.abs(copies_of(np.zeros(2))[:, 1:]), EPS)


@pytest.mark.parametrize("leaf", [np.arange(6).reshape(2, 3), np.ones((2, 3), bool)], ids=["integers", "booleans"])
def test_integers_and_booleans_never_move(leaf: np.ndarray):
    assert (copies_of(leaf) == leaf[:, None]).all()


def test_empty_leaves_and_absent_fields_stay_as_they_are():
    probe = perturbed(Probe(params=(np.ones((2, 0)),), inputs=np.ones((2, 1))), 3, EPS, np.random.default_rng(0))
    assert probe.params[0].shape == (8, 0)
    assert probe.tangent is None


def test_infinities_and_the_largest_numbers_are_perturbed_without_a_warning():
    rows = copies_of(np.array([[np.inf, np.nan, 1e308, np.finfo(float).max]]))
    assert rows[0, 0, 2] == 1e308


# -- judgement --------------------------------------------------------------------------------------------------------


def judged(lhs: Any, rhs: Any, scales: Any = 0.0, spread: Any = 0.0) -> Judgement:
    """One probe, one leaf; the copies lie within the spread around the sides."""
    lhs, rhs = (np.atleast_1d(np.asarray(side, dtype=float)) for side in (lhs, rhs))
    offsets = np.array([0.0, 1.0, -1.0])[:, None] * spread
    with np.errstate(invalid="ignore"):
        rows = [(side + offsets * (i == 0))[None] for i, side in enumerate((lhs, rhs))]
    return judge(*rows, np.full((1, 3, 1), scales), np.array([0, lhs.size]), EPS)


NOTHING_TO_SEE = [
    ("a NaN", judged(np.nan, 1.0)),
    ("the same NaN on both sides", judged([1.0, np.nan], [1.0, np.nan])),
    ("infinities that agree", judged(np.inf, np.inf)),
    ("an infinite scale", judged(1.0, 1.0, scales=np.inf)),
    ("a NaN among the scales", judged(1.0, 2.0, scales=np.nan)),
    ("finite sides whose difference overflows", judged(1.7e308, -1.7e308)),
    ("a floor as large as the sides", judged(1.0, 1.001, spread=1.0)),
    ("a floor that leaves no digit", judged(1.0, 1.5, spread=2 * GROSS / MARGIN)),
    ("large terms that cancel to nothing", judged(1.0, 2.0, scales=1.0, spread=0.01)),
]


@pytest.mark.parametrize("found", [j for _, j in NOTHING_TO_SEE], ids=[label for label, _ in NOTHING_TO_SEE])
def test_what_settles_nothing_is_inconclusive_and_neither_a_pass_nor_a_violation(found: Judgement):
    assert found.inconclusive[0]
    assert not found.suspect[0]
    assert not found.vacuous[0]


def test_an_infinity_in_one_copy_alone_is_inconclusive():
    lhs = np.ones((1, 3, 1))
    lhs[0, 2, 0] = np.inf
    assert judge(lhs, np.ones((1, 3, 1)), np.zeros((1, 3, 1)), np.array([0, 1]), EPS).inconclusive[0]


def test_two_sides_that_vanish_with_all_their_terms_compare_nothing():
    found = judged([0.0, 0.0], [0.0, 0.0])
    assert found.vacuous[0]
    assert not found.inconclusive[0]
    assert not found.suspect[0]
    assert judged([], []).vacuous[0]


def test_two_sides_that_vanish_while_their_terms_do_not_are_a_pass():
    found = judged([0.0, 0.0], [0.0, 0.0], scales=1.0)
    assert not found.vacuous[0]
    assert not found.inconclusive[0]
    assert found.floors[0] == 0


def test_numbers_near_the_smallest_representable_compare_nothing():
    assert judged(TINY, 2 * TINY).vacuous[0]


def of_probes(values: list[float], spread: list[float]) -> Judgement:
    """Probes whose sides are a value and the same; a copy lies that far off."""
    sides = np.zeros((len(values), 2, 1))
    sides[:, 0, 0] = values
    moved = sides[:, :1] + np.array([[[0.0], [1.0]]]) * np.array(spread)[:, None, None]
    return judge(moved, moved, np.zeros_like(moved), np.array([0, 1]), EPS)


def test_a_side_that_is_zero_but_for_rounding_beside_sides_of_ordinary_size_compares_nothing():
    found = of_probes([1.0, 2.0, 3e-16], [1e-15, 1e-15, 5e-15])
    assert found.vacuous.tolist() == [False, False, True]
    assert not found.inconclusive.any()


@pytest.mark.parametrize("others", [[], [(1.0, 0.1)], [(1e-12, 1e-27)]], ids=["alone", "foggy", "small"])
def test_a_side_below_its_floor_stays_inconclusive_unless_ordinary_sides_stand_far_above_that_floor(
    others: list[tuple[float, float]],
):
    values, spread = (list(each) for each in zip(*others, (3e-16, 5e-15), strict=True))
    found = of_probes(values, spread)
    assert found.inconclusive[-1]
    assert not found.vacuous[-1]


def test_a_side_that_stands_above_its_floor_is_compared_or_inconclusive_however_small_it_is():
    found = of_probes([1.0, 1e-12, 1e-14], [1e-15, 1e-15, 1e-15])
    assert not found.vacuous.any()
    assert found.inconclusive.tolist() == [False, False, True]


def test_the_margin_is_where_a_residual_becomes_a_suspect():
    floor = 1e-9 + EPS
    assert not judged(1.0, 1.0 + 0.9 * MARGIN * floor, spread=1e-9).suspect[0]
    assert judged(1.0, 1.0 + 1.1 * MARGIN * floor, spread=1e-9).suspect[0]


def test_terms_that_cancel_raise_the_floor_and_lower_the_resolution():
    plain, cancelling = judged(1e-15, 2e-15), judged(1e-15, 2e-15, scales=1.0)
    assert plain.suspect[0]
    assert not cancelling.suspect[0]
    assert not cancelling.inconclusive[0]
    np.testing.assert_allclose(cancelling.resolution, MARGIN * EPS, rtol=1e-12)  # one division


def test_each_leaf_has_a_floor_of_its_own_and_the_worst_is_named():
    lhs, rhs = np.array([[[1e6, 1.0, 0.0]]]), np.array([[[1e6 * (1 + 2 * EPS), 1.0 + 1e-12, 0.0]]])
    found = judge(lhs, rhs, np.zeros((1, 1, 3)), np.array([0, 1, 2, 3]), EPS)
    assert found.worst_leaf[0] == 1
    assert found.suspect[0]


@given(st.floats(0.1, 10), st.floats(-1e-6, 1e-6), st.floats(1e-12, 1e-3), st.integers(-200, 200))
def test_a_judgement_does_not_depend_on_units_or_on_which_side_is_left(
    value: float, error: float, spread: float, power: int
):
    unit = 2.0**power
    one = judged(value, value + error, scales=value, spread=spread)
    other = judged(value * unit, (value + error) * unit, scales=value * unit, spread=spread * unit)
    assert one.floors[0] == other.floors[0]
    assert one.resolution[0] == other.resolution[0]
    swapped = judge(
        *(np.array([[[side]]]) for side in (value + error, value)), np.zeros((1, 1, 1)), np.array([0, 1]), EPS
    )
    straight = judge(
        *(np.array([[[side]]]) for side in (value, value + error)), np.zeros((1, 1, 1)), np.array([0, 1]), EPS
    )
    assert swapped.floors[0] == straight.floors[0]


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
@settings(max_examples=300)
def test_every_judgement_is_exactly_one_of_pass_suspect_inconclusive_and_vacuous(lhs: float, rhs: float):
    found = judged(lhs, rhs, scales=0.0)
    verdicts = int(found.suspect[0]) + int(found.inconclusive[0]) + int(found.vacuous[0])
    assert verdicts <= 1
    if verdicts == 0:
        assert found.floors[0] <= MARGIN
        assert np.isfinite([lhs, rhs]).all()


# -- errors that a property declares ----------------------------------------------------------------------------------


def with_error(residual: Any, error: Any, leaves: int = 1) -> Judgement:
    """One probe with sides 1 and 1 + residual, a leaf for each number; the copies say nothing and declare nothing."""
    lhs = np.ones((1, 3, leaves))
    errors = np.zeros((1, 3, leaves))
    errors[0, 0] = error
    return judgement(measure(lhs, lhs + residual, np.zeros_like(lhs), np.arange(leaves + 1), errors), EPS)


@pytest.mark.parametrize("error", [1e-12, 1e-9, 1e-6, 1e-4])
def test_a_declared_error_is_part_of_the_floor(error: float):
    assert with_error(1e-3, 0.0).suspect[0]
    below, above = (with_error(factor * MARGIN * (error + EPS), error) for factor in (0.95, 1.05))
    assert not below.suspect[0]
    assert not below.inconclusive[0]
    assert above.suspect[0]


def test_a_declared_error_lowers_the_resolution_until_the_probe_settles_nothing():
    np.testing.assert_allclose(with_error(0.0, 1e-6).resolution, MARGIN * 1e-6, rtol=1e-6)  # EPS and one division
    assert with_error(-1.5, 0.9 * GROSS / MARGIN).suspect[0]  # 1 against −½: as large as the sides
    gross = with_error(-1.5, 1.1 * GROSS / MARGIN)
    assert gross.inconclusive[0]
    assert not gross.suspect[0]


@pytest.mark.parametrize("error", [np.inf, np.nan])
def test_an_error_without_bound_is_inconclusive(error: float):
    found = with_error(1e-3, error)
    assert found.inconclusive[0]
    assert not found.suspect[0]
    assert not found.vacuous[0]


def test_a_declared_error_belongs_to_its_leaf_alone():
    found = with_error(np.array([1e-6, 1e-6]), np.array([1e-6, 0.0]), leaves=2)
    assert found.worst_leaf[0] == 1
    assert found.suspect[0]
    assert not with_error(np.array([1e-6, 0.0]), np.array([1e-6, 0.0]), leaves=2).suspect[0]


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize(
    ("error", "suspect", "inconclusive"),
    [
        (0.0, True, False),
        (1.1e-7, True, False),
        (1.1e-6 / 30, True, False),
        (1e-6, False, False),
        (np.inf, False, True),
    ],
)
def test_an_error_gets_from_a_propertys_sides_into_its_judgement(
    error: float, suspect: bool, inconclusive: bool, large: bool, evaluator: Choice, monkeypatch: pytest.MonkeyPatch
):
    def sides(point: Any) -> Any:
        size = jnp.sum(point.here.value**2)
        return (of_numbers(size, size * (1 + 1e-5), size, error=error * size),)

    if large:
        monkeypatch.setattr(row, "LARGE", 1)
    planted = Property("planted", 0, "", "", sides, frozenset({"params", "inputs"}))
    program = Program(relu_net(), (planted,), SQUARED_ERROR, evaluator=evaluator)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 12)
    found = program.judge(probes, rng)["planted"]
    settled = ~found.vacuous
    assert settled.any()
    assert (found.suspect[settled] == suspect).all()
    assert (found.inconclusive[settled] == inconclusive).all()
    assert (program.under_noise("planted", probes, rng).suspect[settled] == suspect).all()


# -- on real programs -------------------------------------------------------------------------------------------------


def relu_net(error: float = 0.0) -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        return jax.nn.relu(x @ p["w1"] + p["b1"][None]) @ p["w2"]

    params = {"w1": np.ones((3, 4)), "b1": np.ones(4), "w2": np.ones((4, 2))}
    scaling = eqprop.hidden_units(groups.Scaling(4), writes={"w1": 1, "b1": 0}, reads={"w2": 0})

    def planted(a: Any, p: Any) -> Any:
        moved = scaling.on_params(a, p)
        return {**moved, "w1": moved["w1"] * (1 + error)}

    transformation = eqprop.Transformation(groups.Scaling(4), planted if error else scaling.on_params)
    return eqprop.Pair(eqprop.Model(apply, params, np.ones((5, 3)), trained=False), transformation)


def judge_all(pair: eqprop.Pair, count: int = 200) -> dict[str, Judgement]:
    program = Program(pair, applicable(pair, CORE), SQUARED_ERROR)
    rng = np.random.default_rng(1)
    return program.judge(program.draw(rng, count), rng)


def test_the_residual_of_correct_code_stays_below_five_floors():
    for name, found in judge_all(relu_net()).items():
        settled = ~found.inconclusive & ~found.vacuous
        assert settled.mean() > 0.75, name
        assert found.floors[settled].max() < 5, name


def test_a_planted_relative_error_of_1e_9_stands_above_thirty_floors_in_every_property_that_it_touches():
    touched = {"group-laws", "equivariance", "jacobian-covariance", "gradient-covariance", "hessian-covariance"}
    found = judge_all(relu_net(1e-9))
    for name in touched | {"gauss-newton-covariance", "model-second-order"}:
        settled = ~found[name].inconclusive & ~found[name].vacuous
        assert found[name].suspect[settled].mean() > 0.5, name


def test_a_probe_at_an_exact_kink_is_inconclusive_and_no_violation():
    """relu(t) − relu(−t) = t everywhere, but JAX's derivative of the left side at 0 is 0."""
    split = eqprop.Model(lambda t, x: jax.nn.relu(t * x) - jax.nn.relu(-t * x), np.ones(1), np.ones(1))
    whole = eqprop.Model(lambda t, x: t * x, np.ones(1), np.ones(1))
    pair = eqprop.Pair(split, eqprop.Transformation(groups.Sign(1), lambda s, t: t), whole)
    program = Program(pair, (by_name("gradient-covariance"),), SMOOTH)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 8)
    theta = np.array([0.0, 0.5, 0.0, -2.0, 0.0, 1.0, 0.0, 3.0])[:, None]
    probes = Probe(**{**vars(probes), "params": (theta,), "inputs": np.ones((8, 1))})
    found = program.judge(probes, rng, copies=8)["gradient-covariance"]
    np.testing.assert_array_equal(found.inconclusive, theta[:, 0] == 0)
    assert not found.suspect.any()
