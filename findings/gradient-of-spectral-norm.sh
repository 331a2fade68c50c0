#!/usr/bin/env bash
# flax 0.12.8 (linen and nnx), dm-haiku 0.0.17, equinox 0.13.8, jax 0.10.2 on a CPU.
#
# What it does: differentiates a sum of the outputs of a dense layer of 2 x 3 numbers behind each library's SpectralNorm
# along one direction of its kernel, in float64, with the stored vectors left as they are: update_stats=False of flax and
# haiku, inference mode of equinox. Beside it central differences of the same function.
# What one would guess: where nothing is updated the vectors of the power iteration are the stored ones, numbers that do not
# depend on the kernel, so that the gradient is the derivative of what is returned.
# What is seen: that is so in equinox. flax and haiku take one step of the power iteration in each call, also where they
# keep nothing of it, and differentiate as if its result were a constant: their gradients are off by some per cent,
# in exact arithmetic too, until the stored vectors are singular ones. A second optimisation of the same loss by a method
# without gradients goes elsewhere, and a check of the gradient by differences fails.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 dm-haiku==0.0.17 equinox==0.13.8 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import equinox as eqx
import flax
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

jax.config.update("jax_enable_x64", True)
draw = np.random.default_rng(0).normal
X, KERNEL, ALONG = draw(size=(4, 2)), jnp.asarray(draw(size=(2, 3))), jnp.asarray(draw(size=(2, 3)))
KEY, STEP = jax.random.key(0), 1e-6


def of_linen():
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            dense = linen.Dense(3, use_bias=False, param_dtype=jnp.float64)
            return linen.SpectralNorm(dense)(x, update_stats=False)

    kept = Net().init(KEY, X)
    return lambda kernel: Net().apply(kept | {"params": jax.tree.map(lambda _: kernel, kept["params"])}, X)


def of_nnx():
    dense = nnx.Linear(2, 3, use_bias=False, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    norm = nnx.SpectralNorm(dense, update_stats=False, rngs=nnx.Rngs(0))
    graph, params, rest = nnx.split(norm, nnx.Param, ...)
    return lambda kernel: nnx.merge(graph, jax.tree.map(lambda _: kernel, params), rest)(X)


def of_haiku():
    net = hk.without_apply_rng(hk.transform_with_state(lambda k: X @ hk.SpectralNorm()(k, update_stats=False)))
    _, state = net.init(KEY, KERNEL)
    return lambda kernel: net.apply({}, state, kernel)[0]


def of_equinox():
    layer = eqx.nn.Linear(2, 3, use_bias=False, dtype=jnp.float64, key=KEY)
    norm, state = eqx.nn.make_with_state(eqx.nn.SpectralNorm)(layer, "weight", key=KEY, inference=True)

    def outputs(kernel):
        with_kernel = eqx.tree_at(lambda n: n.layer.weight, norm, kernel.T)
        return jax.vmap(lambda x: with_kernel(x, state)[0])(X)

    return outputs


WEIGHTS = jnp.asarray(draw(size=(4, 3)))
for name, made, right in (
    (f"flax {flax.__version__} linen", of_linen, False),
    (f"flax {flax.__version__} nnx", of_nnx, False),
    (f"haiku {hk.__version__}", of_haiku, False),
    (f"equinox {eqx.__version__}", of_equinox, True),
):
    outputs = made()
    total = lambda kernel: (WEIGHTS * outputs(kernel)).sum()
    by_jax = float(jnp.sum(jax.grad(total)(KERNEL) * ALONG))
    by_differences = float(total(KERNEL + STEP * ALONG) - total(KERNEL - STEP * ALONG)) / (2 * STEP)
    off = abs(by_jax - by_differences) / abs(by_differences)
    print(f"{name}: gradient {by_jax:.6f}, differences {by_differences:.6f}, off by {off:.1e}")
    assert off < 1e-7 if right else off > 1e-3, f"the behaviour has changed: {name}"
PYTHON
