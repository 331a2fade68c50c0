"""A network of Equinox, and the factors of its hidden units."""

import equinox as eqx
import jax

import eqprop
from eqprop import groups

net = eqx.nn.MLP(3, 4, width_size=16, depth=1, key=jax.random.key(0))
model = eqprop.equinox.from_module(net, jax.numpy.ones((8, 3)), name="equinox-mlp")
rescaling = eqprop.hidden_units(
    groups.Scaling(16), writes={"layers/0/weight": 0, "layers/0/bias": 0}, reads={"layers/1/weight": 1}
)
pair = eqprop.Pair(model, rescaling)
