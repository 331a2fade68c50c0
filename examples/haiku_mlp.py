"""A network of Haiku, and the factors of its hidden units."""

import haiku as hk
import jax.numpy as jnp

import eqprop
from eqprop import groups


def net(x):
    return hk.nets.MLP([16, 4])(x)


model = eqprop.haiku.from_module(net, jnp.ones((8, 3)), name="haiku-mlp")
rescaling = eqprop.hidden_units(
    groups.Scaling(16), writes={"mlp/~/linear_0/w": 1, "mlp/~/linear_0/b": 0}, reads={"mlp/~/linear_1/w": 0}
)
pair = eqprop.Pair(model, rescaling)
