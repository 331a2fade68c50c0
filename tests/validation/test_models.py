"""What a bad model gets: one sentence that names the thing and says how to mend it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.validation import check_pair
from tests.validation.refusals import INPUTS, PARAMS, net, pair_of, raising, rescaled, said

pytestmark = pytest.mark.usefixtures("in_the_checkout")


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
        pytest.param(raising, "raised RuntimeError: boom (tests/validation/refusals.py:", id="raises"),
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


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda y: y.sum(-1), "loss returned shape (2,), dtype float64; expected one floating-point number"),
        (jnp.argmax, "loss returned shape (), dtype int"),
        (lambda y: None, "loss returned None"),
        (lambda y: jnp.sum(y) * jnp.nan, "loss is nan at the example outputs"),
        (lambda y: y["logits"], "loss(outputs) raised TypeError"),
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
        (lambda p, x: net(p, x)[:, :1], "target model 'target': apply, beside the source model, changed the shape"),
    ],
)
def test_the_target_of_a_conversion_is_checked_as_well(apply, message):
    assert message in said(pair_of(target=eqprop.Model(apply, PARAMS, INPUTS, name="target")))


def storing(p, x):
    p["w"] = p["w"] + 1
    return net(p, x)


def popping(p, x):
    return jax.nn.relu(x @ p.pop("w")) @ p["v"]


@pytest.mark.parametrize("apply", [storing, popping])
def test_a_model_that_changes_its_parameters_in_place_is_refused(apply):
    assert "model 'net': apply changed its argument in place; return a new tree" in said(pair_of(apply))


def popping_loss(y):
    return jnp.sum(y.pop("y"))


def test_a_loss_that_changes_the_outputs_in_place_is_refused():
    popped = pair_of(lambda p, x: {"y": net(p, x)}, loss=popping_loss)
    assert "loss changed its argument in place" in said(popped)


def kept_from_a_jit():
    kept = {}
    jax.jit(lambda z: kept.setdefault("z", z))(np.ones((2, 3)))
    return kept["z"]


ELSEWHERE = "uses a value that JAX traces elsewhere"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (lambda z: {"apply": lambda p, x: net(p, x) * z[0, 0]}, f"apply(params, inputs) {ELSEWHERE}"),
        (lambda z: {"act": lambda a, p: rescaled(a * z[0, 0], p)}, f"on_params(element, params) {ELSEWHERE}"),
        (lambda z: {"loss": lambda y: jnp.sum(y) * z[0, 0]}, f"loss(outputs) {ELSEWHERE}"),
        (lambda z: {"params": {**PARAMS, "w": z}}, "parameter 'w' is being traced by JAX"),
        (lambda z: {"inputs": z}, "input '.' is being traced by JAX"),
    ],
    ids=["apply", "action", "loss", "params", "inputs"],
)
@pytest.mark.parametrize("alive", [False, True])
def test_a_value_of_another_trace_is_told_from_numbers(parts, message, alive):
    found = []
    if alive:
        jax.make_jaxpr(lambda z: found.append(said(pair_of(**parts(z)))) or z)(np.ones((2, 3)))
    else:
        found.append(said(pair_of(**parts(kept_from_a_jit()))))
    assert message in found[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a/w": PARAMS["w"], "a": {"w": PARAMS["w"]}}, "parameters: several have the path 'a/w'"),
        ({**PARAMS, "act": np.array("relu")}, "parameter 'act' is array('relu'"),
    ],
)
def test_parameters_whose_paths_or_kinds_say_nothing_are_refused(params, message):
    assert message in said(pair_of(params=params))


def test_complex_inputs_are_refused_with_what_to_do():
    assert "input '.' is complex128; split it" in said(pair_of(lambda p, x: net(p, x.real), inputs=INPUTS * 1j))


def negative(p):
    p["w"] = p["w"] - 100


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (lambda p: None, "domain changed the structure of the tree (missing: v, w; new: none). Return all leaves"),
        (negative, "domain changed the structure of the tree (missing: v, w"),
        (lambda p: {"w": p["w"]}, "domain changed the structure of the tree (missing: v"),
        (lambda p: {**p, "w": p["w"][..., :1]}, "domain changed the shape of 'w' from (4, 2, 3) to (4, 2, 1)"),
        (
            lambda p: {**p, "w": p["w"].sum(0)},
            "has a leading axis of probes: map every number by itself",
        ),
        (lambda p: {**p, "w": p["w"].astype(int)}, "domain changed the dtype of 'w'"),
        (lambda p: {**p, "w": np.log(p["w"])}, "domain gives NaN or infinite numbers for 'w' at some real ones"),
        (lambda p: {**p, "w": np.random.random(p["w"].shape)}, "domain gives different results for the same arguments"),
        (lambda p: {**p, "w": p["nope"]}, "domain(params) raised KeyError: 'nope' (tests/validation/test_models.py:"),
    ],
)
def test_a_domain_that_is_none_is_named_with_what_it_did(domain, message):
    assert message in said(pair_of(domain=domain))


@pytest.mark.parametrize("domain", [lambda p: {k: np.abs(v) for k, v in p.items()}, lambda p: jax.tree.map(jnp.exp, p)])
def test_a_domain_in_either_numpy_is_accepted(domain):
    check_pair(pair_of(domain=domain), "float64")
