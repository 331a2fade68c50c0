#!/usr/bin/env bash
# jax and jaxlib 0.10.2 on a CPU (0.12.0 does the same).
#
# What it does: divides 1,000 float64 numbers by one number y, which is an argument of the function and no constant, and
# by an array that holds y 1,000 times; eagerly and jitted.
# What one would guess: the same bits: IEEE 754 rounds a quotient correctly, and broadcasting copies.
# What is seen: by the array each quotient is the correctly rounded one, NumPy's. By the single number one in ten or so is
# not: it is x · (1/y), which rounds twice. x / y and x / jnp.full_like(x, y) are two functions.
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
x, y = rng.standard_normal(1000) + 2, np.float64(3.0345584)
for how, divide in (("eagerly", jnp.divide), ("jitted", jax.jit(jnp.divide))):
    by_one = np.asarray(divide(x, y))
    by_array = np.asarray(divide(x, np.full_like(x, y)))
    differ = by_one != x / y
    print(f"jax {jax.__version__}, {how}: {differ.sum()} of {x.size} quotients by one number are not the nearest")
    assert (by_array == x / y).all(), "by an array they are"
    assert (by_one == x * (1 / y)).all(), "the behaviour has changed: it is no product with the reciprocal"
    assert differ.any(), "the behaviour has changed: each quotient is the nearest number"
PYTHON
