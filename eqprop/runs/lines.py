"""The lines of JAX that scripts are made of; ``dialects`` has what they are in PyTorch."""

from __future__ import annotations

ALONG = '''
def along(params, inputs, weights, direction):
    """The derivative of <weights, MODEL(params, inputs)> along a direction of the parameters, by reverse mode."""
    outputs, pull = jax.vjp(lambda p: MODEL(p, inputs), params)
    (gradient,) = pull(jax.tree.map(lambda w, y: w.astype(y.dtype), weights, outputs))
    return sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction)))
'''
INCREMENT = '''
def increment(params, inputs, weights, direction, step=1e-6):
    """The same by central differences: what the forward pass says."""
    def moved(by):
        outputs = MODEL(jax.tree.map(lambda p, d: p + by * d, params, direction), inputs)
        return sum(jnp.vdot(w, y) for w, y in zip(jax.tree.leaves(weights), jax.tree.leaves(outputs)))
    return (moved(step) - moved(-step)) / (2 * step)
'''
TWICE = '''
def twice(params, inputs, weights, first, second):
    """The derivative along a second direction of the derivative along a first, by forward mode where MODEL has one."""
    def function(p):
        return along(p, inputs, weights, first)
    try:
        return jax.jvp(function, (params,), (second,))[1]
    except TypeError:  # it has a rule for reverse mode only
        return backwards(params, inputs, weights, first, second)


def backwards(params, inputs, weights, first, second):
    """The same by reverse mode twice."""
    gradient = jax.grad(lambda p: along(p, inputs, weights, first))(params)
    return sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(second)))
'''
FIRST, SECOND = f"{ALONG}\n{INCREMENT}\n\n", f"{ALONG}\n{TWICE}\n\n"
