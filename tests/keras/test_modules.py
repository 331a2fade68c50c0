"""Keras models as models: paths, state, frozen layers, types, and what cannot be adapted."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.keras import from_module
from tests.adapters.asking import PREMISE, X, outcomes

keras = pytest.importorskip("keras")

UNITS = {"net/first/kernel": 1, "net/first/bias": 0, "net/norm/[bg]*": 0, "net/norm/moving_mean": 0}
VARIANCE, GAIN, READS = (
    {"net/norm/moving_variance": 0},
    {"net/norm/gamma": 0, "net/norm/beta": 0},
    {"net/last/kernel": 0},
)


@pytest.fixture(autouse=True)
def users_write_ordinary_jax():
    with jax.numpy_rank_promotion("allow"):
        yield


def net(*between: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([layers.Dense(4, name="first"), *between, layers.Dense(2, name="last")], name="net")


def normed() -> Any:
    layers = keras.layers
    return net(layers.BatchNormalization(name="norm"), layers.ReLU(), layers.Dropout(0.5))


def test_a_model_is_built_where_it_is_not_and_computes_in_float64_inside():
    made = net(keras.layers.ReLU())
    model = from_module(made, X)
    rescaling = eqprop.hidden_units(
        groups.Scaling(4), writes={"net/first/kernel": 1, "net/first/bias": 0}, reads={"net/last/kernel": 0}
    )
    report = eqprop.run(
        eqprop.Pair(model, rescaling), properties=["equivariance", "noether"], profile="quick", save=None, unseen=False
    )
    assert {(str(v.outcome), v.precision) for v in report.verdicts} == {("holds", "float64")}
    assert {layer.dtype_policy.name for layer in made.layers} == {"float32"}
    assert {variable.dtype for variable in made.variables} == {"float32"}


def test_moving_statistics_move_with_their_units():
    model = from_module(normed(), X)
    assert model.state == ("net/norm/moving_mean", "net/norm/moving_variance")
    whole = eqprop.hidden_units(groups.Permutation(4), writes=UNITS | VARIANCE, reads=READS)
    assert outcomes(model, whole) == {"holds"}
    assert outcomes(model, eqprop.hidden_units(groups.Permutation(4), writes=UNITS, reads=READS), PREMISE) == {
        "falsified"
    }


def test_in_training_statistics_are_those_of_the_batch_and_dropout_draws_the_same_mask():
    gain = eqprop.hidden_units(groups.Scaling(4), writes=GAIN, reads=READS)
    assert outcomes(from_module(normed(), X, training=True), gain) == {"holds"}


def test_a_frozen_layer_is_state():
    made = net(keras.layers.ReLU())
    made(X)
    made.layers[0].trainable = False
    assert from_module(made, X).param_leaves.float_paths == ("net/last/bias", "net/last/kernel")


def test_a_functional_model_of_tokens_and_several_inputs():
    tokens, weights = keras.Input((3,), dtype="int32"), keras.Input((3, 1))
    h = keras.layers.Embedding(7, 4, name="embed")(tokens) * weights
    made = keras.Model([tokens, weights], keras.layers.Dense(2, name="last")(h))
    model = from_module(made, ([np.array([[0, 6, 3]], np.int32), np.ones((1, 3, 1), np.float32)],))
    move = eqprop.hidden_units(groups.Scaling(4), writes={"embed/*": 1}, reads={"last/kernel": 0})
    assert outcomes(model, move, PREMISE) == {"holds"}


def test_what_cannot_be_adapted_is_said(monkeypatch):
    with pytest.raises(InvalidInput, match=r"expected a keras.Model or a keras.Layer"):
        from_module("net", X)
    with pytest.raises(InvalidInput, match="Keras model 'net' raised ValueError"):
        from_module(net(keras.layers.Conv2D(2, 3)), X)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(InvalidInput, match="KERAS_BACKEND=jax before keras is imported"):
        from_module(net(), X)
