"""A fused kernel with a bug that neither forward tests nor a gradient check at initialisation can see.

The backward rule masks by the sign of x instead of x + b. While biases are zero, as they are initially, both agree.
``eqprop verify examples.broken:pairs`` falsifies the first-order identities of the network that uses it.
"""

import jax
import jax.numpy as jnp

import eqprop
from eqprop import groups


@jax.custom_vjp
def fused_bias_relu(x, b):
    return jnp.maximum(x + b, 0)


def forward(x, b):
    return fused_bias_relu(x, b), x


def backward(x, g):
    g = jnp.where(x > 0, g, 0)  # the bug: the unit fires where x + b > 0
    return g, jnp.sum(g, axis=0)


fused_bias_relu.defvjp(forward, backward)


def network(params, x):
    return fused_bias_relu(x @ params["w1"], params["b1"]) @ params["w2"]


def pairs():
    params = {"w1": jnp.eye(2), "b1": jnp.zeros(2), "w2": jnp.ones((2, 1))}
    rescaling = eqprop.hidden_units(
        groups.Scaling(2), writes={"w1": 1, "b1": 0}, reads={"w2": 0}, name="relu-rescaling"
    )
    return eqprop.Pair(eqprop.Model(network, params, jnp.ones((1, 2)), name="fused-mlp"), rescaling)
