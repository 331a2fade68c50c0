#!/usr/bin/env bash
# jax and jaxlib 0.10.2 on a CPU with fused multiply-add.
#
# What it does: the gradient of a max pooling behind x * k + b, jitted with two compiler options that ask for less work
# (the older emitters and optimisation level 0).
# What one would guess: the numbers that the default options give, but for rounding; all are finite.
# What is seen: NaN and infinity in some windows. jnp.max asks for its derivative which entries equal the maximum. XLA computes
# x * k + b again in each fusion that reads it, as one fused multiply-add here and in two steps there, so that the
# maximum equals none of the entries, and a division by 0 follows.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
ROWS, BATCH, TIME, CHANNELS, POOL = 64, 2, 6, 3, 2
x = rng.standard_normal((ROWS, BATCH, TIME))
k, b, w = rng.standard_normal((3, ROWS, CHANNELS))


def loss(x, k, b, w):
    y = (x[..., None] * k + b).reshape(BATCH, TIME // POOL, POOL, CHANNELS)
    return jnp.sum(jnp.tanh(jnp.max(y, axis=2)) * w)


gradient = jax.vmap(jax.grad(loss))
LESS = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 0}
usual, less = (jax.jit(gradient, compiler_options=options)(x, k, b, w) for options in (None, LESS))
lost = ~jnp.isfinite(less)
print(f"jax {jax.__version__}: {less.size} numbers, {int(lost.sum())} of them not finite with {LESS}")
assert jnp.isfinite(usual).all()
assert jnp.abs(usual - less)[~lost].max() < 1e-12, "the others are the same but for rounding"
assert lost.any(), "the behaviour has changed: every number is finite"
PYTHON
