"""A network of Keras on the JAX backend, and the factors of its hidden units."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

import eqprop
from eqprop import groups

net = keras.Sequential([keras.layers.Dense(16, "relu", name="first"), keras.layers.Dense(4, name="last")], name="net")
model = eqprop.keras.from_module(net, np.ones((8, 3), np.float32), name="keras-mlp")
rescaling = eqprop.hidden_units(
    groups.Scaling(16), writes={"net/first/kernel": 1, "net/first/bias": 0}, reads={"net/last/kernel": 0}
)
pair = eqprop.Pair(model, rescaling)
