"""A network of Flax's nnx, and the factors of its hidden units."""

import jax.numpy as jnp
from flax import nnx

import eqprop
from eqprop import groups

rngs = nnx.Rngs(0)
net = nnx.Sequential(nnx.Linear(3, 16, rngs=rngs), nnx.relu, nnx.Linear(16, 4, rngs=rngs))
model = eqprop.flax.from_module(net, jnp.ones((8, 3)), name="nnx-mlp")
rescaling = eqprop.hidden_units(
    groups.Scaling(16), writes={"layers/0/kernel": 1, "layers/0/bias": 0}, reads={"layers/2/kernel": 0}
)
pair = eqprop.Pair(model, rescaling)
