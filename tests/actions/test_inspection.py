"""What is printed of a model: its tensors, and calls that fit them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import eqprop
import eqprop.equinox
import eqprop.flax
from eqprop import groups
from eqprop.actions.inspection import inspected, suggested
from eqprop.actions.layers import natural
from eqprop.errors import InvalidInput
from tests.adapters.asking import PREMISE, X, outcomes


class Transformer(linen.Module):
    """An attention block, a norm and a head."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        h = linen.Dense(8)(x)
        h = h + linen.MultiHeadAttention(num_heads=2, name="attention")(linen.LayerNorm()(h))
        return linen.Dense(3)(h)


class Net(linen.Module):
    """A batch norm with running statistics between two layers."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        h = linen.Dense(4)(x)
        return linen.Dense(2)(linen.tanh(linen.BatchNorm(use_running_average=True)(h)))


def mlp() -> eqprop.Model:
    return eqprop.equinox.from_module(eqx.nn.MLP(3, 2, 4, depth=2, key=jax.random.key(0)), X)


def heads() -> eqprop.Model:
    attention = eqx.nn.MultiheadAttention(2, 6, use_query_bias=True, key=jax.random.key(0))
    return eqprop.equinox.from_module(attention, (jnp.ones((2, 3, 6)),) * 3)


def flat() -> eqprop.Model:
    params = {"w1": jnp.ones((3, 4)), "b1": jnp.zeros(4), "w2": jnp.ones((4, 2)), "b2": jnp.zeros(2)}
    return eqprop.Model(lambda p, x: jnp.tanh(x @ p["w1"] + p["b1"][None]) @ p["w2"] + p["b2"][None], params, X)


MODELS = {
    "mlp": mlp,
    "flat": flat,
    "net": lambda: eqprop.flax.from_module(Net(), X),
    "transformer": lambda: eqprop.flax.from_module(Transformer(), jnp.ones((2, 4, 3))),
    "heads": heads,
}


def calls_for(model: eqprop.Model) -> list[str]:
    return suggested(dict(zip(model.param_leaves.paths, model.param_leaves.shapes, strict=True)))


def typed(call: str, model: eqprop.Model) -> eqprop.Transformation:
    """The transformation that a user has who types a call."""
    return eval(call, {"eqprop": eqprop, "groups": groups, "model": model, "heads": 2, "width": 3})


@pytest.mark.parametrize("name", MODELS)
def test_what_is_suggested_can_be_typed_and_fits_the_tensors(name):
    model = MODELS[name]()
    calls = calls_for(model)
    assert calls
    for move in (typed(call, model) for call in calls):
        moved = move.on_params(move.group.identity(), model.params)
        assert jax.tree.map(np.shape, moved) == jax.tree.map(np.shape, model.params)


@pytest.mark.parametrize(("name", "count"), [("mlp", 2), ("flat", 1), ("net", 1)])
def test_the_hidden_units_that_are_suggested_hold_running_statistics_included(name, count):
    model = MODELS[name]()
    units = [call for call in calls_for(model) if "hidden_units" in call]
    assert len(units) == count
    for call in units:
        assert outcomes(model, typed(call, model), PREMISE) == {"holds"}


def test_both_circuits_of_attention_are_suggested_with_the_heads_where_shapes_tell():
    assert sum("attention_heads(2, 4, " in call for call in calls_for(MODELS["transformer"]())) == 2
    assert sum("attention_heads(heads, width, " in call for call in calls_for(MODELS["heads"]())) == 2


def test_tensors_are_printed_with_their_shapes_and_what_is_not_differentiated(capsys):
    model = MODELS["net"]()
    eqprop.inspect(model)
    printed = capsys.readouterr().out
    assert printed == inspected(model) + "\n"
    assert "Dense_0/kernel                (3, 4)         float32\n" in printed
    assert "batch_stats/BatchNorm_0/mean  (4,)           float32  (not differentiated)\n" in printed


def test_a_model_without_layers_has_no_suggestion():
    assert "no constructor" in inspected(eqprop.Model(lambda p, x: p * x, np.ones(()), np.ones(())))


def test_numbers_in_names_are_sorted_by_what_they_count():
    assert sorted(["layers/10", "layers/2", "a"], key=natural) == ["a", "layers/2", "layers/10"]


def test_what_is_no_model_is_refused():
    with pytest.raises(InvalidInput, match=r"expected an eqprop.Model, as eqprop.flax.from_module makes one"):
        eqprop.inspect({"w": np.ones(2)})
