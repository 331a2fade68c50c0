"""Models that compute in float32, float16 or bfloat16, or return them, whatever they are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.evaluation import Program, applicable, rounding_inside
from eqprop.probes import DRAWN_LOSSES, SQUARED_ERROR
from eqprop.properties import CORE, by_name
from eqprop.results import Outcome
from eqprop.rounding import MARGIN, bar_of, judge
from eqprop.rounding.floors import COARSE, GROSS, MARGIN_COARSE

LOW = [jnp.float32, jnp.float16, jnp.bfloat16]
HALF = LOW[1:]
names = [np.dtype(dtype).name for dtype in LOW]


def bfloat16_first(dtypes: list[Any]) -> list[Any]:
    """The others are alike, and slow."""
    return [d if d is jnp.bfloat16 else pytest.param(d, marks=pytest.mark.slow) for d in dtypes]


RNG = np.random.default_rng(0)
PARAMS = {name: RNG.standard_normal(shape) for name, shape in {"b": (4,), "v": (4, 2), "w": (3, 4)}.items()}
X = RNG.standard_normal((4, 3))


def rectified(z: Any) -> Any:
    return jnp.maximum(z, 0)


@jax.custom_vjp
def forgetful(z: Any) -> Any:
    return rectified(z)


def _backward(z: Any, w: Any) -> tuple[Any]:
    """Without the first unit."""
    return (w * (z > 0) * (jnp.arange(z.shape[-1]) > 0)[None].astype(z.dtype),)


forgetful.defvjp(lambda z: (rectified(z), z), _backward)


def net(dtype: Any, unit: Any = rectified) -> Any:
    """Computes in a type from its first operation on."""

    def apply(p: Any, x: Any) -> Any:
        w, b, v, x = (jnp.asarray(leaf, dtype) for leaf in (p["w"], p["b"], p["v"], x))
        return unit(x @ w + b[None]) @ v

    return apply


def permuted(apply: Any, *, forgets: str = "", name: str = "net") -> eqprop.Pair:
    writes = {name: axis for name, axis in {"w": 1, "b": 0}.items() if name != forgets}
    move = eqprop.hidden_units(groups.Permutation(4), writes=writes, reads={"v": 0})
    return eqprop.Pair(eqprop.Model(apply, PARAMS, X, name=name), move)


def judged(pair: eqprop.Pair, loss: Any = SQUARED_ERROR, count: int = 64, properties: Any = CORE) -> Any:
    program = Program(pair, applicable(pair, properties), loss)
    rng = np.random.default_rng(1)
    probes = program.draw(rng, count)
    return program, probes, program.judge(probes, rng)


# -- outputs of a type of their own -----------------------------------------------------------------------------------


def mixed(p: Any, x: Any) -> Any:
    hidden = jnp.tanh(x @ p["w"] + p["b"][None])
    return {
        "logits": (hidden @ p["v"]).astype(jnp.float32),
        "norm": jnp.sum(hidden**2),
        "low": hidden.sum(1).astype(jnp.bfloat16),
    }


@pytest.mark.parametrize("dtype", bfloat16_first(LOW), ids=names)
def test_outputs_of_a_low_precision_are_verified_at_every_order(dtype: Any):
    def apply(p: Any, x: Any) -> Any:
        return (jnp.tanh(x @ p["w"] + p["b"][None]) @ p["v"]).astype(dtype)

    report = eqprop.run(permuted(apply), profile="quick")
    assert "error" not in report.counts()
    assert {v.property.order for v in report.verdicts if v.outcome is Outcome.HOLDS} >= {0, 1}
    assert {v.precision for v in report.verdicts if v.property.order == 1 and v.probes} == {np.dtype(dtype).name}


def test_outputs_may_differ_in_type_leaf_by_leaf():
    program, _, found = judged(permuted(mixed))
    assert program.row.outputs["low"].dtype == jnp.bfloat16
    assert len(found) == len(program.properties) >= 8
    assert not any(judgement.suspect.any() for judgement in found.values())


def test_generators_and_moved_outputs_go_with_low_outputs_too():
    def apply(p: Any, x: Any) -> Any:
        return (x @ p["w"] @ p["v"]).astype(jnp.float32)

    scaled = eqprop.Transformation(
        groups.Scaling(1), lambda a, p: {**p, "v": p["v"] * a[0]}, on_outputs=lambda a, y: y * a[0], name="scaling"
    )
    params = {"v": PARAMS["v"], "w": PARAMS["w"]}
    _, _, found = judged(eqprop.Pair(eqprop.Model(apply, params, X), scaled))
    assert {"jacobian-generator", "noether", "hessian-generator", "orbit-curvature"} <= set(found)
    assert not any(judgement.suspect.any() or judgement.inconclusive.mean() > 0.1 for judgement in found.values())


@pytest.mark.parametrize("loss", DRAWN_LOSSES, ids=lambda loss: loss.name)
def test_a_drawn_loss_rounds_no_more_than_the_outputs_did(loss: Any):
    point_of = {}

    def sides(point: Any) -> Any:
        point_of["loss"] = jax.eval_shape(point.loss, point.here.value).dtype
        return by_name("gradient-covariance").sides(point)

    judged(permuted(net(jnp.bfloat16)), loss, 1, [replace(by_name("gradient-covariance"), sides=sides)])
    assert point_of["loss"] == np.float64


# -- what half precision can tell -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALF, ids=names[1:])
def test_a_claim_that_forgets_a_tensor_is_falsified_in_half_precision(dtype: Any):
    report = eqprop.run(permuted(net(dtype), forgets="b"), profile="quick", properties=["equivariance"])
    (verdict,) = report.verdicts
    assert verdict.outcome is Outcome.FALSIFIED
    assert "(3 are allowed)" in str(verdict.counterexample)


@pytest.mark.parametrize("dtype", bfloat16_first(HALF), ids=names[1:])
def test_a_backward_rule_that_drops_a_term_is_falsified_at_order_one_in_half_precision(dtype: Any):
    names = ["equivariance", "jacobian-covariance", "gradient-covariance"]
    premise, *first = eqprop.run(permuted(net(dtype, forgetful)), profile="quick", properties=names).verdicts
    assert premise.outcome is Outcome.HOLDS
    assert {v.outcome for v in first} <= {Outcome.FALSIFIED}


@pytest.mark.parametrize("dtype", HALF, ids=names[1:])
def test_a_right_model_in_half_precision_holds_to_first_order_and_says_how_coarsely(dtype: Any):
    names = ["equivariance", "jacobian-covariance", "gradient-covariance"]
    for verdict in eqprop.run(permuted(net(dtype)), profile="quick", properties=names).verdicts:
        assert verdict.outcome is Outcome.HOLDS, verdict.reason
        assert float(jnp.finfo(dtype).eps) < verdict.resolution < 0.5
        assert verdict.floors <= MARGIN_COARSE


def attention(p: Any, x: Any) -> Any:
    weights = jax.nn.softmax((x @ p["q"]) @ (x @ p["k"]).T)
    return weights @ x @ p["v"]


def normed(p: Any, x: Any) -> Any:
    hidden = x @ p["q"]
    hidden = (hidden - hidden.mean(1, keepdims=True)) * jax.lax.rsqrt(hidden.var(1, keepdims=True) + 1e-3)
    return jnp.tanh(hidden) @ p["v"]


def gated(p: Any, x: Any) -> Any:
    return (jax.nn.silu(x @ p["q"]) * (x @ p["k"])) @ p["v"]


def filtered(p: Any, x: Any) -> Any:
    maps = jax.lax.conv_general_dilated(x[:, None], p["q"].T[:, None], (1,), "SAME")
    return jnp.max(maps, axis=2) @ p["v"]


CORRECT = {
    "attention": (attention, {"q": 1, "k": 1}, {}),
    "norm": (normed, {"q": 1}, {"v": 0}),
    "gates": (gated, {"q": 1, "k": 1}, {"v": 0}),
    "convolution": (filtered, {"q": 1}, {"v": 0}),
}


@pytest.mark.parametrize("kind", CORRECT)
def test_no_probe_of_a_right_model_passes_the_margin_of_half_precision_under_noise(kind: str):
    apply, writes, reads = CORRECT[kind]
    params = {"k": RNG.standard_normal((3, 4)), "q": RNG.standard_normal((3, 4))}
    params["v"] = RNG.standard_normal((3 if kind == "attention" else 4, 2))

    def low(p: Any, x: Any) -> Any:
        return apply(*jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), (p, x)))

    move = eqprop.hidden_units(groups.Permutation(4), writes=writes, reads=reads)
    pair = eqprop.Pair(eqprop.Model(low, params, RNG.standard_normal((5, 3)), name=kind), move)
    program, probes, _ = judged(pair, count=32, properties=[prop for prop in CORE if prop.order < 2])
    for name in program.layouts:
        found = rounding_inside(program, name, probes, np.random.default_rng(2))
        assert not found.suspect.any(), name


def test_below_its_smallest_normal_number_a_unit_of_float16_gets_no_smaller():
    sides = np.array([[[2e-7], [2e-7]]]), np.array([[[3e-7], [3e-7]]])  # a few times its smallest number
    found = judge(*sides, np.zeros((1, 2, 1)), np.array([0, 1]), float(jnp.finfo(jnp.float16).eps))
    assert found.floor[0, 0] >= 2.0**-24
    assert found.inconclusive[0]


def test_the_finer_precisions_keep_their_margin():
    assert all((bar_of(eps).margin, bar_of(eps).gross) == (MARGIN, GROSS) for eps in (2.0**-52, 2.0**-23))
    assert [bar_of(eps).unsettled for eps in (2.0**-52, 2.0**-23, 2.0**-7)] == [0.1, 0.5, 0.5]
    assert all(bar_of(float(jnp.finfo(dtype).eps)).coarse for dtype in HALF)
    assert COARSE < 1e-3


# -- tensors of several types ------------------------------------------------------------------------------------------


def recurrent(p: Any, x: Any) -> Any:
    """A scan of the user's own, which insists on its types."""

    def step(carry: Any, row: Any) -> Any:
        carry = jnp.tanh(row @ p["w"] + p["b"] * carry)
        return carry, carry @ p["v"]

    return jax.lax.scan(step, jnp.zeros(4, x.dtype), x)[1]


