"""What bad input gets: one sentence that names the thing and says how to mend it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.engine import unexpected
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


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch):
    """Places in the user's code are said as they are seen from the current folder."""
    monkeypatch.chdir(Path(__file__).parents[2])


def said(pair, precision="float64"):
    """What a pair is refused with: one line of less than 500 characters, without what JAX notes of its own frames."""
    with pytest.raises(eqprop.InvalidInput, match=r"\A\S+ \S+") as caught:
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
        pytest.param(raising, "raised RuntimeError: boom (tests/validation/test_pairs.py:", id="raises"),
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


def test_of_a_model_without_a_derivative_the_premise_is_judged_and_all_else_says_what_to_use():
    names = ["group-laws", "equivariance", "jacobian-covariance", "hessian-covariance"]
    verdicts = eqprop.run(pair_of(unbounded_loop), properties=names).verdicts
    assert [verdict.outcome.value for verdict in verdicts] == ["holds", "holds", "error", "error"]
    for verdict in verdicts[2:]:
        assert "JAX has no derivative of apply" in verdict.reason
        assert "use lax.scan" in verdict.reason


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
        (lambda p: {**p, "w": p["nope"]}, "domain(params) raised KeyError: 'nope' (tests/validation/test_pairs.py:"),
    ],
)
def test_a_domain_that_is_none_is_named_with_what_it_did(domain, message):
    assert message in said(pair_of(domain=domain))


@pytest.mark.parametrize("domain", [lambda p: {k: np.abs(v) for k, v in p.items()}, lambda p: jax.tree.map(jnp.exp, p)])
def test_a_domain_in_either_numpy_is_accepted(domain):
    check_pair(pair_of(domain=domain), "float64")


def test_an_action_whose_arguments_are_swapped_is_told_so():
    found = said(pair_of(act=lambda p, a: rescaled(a, p)))
    assert "on_params takes the element first: it is called as (element, params), and yours works as (params," in found
    assert "Swap its arguments (tests/validation/test_pairs.py:" in found


def test_an_action_that_raises_is_said_with_the_line_of_its_author():
    assert "raised KeyError: 'weights' (tests/validation/test_pairs.py:" in said(
        pair_of(act=lambda a, p: {**p, "w": p["weights"]})
    )


def test_a_wrong_declaration_is_said_once_and_in_its_own_words():
    misspelt = eqprop.hidden_units(SCALING, writes={"W": 1}, reads={"v": 0})
    model = eqprop.Model(net, PARAMS, INPUTS, name="net")
    found = said(eqprop.Pair(model, misspelt))
    assert found == "hidden_units('hidden-units'): no parameter matches 'W'. Did you mean w? The paths are: v, w."


@pytest.mark.parametrize(
    ("charge", "message"),
    [
        (lambda xi, p: xi * 2, "charge returned shape (3,), dtype float64; expected one floating-point number"),
        (lambda xi, p: None, "charge returned None"),
        (lambda xi, p: p["nope"], "charge(algebra, params) raised KeyError: 'nope' (tests/"),
        (lambda p, xi: p["w"], "charge(algebra, params) raised TypeError"),
    ],
)
def test_a_charge_that_is_none_is_named_with_what_it_returned(charge, message):
    moved = eqprop.Transformation(SCALING, rescaled, name="rescaling", charge=charge)
    assert message in said(pair_of().replaced(transformation=moved))


class Own(eqprop.LieGroup):
    """A scaling of a user's own, of which one method is replaced at a time."""

    def __init__(self, **methods):
        for name, method in methods.items():
            setattr(self, name, method)

    def identity(self):
        return np.ones(3)

    def compose(self, first, second):
        return first * second

    def inverse(self, element):
        return 1 / element

    def sample(self, rng, reach):
        return np.exp(reach * rng.standard_normal(3))

    def exp(self, algebra):
        return jnp.exp(algebra)

    def zero(self):
        return np.zeros(3)

    def sample_algebra(self, rng):
        return rng.standard_normal(3)


def raises(*arguments):
    msg = "boom"
    raise ValueError(msg)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (
            {"sample": lambda rng, reach: None},
            "Own(): sample gives None; expected the structure, shapes",
        ),
        ({"sample": lambda rng, reach: [1.0, 2.0, 3.0]}, "sample gives [1.0, 2.0, 3.0]"),
        ({"sample": lambda rng, reach: np.exp(np.random.standard_normal(3))}, "take every number from rng"),
        ({"sample": raises}, "sample(rng, reach) raised ValueError: boom (tests/validation/test_pairs.py:"),
        ({"sample": lambda rng: np.ones(3)}, "sample(rng, reach) raised TypeError"),
        ({"sample": lambda rng, reach: np.ones(3 if reach < 0.5 else 4)}, "sample gives [1.0, 1.0, 1.0, 1.0]"),
        ({"sample": lambda rng, reach: np.ones(3)}, "all 16 elements that sample drew are the identity"),
        ({"sample": lambda rng, reach: np.full(3, np.nan)}, "expected finite numbers"),
        ({"sample": lambda rng, reach: "g"}, "sample gives g"),
        ({"compose": lambda g, h: None}, "compose(g, h) gives shapes None; expected what is like identity()"),
        ({"compose": lambda g, h: np.asarray(g) * h}, "compose(g, h) cannot be traced by JAX"),
        ({"compose": raises}, "compose(g, h) raised ValueError: boom"),
        ({"inverse": lambda g: 1 / g if g[0] > 0 else g}, "inverse(g) cannot be traced by JAX"),
        ({"identity": lambda: [1.0, 1.0, 1.0]}, "kinds of identity(), [1.0, 1.0, 1.0]"),
        ({"simple": lambda: None}, "simple() raised TypeError: 'NoneType' object is not iterable"),
        ({"simple": lambda: [np.ones(4)]}, "simple() gives [1.0, 1.0, 1.0, 1.0]"),
        (
            {"sample_algebra": lambda rng: np.ones(2)},
            "sample_algebra gives [1.0, 1.0]; expected the struct",
        ),
        ({"sample_algebra": lambda rng: np.array([1, 2, 3])}, "sample_algebra gives [1, 2, 3]"),
        ({"exp": lambda xi: np.exp(np.asarray(xi))}, "exp(xi) cannot be traced by JAX"),
        ({"exp": raises}, "exp(xi) raised ValueError: boom"),
        ({"tangent": lambda xi: None}, "tangent(xi) gives shapes None"),
        ({"zero": lambda: None}, "kinds of zero(), None"),
    ],
)
def test_a_group_whose_methods_give_something_else_is_named_with_the_method(methods, message):
    own = Own(**methods)
    assert message in said(pair_of(group=own))
    with pytest.raises(eqprop.InvalidInput, match=re.escape(message)):
        groups.check_laws(own, count=4)


def test_a_group_of_ones_own_is_accepted():
    check_pair(pair_of(group=Own()), "float64")


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
