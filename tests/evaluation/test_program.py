"""Programs: batches in chunks, models without batching rules, the model's own precision, reverse-only models."""

from __future__ import annotations

from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest
from jax.interpreters import mlir

import eqprop
from eqprop import groups
from eqprop.evaluation import Choice, Program, applicable, compiled, evaluators, rounding_inside
from eqprop.evaluation import program as programs
from eqprop.evaluation.walked import Walked
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE, Property, by_name
from eqprop.properties.parts import in_outputs

EVALUATORS = ("numpy", "xla")
FEW = tuple(by_name(name) for name in ("group-laws", "equivariance", "gradient-covariance", "hessian-generator"))


def apply(p: Any, x: Any) -> Any:
    return jax.nn.relu(x @ p["w1"]) @ p["w2"]


def scaling_pair(apply: Any = apply, dtype: Any = np.float64, **changes: Any) -> eqprop.Pair:
    params = {"w1": np.ones((3, 4), dtype), "w2": np.ones((4, 2), dtype)}
    model = eqprop.Model(apply, params, np.ones((5, 3), dtype), trained=False, **changes)
    return eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(4), writes={"w1": 1}, reads={"w2": 0}))


def judged(program: Program, count: int = 12) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return program.judge(program.draw(rng, count), rng)


def assert_settled_without_a_violation(program: Program) -> None:
    for name, found in judged(program).items():
        assert not found.suspect.any(), name
        assert (~found.inconclusive & ~found.vacuous).sum() >= 4, name


def test_one_property_alone_has_the_sides_that_it_has_among_others():
    program = Program(scaling_pair(), FEW, SQUARED_ERROR)
    probes = program.draw(np.random.default_rng(0), 3)
    whole = program.evaluate(probes)
    for name, sides in whole.items():
        alone = program.evaluate(probes, name)
        assert list(alone) == [name]
        for one, other in zip(alone[name], sides, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("evaluator", ["numpy", "xla"])
def test_the_first_leaf_alone_is_what_it_is_among_others(evaluator: Choice):
    program = Program(scaling_pair(), (by_name("charge-flow"),), SQUARED_ERROR, evaluator=evaluator)
    probe = program.draw(np.random.default_rng(0), 1).at(0)
    whole, first = program.compare("charge-flow", probe), program.compare("charge-flow", probe, first=True)
    assert (len(whole.names), first.names) == (2, whole.names[:1])
    np.testing.assert_array_equal([first.lhs, first.rhs], [whole.lhs[:1], whole.rhs[:1]])


def test_a_program_that_runs_long_is_compiled_once_more_and_says_the_same(monkeypatch: pytest.MonkeyPatch):
    program = Program(scaling_pair(), FEW, SQUARED_ERROR, evaluator="xla")
    probes = program.draw(np.random.default_rng(0), 8)
    monkeypatch.setattr(compiled, "HOT", 2 * 8 * program.pair.model.param_leaves.size)
    calls, found = [], []
    for _ in range(4):
        found.append(program.evaluate(probes))
        calls.append(vars(program.evaluator)["_call"])
    assert calls[0] is calls[1] is not calls[2]
    assert calls[2] is calls[3]
    for name, sides in found[0].items():
        for before, after in zip(sides, found[2][name], strict=True):
            np.testing.assert_allclose(before, after, atol=1e-12 * np.abs(before).max(initial=1.0), rtol=0)


def test_what_is_walked_often_is_compiled_and_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluators, "WALKS", 2.0)
    program = Program(scaling_pair(), FEW, SQUARED_ERROR)
    seen = []
    for _ in range(4):
        assert_settled_without_a_violation(program)
        seen.append(program.why_compiled)
    assert seen == ["", "", *["it has walked 2 batches"] * 2]


def test_a_large_batch_counts_by_its_rows():
    program = Program(scaling_pair(), FEW, SQUARED_ERROR, evaluator="numpy")
    judged(program, count=640)
    assert isinstance(program.evaluator, Walked)
    assert program.evaluator.batches == 10


# -- chunks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "value", "rows"),
    [("PROBES", 7, 35), ("PROBES", 12, 60), ("NUMBERS_PER_CALL", 45, 2), ("NUMBERS_PER_CALL", 3, 1)],
    ids=[
        "rows that do not divide the batch",
        "one call of exactly the batch",
        "two rows a call",
        "more parameters than fit",
    ],
)
def test_a_batch_in_chunks_is_judged_like_a_whole_one(
    limit: str, value: int, rows: int, monkeypatch: pytest.MonkeyPatch
):
    pair = scaling_pair()
    whole = Program(pair, FEW, SQUARED_ERROR, evaluator="xla")
    monkeypatch.setattr(programs if limit == "PROBES" else compiled, limit, value)
    chunked = Program(pair, FEW, SQUARED_ERROR, evaluator="xla")
    assert chunked.evaluator.rows == rows
    for (name, a), b in zip(judged(whole).items(), judged(chunked).values(), strict=True):
        for field in ("suspect", "inconclusive", "vacuous", "finite"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=name)
        # Compiled for another number of rows, sums may be added up in another order: a few roundings of the same terms.
        np.testing.assert_array_less(np.abs(a.residual - b.residual), a.floor + b.floor + 1e-300)
        np.testing.assert_allclose(a.size, b.size, rtol=1e-9)


