"""Sound pairs are accepted, however unusual; what only a search finds out is said there, cell by cell."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.engine import unexpected
from eqprop.validation import check_pair
from tests.validation.refusals import INPUTS, PARAMS, SCALING, net, pair_of, raising, said

pytestmark = pytest.mark.usefixtures("in_the_checkout")


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(lambda: pair_of(params={**PARAMS, "n": np.int32(2), "mask": np.array([True])}), id="carried"),
        pytest.param(lambda: pair_of(lambda p, x: {"a": net(p, x), "b": net(p, x).sum()}), id="outputs-dict"),
        pytest.param(
            lambda: pair_of(
                lambda p, x: jax.nn.relu(x * p["w"]) * p["v"],
                {"w": 1.5, "v": 2.0},
                act=lambda a, p: {"w": p["w"] * a[0], "v": p["v"] / a[0]},
                group=groups.Scaling(1),
            ),
            id="python-floats",
        ),
        pytest.param(lambda: pair_of(lambda p, x: x @ p, PARAMS["w"], act=lambda a, p: p * a[None]), id="bare-array"),
        pytest.param(lambda: pair_of(params={**PARAMS, "b": None}), id="none-leaf"),
        pytest.param(
            lambda: pair_of(lambda p, x: net(p, p["w"].T[x]), inputs=np.array([0, 2])),
            id="tokens",
        ),
    ],
)
def test_unusual_but_sound_trees_are_accepted(pair):
    check_pair(pair(), "float64")
    check_pair(pair(), "model")


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float32])
def test_low_precision_models_are_accepted_in_both_precisions(dtype):
    low = pair_of(params={k: jnp.asarray(v, dtype) for k, v in PARAMS.items()}, inputs=jnp.asarray(INPUTS, dtype))
    check_pair(low, "model")
    check_pair(low, "float64")


def test_each_head_of_a_model_with_state_may_have_a_basis_of_its_own():
    params = {"v": np.ones((2, 2, 3)), "o": np.ones((2, 2, 3)), "table": np.ones(3)}
    model = eqprop.Model(
        lambda p, x: jnp.einsum("hud,hue,d,nd->ne", p["v"], p["o"], p["table"], x),
        params,
        np.ones((4, 3)),
        state=("table",),
    )
    heads = eqprop.attention_heads(2, 2, values={"v": (0, 1)}, outputs={"o": (0, 1)})
    check_pair(eqprop.Pair(model, heads), "float64")


def test_example_numbers_that_are_not_probed_need_not_be_where_the_model_is_defined():
    def apply(p, x):
        return net(p, x) * jnp.sqrt(p["s"])

    negative = {**PARAMS, "s": np.array(-1.0)}
    assert "NaN or infinite" in said(pair_of(apply, negative))
    check_pair(pair_of(apply, negative, trained=False), "float64")


def test_validation_is_quick():
    check_pair(pair_of(), "float64")
    start = time.process_time()
    check_pair(pair_of(), "float64")
    assert time.process_time() - start < 0.3


def test_an_error_of_jax_is_said_by_its_first_line():
    assert unexpected(ValueError("first.\nsecond")) == "ValueError: first"
    assert unexpected(ValueError()) == "ValueError: no message"


# -- models without a derivative --------------------------------------------------------------------------------------


def unbounded_loop(p, x):
    return jax.lax.while_loop(lambda c: jnp.sum(c) < 10, lambda c: 2 * c + 1, jnp.abs(net(p, x)))


def test_of_a_model_without_a_derivative_the_premise_is_judged_and_all_else_says_what_to_use():
    names = ["group-laws", "equivariance", "jacobian-covariance", "hessian-covariance"]
    verdicts = eqprop.run(pair_of(unbounded_loop), properties=names).verdicts
    assert [verdict.outcome.value for verdict in verdicts] == ["holds", "holds", "error", "error"]
    for verdict in verdicts[2:]:
        assert "JAX has no derivative of apply" in verdict.reason
        assert "use lax.scan" in verdict.reason


def test_a_model_without_a_derivative_is_compared_with_nothing_compiled_and_its_premise_can_fail():
    forgetful = eqprop.hidden_units(SCALING, writes={"w": 1})
    verdicts = eqprop.run(pair_of(unbounded_loop).replaced(transformation=forgetful)).verdicts
    outcomes = {verdict.property.name: verdict.outcome.value for verdict in verdicts}
    assert outcomes["equivariance"] == "falsified"
    assert outcomes["compiled"] == outcomes["compiled-hessian"] == "error"
    assert outcomes["gradient-covariance"] == "blocked"


def test_a_target_without_a_derivative_is_named():
    target = eqprop.Model(unbounded_loop, PARAMS, INPUTS, name="target")
    assert check_pair(pair_of(target=target), "float64").startswith("model 'target': JAX has no derivative of apply")


@pytest.mark.parametrize("precision", ["float64", "model"])
def test_a_derivative_is_looked_for_in_the_precision_of_the_search(precision):
    """A loop in JAX's default type takes weights of that type only."""

    def recurrent(p, x):
        start = jnp.zeros(3, jnp.result_type(float))
        return jax.lax.scan(lambda h, row: (jnp.tanh(row @ p["w"]), h), start, x)[0] @ p["v"]

    low = jax.tree.map(np.float32, PARAMS)
    assert check_pair(pair_of(recurrent, params=low, inputs=np.float32(INPUTS)), precision) == ""


