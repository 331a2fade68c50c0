"""Keras models on the JAX backend as models. Keras is imported once a model is given."""

from eqprop.keras.modules import from_module as from_module