def test_rows_that_only_fill_the_last_chunk_are_not_returned():
    program = Program(scaling_pair(), FEW, SQUARED_ERROR, evaluator="xla")
    probes = program.draw(np.random.default_rng(0), 3)
    for name, sides in program.evaluate(probes).items():
        assert {len(side) for side in sides} == {3}, name


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_sides_come_leaf_by_leaf_with_names_and_shapes(evaluator: Choice):
    program = Program(scaling_pair(), FEW, SQUARED_ERROR, evaluator=evaluator)
    probes = program.draw(np.random.default_rng(0), 2)
    found = program.compare("gradient-covariance", probes.at(1))
    assert found.names == ("w1", "w2")
    assert [side.shape for side in found.lhs] == [(3, 4), (4, 2)]
    flat = np.concatenate([np.ravel(leaf) for leaf in found.rhs])
    np.testing.assert_array_equal(flat, program.evaluate(probes)["gradient-covariance"][1][1])


def test_only_the_fields_that_the_properties_read_are_drawn():
    program = Program(scaling_pair(), FEW[:2], SQUARED_ERROR)
    drawn = program.draw(np.random.default_rng(0), 2)
    assert {name for name, value in vars(drawn).items() if value is not None} == {
        "params",
        "inputs",
        "element",
        "element2",
    }


# -- models that resist -----------------------------------------------------------------------------------------------

unbatched = jax.extend.core.Primitive("sine_without_batching_rule")
unbatched.def_impl(np.sin)
unbatched.def_abstract_eval(lambda x: x)
mlir.register_lowering(unbatched, mlir.lower_fun(jnp.sin, multiple_results=False))


@jax.custom_jvp
def sine(x: Any) -> Any:
    return unbatched.bind(x)


sine.defjvp(lambda x, u: (sine(x[0]), u[0] * sine(x[0] + np.pi / 2)))


@jax.custom_jvp
def sine_on_the_host(x: Any) -> Any:
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


sine_on_the_host.defjvp(lambda x, u: (sine_on_the_host(x[0]), u[0] * sine_on_the_host(x[0] + np.pi / 2)))


# JAX calls back on a thread of its own, which a scoped float64 does not reach: callbacks work in float32 alone.
@pytest.mark.parametrize(
    ("function", "dtype", "precision"),
    [(sine, np.float64, "float64"), (sine_on_the_host, np.float32, "model")],
    ids=["primitive", "callback"],
)
def test_a_model_with_an_operation_that_has_no_batching_rule_is_judged_row_by_row(
    function: Any, dtype: Any, precision: Any
):
    odd = scaling_pair(lambda p, x: function(jnp.tanh(x @ p["w1"])) @ p["w2"], dtype)
    flips = eqprop.hidden_units(groups.Sign(4), writes={"w1": 1}, reads={"w2": 0})
    pair = odd.replaced(transformation=flips)
    assert_settled_without_a_violation(Program(pair, FEW[:3], SQUARED_ERROR, precision))
    wrong = flips.on_params
    broken = eqprop.Transformation(groups.Sign(4), lambda s, p: {**wrong(s, p), "w2": p["w2"]})
    program = Program(pair.replaced(transformation=broken), FEW[1:2], SQUARED_ERROR, precision)
    probes = program.draw(np.random.default_rng(0), 3)
    assert program.judge(probes, np.random.default_rng(0))["equivariance"].suspect.all()
    assert rounding_inside(program, "equivariance", probes, np.random.default_rng(0)).suspect.all()


@jax.custom_vjp
def fused_relu(x: Any) -> Any:
    return jnp.maximum(x, 0)


fused_relu.defvjp(lambda x: (fused_relu(x), x), lambda x, w: (jnp.where(x > 0, w, 0),))


def test_a_reverse_only_model_is_found_out_and_verified_in_full():
    pair = scaling_pair(lambda p, x: fused_relu(x @ p["w1"]) @ p["w2"])
    properties = applicable(pair, CORE)
    program = Program(pair, properties, SQUARED_ERROR)
    assert program.reverse_only
    left = {prop.name for prop in set(CORE) - set(properties)}
    assert left == {"tangent-kernel-covariance", "near-equivariance", "defect", "defect-curvature"}
    assert_settled_without_a_violation(program)


def test_a_forward_model_is_not_treated_with_care():
    assert not Program(scaling_pair(), FEW, SQUARED_ERROR).reverse_only


def test_an_error_of_the_model_is_its_own():
    def broken(p: Any, x: Any) -> Any:
        msg = "the model's own mistake"
        raise TypeError(msg)

    with pytest.raises(TypeError, match="the model's own mistake"):
        Program(scaling_pair(broken), FEW, SQUARED_ERROR)


# -- precision --------------------------------------------------------------------------------------------------------


