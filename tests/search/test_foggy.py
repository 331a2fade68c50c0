"""What is said of probes that settle nothing, by where they lie."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.actions import attention_heads

HEADS, EACH, WIDTH = 2, 2, 3


def attention(p, x):
    q, k, v = (jnp.einsum("td,dhk->htk", x, p[name].reshape(WIDTH, HEADS, EACH)) for name in "qkv")
    weights = jax.nn.softmax(q @ k.swapaxes(-1, -2) / jnp.sqrt(2.0), -1)
    return jnp.einsum("htk,hkd->td", weights @ v, p["o"].reshape(HEADS, EACH, WIDTH))


def reason(pair, name):
    (verdict,) = eqprop.run(pair, properties=[name], save=None, profile="quick").verdicts
    assert verdict.outcome is eqprop.Outcome.INCONCLUSIVE
    return verdict.reason


def slope(p, x):
    """A difference quotient: at a step of 1e-14 no digits are left of it."""
    y = jax.nn.relu(x @ p["w"]) @ p["v"]
    return jnp.cos(y) - jnp.cos(y * (1 + p["step"]))


def slope_pair(trained):
    rng = np.random.default_rng(0)
    params = {"step": np.array(1e-14), "v": rng.standard_normal((3, 2)), "w": rng.standard_normal((2, 3))}
    scaling = eqprop.hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"v": 0})
    return eqprop.Pair(eqprop.Model(slope, params, rng.standard_normal((4, 2)), name="slope", trained=trained), scaling)


def test_inputs_of_equal_numbers_at_which_a_softmax_is_uniform_say_something():
    """The gradient of the queries and keys vanishes there, and a step elsewhere says how large it might be."""
    params = {name: np.ones((WIDTH, 4)) for name in "qkv"} | {"o": np.ones((4, WIDTH))}
    model = eqprop.Model(attention, params, np.ones((4, WIDTH)), name="attention")
    heads = attention_heads(HEADS, EACH, queries={"q": "d (copies units)"}, keys={"k": "d (copies units)"})
    (verdict,) = eqprop.run(
        eqprop.Pair(model, heads), properties="orbit-curvature", save=None, profile="quick"
    ).verdicts
    assert verdict.outcome is eqprop.Outcome.HOLDS


def test_inputs_of_the_example_that_leave_no_digits_are_said_to_be_the_reason():
    pair = slope_pair(trained=True)
    params, inputs = dict(pair.model.params), {"x": pair.model.inputs}
    inputs["step"] = params.pop("step")
    moved = eqprop.Model(lambda p, x: slope(p | {"step": x["step"]}, x["x"]), params, inputs, name="slope")
    found = reason(pair.replaced(model=moved), "equivariance")
    assert "such probes are at the inputs of the example: pass others" in found
    assert "write it so" not in found


def test_parameters_of_the_example_that_leave_no_digits_are_said_to_be_the_reason():
    found = reason(slope_pair(trained=True), "equivariance")
    assert "such probes are at the parameters of the example or nearby: pass others" in found


def test_without_the_numbers_of_that_example_the_same_model_holds():
    eqprop.verify(slope_pair(trained=False), properties=["equivariance"], save=None, profile="quick")