@pytest.mark.parametrize(
    ("apply", "types"),
    [
        (lambda p, x: rectified(x @ p["w"] + p["b"][None]) @ p["v"], (jnp.bfloat16, jnp.float32, jnp.bfloat16)),
        (recurrent, (jnp.bfloat16,) * 3),
        pytest.param(recurrent, (jnp.float16,) * 3, marks=pytest.mark.slow),
    ],
    ids=["mixed", "scan in bfloat16", "scan in float16"],
)
def test_loops_and_segments_keep_the_types_of_the_parameters(apply: Any, types: tuple[Any, ...]):
    params = {name: jnp.asarray(PARAMS[name], dtype) for name, dtype in zip("bvw", types, strict=True)}
    pair = permuted(apply)
    pair = pair.replaced(model=replace(pair.model, params=params, inputs=jnp.asarray(X, types[0])))
    for name in ("fixed-set", "sharpness", "averaged-gradient", "averaged-hessian", "training-run"):
        prop = by_name(name)
        if prop.reason_if_not_applicable(pair) is None:
            program = Program(pair, [prop], SQUARED_ERROR, "model")
            rng = np.random.default_rng(1)
            probes = program.draw(rng, 16)
            suspect = program.judge(probes, rng)[name].suspect
            assert not (suspect.any() and rounding_inside(program, name, probes.at(suspect), rng).suspect.any()), name