# -- through the search -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [("noethr", "Did you mean noether?"), ("bad::noether", "Did you mean noether"), ("zzz", "`eqprop list`")],
)
def test_a_known_failure_of_no_property_is_an_error_in_every_cell(name, hint):
    report = eqprop.run(pair_of().replaced(known_failures={name: "why"}), properties="equivariance")
    (verdict,) = report.verdicts
    assert verdict.outcome is eqprop.Outcome.ERROR
    assert f"known_failures names {name!r}, which is no property. {hint}" in verdict.reason


@st.composite
def of_several_widths(draw):
    width = draw(st.integers(3, 6))
    params = {"v": np.ones((width, 2)), "w": np.ones((2, width))}

    def apply(p, x):
        if p["w"].shape != (2, 3):
            msg = "three units only"
            raise ValueError(msg)
        return net(p, x)

    moved = eqprop.hidden_units(groups.Scaling(width), writes={"w": 1}, reads={"v": 0})
    return eqprop.Pair(
        eqprop.Model(apply, params, INPUTS, name="net"), moved, name="drawn", architecture={"width": width}
    )


def test_what_raises_only_later_says_where_and_for_which_pair():
    report = eqprop.run(of_several_widths(), profile="quick", properties="equivariance")
    (verdict,) = report.verdicts
    assert verdict.outcome is eqprop.Outcome.ERROR
    assert "ValueError: three units only (tests/validation/test_pairs.py:" in verdict.reason
    assert "Pair('drawn', width=" in verdict.reason or "three units" in verdict.reason


@st.composite
def failing(draw):
    draw(st.booleans())
    raise KeyError("oops")  # noqa: EM101


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        pytest.param(pair_of(raising), "raised RuntimeError: boom", id="model"),
        pytest.param(st.just(pair_of()).filter(lambda pair: False), "never yields one", id="filtered"),
        pytest.param(st.nothing(), "never yields one", id="nothing"),
        pytest.param(st.integers(), "expected a strategy of eqprop.Pair", id="no-pairs"),
        pytest.param(failing(), "the strategy of pairs raised KeyError: 'oops'", id="strategy"),
    ],
)
def test_what_cannot_be_verified_is_an_error_in_every_cell_and_exit_code_2(pairs, message):
    report = eqprop.run(pairs)
    assert {verdict.outcome for verdict in report.verdicts} == {eqprop.Outcome.ERROR}
    assert all(message in verdict.reason for verdict in report.verdicts)
    assert report.exit_code == 2


def test_probes_that_are_never_usable_settle_nothing():
    def finite_at_the_example_only(p, x):
        return jnp.where(jnp.all(p["w"] == PARAMS["w"]), net(p, x), jnp.nan)

    report = eqprop.run(pair_of(finite_at_the_example_only, trained=False), properties=["equivariance"])
    (verdict,) = report.verdicts
    assert verdict.outcome is eqprop.Outcome.INCONCLUSIVE
    assert "not finite" in verdict.reason
    assert report.exit_code == 1


def test_integer_and_boolean_parameters_are_carried_along():
    def apply(p, x):
        return net(p, x) * p["n"] * jnp.where(p["on"], 1.0, 0.0)

    carried = pair_of(apply, {**PARAMS, "n": np.int32(2), "on": np.array(True)})
    report = eqprop.run(carried, properties=["equivariance", "gradient-covariance"])
    assert report.ok