def test_float32_parameters_are_judged_in_float64_by_default():
    program = Program(scaling_pair(dtype=np.float32), FEW, SQUARED_ERROR)
    assert set(program.lowest.values()) == {"float64"}
    assert program.draw(np.random.default_rng(0), 1).params[0].dtype == np.float64
    assert np.median(judged(program)["equivariance"].resolution) < 1e-12


def test_the_models_own_float32_on_request():
    program = Program(scaling_pair(dtype=np.float32), FEW, SQUARED_ERROR, "model")
    assert set(program.lowest.values()) == {"float32"}
    drawn = program.draw(np.random.default_rng(0), 1)
    assert {leaf.dtype for leaf in jax.tree.leaves(drawn) if leaf.dtype.kind == "f"} == {np.dtype(np.float32)}
    assert_settled_without_a_violation(program)
    assert 1e-7 < np.nanmedian(judged(program)["equivariance"].resolution) < 1e-3


@pytest.mark.parametrize("precision", ["float64", "model"])
def test_integer_elements_and_tokens_go_through_both_precisions(precision: Any):
    params = {"e": np.ones((6, 3), np.float32), "a": np.ones((3, 2), np.float32)}
    model = eqprop.Model(lambda p, t: jnp.sin(p["e"][t]) @ p["a"], params, np.arange(6), trained=False)
    pair = eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(3), writes={"e": 1}, reads={"a": 0}))
    assert_settled_without_a_violation(Program(pair, FEW[:3], SQUARED_ERROR, precision))


def test_a_planted_relative_error_of_1e_3_is_seen_in_float32():
    pair = scaling_pair(dtype=np.float32)
    act = pair.transformation.on_params

    def planted(a: Any, p: Any) -> Any:
        moved = act(a, p)
        return {**moved, "w2": moved["w2"] * 1.001}

    broken = pair.replaced(transformation=eqprop.Transformation(groups.Scaling(4), planted))
    found = judged(Program(broken, FEW[:3], SQUARED_ERROR, "model"))
    assert all(judgement.suspect.any() for judgement in found.values())


def float32_softmax(p: Any, x: Any) -> Any:
    hidden = jnp.tanh(x @ p["w1"])
    return (hidden * jax.nn.softmax(hidden.astype(jnp.float32)).astype(hidden.dtype)) @ p["w2"]


def permuted(error: float) -> Program:
    pair = scaling_pair(float32_softmax)
    act = eqprop.hidden_units(groups.Permutation(4), writes={"w1": 1}, reads={"w2": 0}).on_params

    def planted(s, p):
        return jax.tree.map(lambda leaf: leaf * (1 + error), act(s, p))

    transformation = eqprop.Transformation(groups.Permutation(4), planted)
    return Program(pair.replaced(transformation=transformation), FEW[:3], SQUARED_ERROR)


def test_a_float32_softmax_sets_the_floor_of_the_properties_that_run_it_and_of_no_other():
    program = permuted(0.0)
    assert program.lowest == {"group-laws": "float64", "equivariance": "float32", "gradient-covariance": "float32"}
    found = judged(program)
    assert np.median(found["group-laws"].resolution) < 1e-12
    assert np.median(found["equivariance"].resolution) > 1e-6
    assert_settled_without_a_violation(program)


def test_a_slip_far_below_float32_is_seen_by_the_group_laws_beside_a_float32_softmax():
    found = judged(permuted(1e-9))
    assert list(found) == ["group-laws", "equivariance", "gradient-covariance"]
    assert found["group-laws"].suspect.all()
    assert not found["equivariance"].suspect.any()


# -- the user's process -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [False, True], ids=["user in float32", "user in float64"])
def test_the_global_configuration_is_the_same_before_and_after(wide: bool):
    with jax.enable_x64(wide):
        before = dict(jax.config.values)
        program = Program(scaling_pair(), FEW, SQUARED_ERROR)
        judged(program)
        probes = program.draw(np.random.default_rng(0), 1)
        rounding_inside(program, "equivariance", probes, np.random.default_rng(0))
        assert dict(jax.config.values) == before
        assert jax.config.values["jax_enable_x64"] == wide
        assert jnp.ones(1).dtype == (np.float64 if wide else np.float32)


def test_a_program_that_does_not_compile_leaves_the_configuration_alone_too():
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        Program(scaling_pair(lambda p, x: 1 / 0), FEW, SQUARED_ERROR)
    assert not jax.config.values["jax_enable_x64"]


def test_the_same_seed_gives_the_same_numbers():
    program = Program(scaling_pair(), FEW, SQUARED_ERROR)
    for a, b in zip(judged(program).values(), judged(program).values(), strict=True):
        np.testing.assert_array_equal(a.residual, b.residual)
        np.testing.assert_array_equal(a.floor, b.floor)


def test_a_property_of_ones_own_is_judged_like_the_others():
    doubled = Property(
        "doubled",
        0,
        "f(θ) = 2 f(θ)",
        "f = 2f",
        lambda point: (in_outputs(point.here.value, 2 * point.here.value),),
        frozenset({"params", "inputs"}),
    )
    assert judged(Program(scaling_pair(), (doubled,), SQUARED_ERROR))["doubled"].suspect.any()