def test_a_net_of_several_types_is_walked_without_jax_and_compared_with_its_compiled_program():
    params = {
        "in": [{"b": jnp.asarray(PARAMS["b"], jnp.float32), "w": jnp.asarray(PARAMS["w"], jnp.bfloat16)}],
        "out": (jnp.asarray(PARAMS["v"], jnp.float16), {"c": np.ones(2)}),
    }

    def apply(p: Any, x: Any) -> Any:
        hidden = jnp.tanh(x @ p["in"][0]["w"] + p["in"][0]["b"][None])
        return hidden.astype(jnp.bfloat16) @ p["out"][0] + p["out"][1]["c"][None]

    move = eqprop.hidden_units(groups.Permutation(4), writes={"in/0/w": 1, "in/0/b": 0}, reads={"out/0": 0})
    pair = eqprop.Pair(eqprop.Model(apply, params, jnp.asarray(X, jnp.bfloat16), name="several types"), move)
    names = ["equivariance", "gradient-covariance", "compiled", "compiled-hessian"]
    report = eqprop.run(pair, profile="quick", max_architectures=1, probes=16, properties=names, precision="model")
    assert {(v.outcome, v.by_jax) for v in report.verdicts} == {(Outcome.HOLDS, ())}


# -- what set the floor -----------------------------------------------------------------------------------------------


def hopeless(p: Any, x: Any) -> Any:
    """The sine of large numbers, whose last place is more than a turn in bfloat16."""
    return jnp.sin(1000 * jnp.tanh(x @ p["w"] + p["b"][None]).astype(jnp.bfloat16)) @ p["v"].astype(jnp.bfloat16)


def test_where_nothing_can_be_told_the_reason_names_the_operation_its_place_and_what_would_help():
    (verdict,) = eqprop.run(permuted(hopeless), profile="quick", properties=["equivariance"]).verdicts
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "computes in bfloat16 from convert_element_type (test_low_precision.py:" in verdict.reason
    assert "dtype=float64" in verdict.reason


def test_the_place_is_found_inside_of_loops_and_branches():
    def apply(p: Any, x: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            return carry + jnp.sum(row.astype(jnp.float32) @ p["w"].astype(jnp.float32)), None

        return jax.lax.scan(step, jnp.float32(0), x)[0] * jnp.ones(2)

    program, _, _ = judged(permuted(apply), count=1)
    unit = program.units["equivariance"]
    assert unit.name == "float32"
    assert "test_low_precision.py" in unit.origin
    assert program.units["group-laws"].origin == ""
