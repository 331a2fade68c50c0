"""A network of Flax's linen, and the factors of its hidden units."""

import jax.numpy as jnp
from flax import linen as nn

import eqprop
from eqprop import groups

net = nn.Sequential([nn.Dense(16), nn.relu, nn.Dense(4)])
model = eqprop.flax.from_module(net, jnp.ones((8, 3)), name="linen-mlp")
rescaling = eqprop.hidden_units(
    groups.Scaling(16), writes={"layers_0/kernel": 1, "layers_0/bias": 0}, reads={"layers_2/kernel": 0}
)
pair = eqprop.Pair(model, rescaling)
