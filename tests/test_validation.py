"""What bad input gets: one sentence that names the thing and says how to mend it."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.errors import NotDifferentiable
from eqprop.trial import unexpected
from eqprop.validation import check_pair

RNG = np.random.default_rng(0)
PARAMS = {"v": RNG.standard_normal((3, 2)), "w": RNG.standard_normal((2, 3))}
SCALING = groups.Scaling(3)
INPUTS = RNG.standard_normal((2, 2))


def net(p, x):
    return jax.nn.relu(x @ p["w"]) @ p["v"]


def rescaled(a, p):
    return {**p, "w": p["w"] * a[None], "v": p["v"] / a[:, None]}


def pair_of(apply=net, params=PARAMS, inputs=INPUTS, act=rescaled, group=SCALING, target=None, **model):
    moved = eqprop.Transformation(group, on_params=act, name="rescaling")
    return eqprop.Pair(eqprop.Model(apply, params, inputs, name="net", **model), moved, target=target, name="bad")


def said(pair, precision="float64"):
    with pytest.raises(eqprop.InvalidInput) as caught:
        check_pair(pair, precision)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def raising(p, x):
    msg = "boom"
    raise RuntimeError(msg)


def unbounded_loop(p, x):
    return jax.lax.while_loop(lambda c: jnp.sum(c) < 10, lambda c: 2 * c + 1, jnp.abs(net(p, x)))


def counting():
    calls = []

    def apply(p, x):
        calls.append(1)
        return net(p, x) * len(calls)

    return apply


def with_global_key():
    keys = [jax.random.PRNGKey(0)]

    def apply(p, x):
        keys[0], key = jax.random.split(keys[0])
        return net(p, x) * jax.random.bernoulli(key, 0.5, (2, 2))

    return apply


def remembering():
    known = {}

    def apply(p, x):
        if "h" not in known:
            known["h"] = x @ p["w"]
        return jax.nn.relu(known["h"]) @ p["v"]

    return apply


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        pytest.param(raising, r"apply(params, inputs) raised RuntimeError: boom.", id="raises"),
        pytest.param(lambda p, x: x @ p["v"], "apply(params, inputs) raised", id="shapes"),
        pytest.param(lambda p, x: net(p, x) * jnp.nan, "output '.' is NaN or infinite", id="nan"),
        pytest.param(lambda p, x: "y", "apply returned 'y' (str) as output '.'; expected an array", id="text"),
        pytest.param(lambda p, x: None, "apply returned None; expected at least one floating-point array", id="none"),
        pytest.param(lambda p, x: jnp.argmax(net(p, x), -1), "Return only floating-point ones (logits", id="classes"),
        pytest.param(lambda p, x: {"y": net(p, x), "n": jnp.ones(2, int)}, "output 'n' has dtype int", id="one-of-two"),
        pytest.param(lambda p, x: net(p, x) * 1j, "real and imaginary parts apart", id="complex"),
        pytest.param(lambda p, x: net(p, x) * np.random.random(), "switch dropout off", id="global-seed"),
        pytest.param(
            lambda p, x: net(p, x)[..., None] * (np.random.random((1, 1, 40)) > 0.5), "switch dropout off", id="mask"
        ),
        pytest.param(counting(), "gives different results for the same arguments", id="counter"),
        pytest.param(with_global_key(), "gives different results for the same arguments", id="global-key"),
        pytest.param(remembering(), "keep no state between calls", id="memory"),
        pytest.param(lambda p, x: net(p, x) if p["w"][0, 0] > 0 else x, "jnp.where or jax.lax.cond", id="if"),
        pytest.param(lambda p, x: np.tanh(np.asarray(x)) @ p["w"], "Use jax.numpy in place of numpy", id="numpy"),
        pytest.param(lambda p, x: net(p, x[:0]), "there is nothing to compare", id="no-batch"),
    ],
)
def test_a_model_that_cannot_be_verified_is_named_with_what_it_did(apply, message):
    found = said(pair_of(apply))
    assert found.startswith("model 'net': ")
    assert message in found


def test_a_model_with_a_dropout_mask_from_a_fixed_key_is_verified():
    key = jax.random.key(0)
    mask = lambda x: x * jax.random.bernoulli(key, 0.5, x.shape)  # noqa: E731
    dropped = pair_of(lambda p, x: mask(jax.nn.relu(x @ p["w"])) @ p["v"])
    assert eqprop.run(dropped, properties=["equivariance", "gradient-covariance"]).ok


def test_a_model_without_a_derivative_is_told_what_to_use():
    with pytest.raises(NotDifferentiable, match=r"use lax\.scan"):
        check_pair(pair_of(unbounded_loop), "float64")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({}, "params is an empty pytree", id="empty"),
        pytest.param({"n": 3}, "params has no floating-point leaf (dtypes: int", id="integers-only"),
        pytest.param(
            {"w": np.zeros((2, 0)), "v": np.zeros((0, 2))}, "give the layers a width of at least 1", id="width-0"
        ),
        pytest.param({**PARAMS, "c": np.complex64(1j)}, "parameter 'c' is complex64; split it", id="complex"),
        pytest.param({**PARAMS, "w": np.full((2, 3), np.nan)}, "parameter 'w' has NaN or infinite entries", id="nan"),
        pytest.param({**PARAMS, "k": jax.random.key(0)}, "parameter 'k' is a random key of dtype key<fry>", id="key"),
        pytest.param({**PARAMS, "act": "relu"}, "parameter 'act' is 'relu' (str)", id="text"),
        pytest.param({**PARAMS, "act": jax.nn.gelu}, "Keep what is no number outside (for Equinox", id="function"),
        pytest.param({k: v * 1e300 for k, v in PARAMS.items()}, "whose largest number is 1.3e+300", id="1e300"),
    ],
)
def test_parameters_that_cannot_be_verified_are_named(params, message):
    assert message in said(pair_of(params=params))


def test_random_keys_among_the_inputs_are_refused_with_a_way_round():
    def apply(p, x):
        return net(p, x["x"]) * jax.random.normal(x["k"], (2, 2))

    assert "input 'k' is a random key" in said(pair_of(apply, inputs={"x": INPUTS, "k": jax.random.key(0)}))

    def unwrapped(p, x):
        return apply(p, {"x": x["x"], "k": jax.random.wrap_key_data(x["k"])})

    check_pair(pair_of(unwrapped, inputs={"x": INPUTS, "k": jax.random.key_data(jax.random.key(0))}), "float64")


def stores(a, p):
    p["w"] = p["w"] * a[None]
    return p


def multiplies_in_place(a, p):
    p["w"] *= a[None]
    return p


@pytest.mark.parametrize(
    ("act", "message"),
    [
        pytest.param(
            lambda a, p: {"w": p["w"]}, "changed the structure of the tree (missing: v; new: none)", id="structure"
        ),
        pytest.param(lambda a, p: None, "changed the structure of the tree (missing: v, w", id="none"),
        pytest.param(lambda a, p: {**p, "w": p["w"].T}, "changed the shape of 'w' from (2, 3) to (3, 2)", id="shape"),
        pytest.param(
            lambda a, p: {**p, "w": p["w"].astype(int)}, "changed the dtype of 'w' from float64 to int", id="int"
        ),
        pytest.param(
            lambda a, p: {**p, "w": p["w"].astype(jnp.float32)}, "from float64 to float32; expected the same", id="cast"
        ),
        pytest.param(stores, "changed its argument in place; return a new tree", id="stores"),
        pytest.param(multiplies_in_place, "changed its argument in place; return a new tree", id="in-place"),
        pytest.param(lambda a, p: {**p, "w": p["w"] * float(a[0])}, "cannot be traced by JAX", id="float"),
        pytest.param(
            lambda a, p: {**p, "w": p["w"] * np.random.random()}, "takes its randomness from the element", id="random"
        ),
    ],
)
def test_an_action_that_is_none_is_named_with_what_it_changed(act, message):
    found = said(pair_of(act=act))
    assert found.startswith("transformation 'rescaling': on_params")
    assert message in found


def test_a_group_of_the_wrong_size_is_told_by_its_elements_shape():
    assert "The element has shape (4,): check the group's size" in said(pair_of(group=groups.Scaling(4)))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda y: y.sum(-1), "loss returned shape (2,), dtype float64; expected one floating-point number"),
        (jnp.argmax, "loss returned shape (), dtype int"),
        (lambda y: None, "loss returned None"),
        (lambda y: jnp.sum(y) * jnp.nan, "loss is nan at the example outputs"),
        (lambda y, t: jnp.sum(y), "loss(outputs) raised TypeError"),
        (lambda y: jnp.sum(y) * np.random.random(), "loss gives different results"),
    ],
)
def test_a_loss_that_is_none_is_named_with_what_it_returned(loss, message):
    assert message in said(pair_of(loss=loss))


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (raising, "model 'target': apply(params, inputs) raised RuntimeError: boom"),
        (counting(), "model 'target': apply gives different results"),
        (unbounded_loop, "model 'target': JAX has no derivative of apply"),
        (lambda p, x: net(p, x)[:, :1], "target model 'target': apply, beside the source model, changed the shape"),
    ],
)
def test_the_target_of_a_conversion_is_checked_as_well(apply, message):
    assert message in said(pair_of(target=eqprop.Model(apply, PARAMS, INPUTS, name="target")))


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


def test_validation_is_quick():
    check_pair(pair_of(), "float64")
    start = time.process_time()
    check_pair(pair_of(), "float64")
    assert time.process_time() - start < 0.3


def test_an_error_of_jax_is_said_by_its_first_line():
    assert unexpected(ValueError("first.\nsecond")) == "ValueError: first"
    assert unexpected(ValueError()) == "ValueError: no message"


# -- through the search -----------------------------------------------------------------------------------------------


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


def test_example_numbers_that_are_not_probed_need_not_be_where_the_model_is_defined():
    def apply(p, x):
        return net(p, x) * jnp.sqrt(p["s"])

    negative = {**PARAMS, "s": np.array(-1.0)}
    assert "NaN or infinite" in said(pair_of(apply, negative))
    check_pair(pair_of(apply, negative, trained=False), "float64")


def test_integer_and_boolean_parameters_are_carried_along():
    def apply(p, x):
        return net(p, x) * p["n"] * jnp.where(p["on"], 1.0, 0.0)

    carried = pair_of(apply, {**PARAMS, "n": np.int32(2), "on": np.array(True)})
    report = eqprop.run(carried, properties=["equivariance", "gradient-covariance"])
    assert report.ok
