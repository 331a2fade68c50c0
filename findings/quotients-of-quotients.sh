#!/usr/bin/env bash
# jax and jaxlib 0.10.2 (0.12.0.1 does the same), on a CPU.
#
# What it does: divides a number twice by another one, x / s / s, operation by operation and in one jitted program, in
# float32 and in float64. All of x, x / s and x / s / s are ordinary numbers of their type.
# What one would guess: the same but for the last bit.
# What is seen: the jitted program gives 0. XLA divides once, by s · s, which is infinite where s is beyond the square root
# of the largest number (1.8e19 in float32). x times 1 / s, twice, is what it should be.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu JAX_ENABLE_X64=1 "$work/venv/bin/python" - <<'PYTHON'
import jax
import numpy as np


def twice(x, s):
    return x / s / s


def by_a_factor(x, s):
    factor = 1 / s
    return x * factor * factor


for kind, x, s in ((np.float32, 1e30, 1e20), (np.float64, 1e300, 1e200)):
    x, s = jax.numpy.asarray(x, kind), jax.numpy.asarray(s, kind)
    apart, together, factors = float(twice(x, s)), float(jax.jit(twice)(x, s)), float(jax.jit(by_a_factor)(x, s))
    print(f"jax {jax.__version__}, {kind.__name__}: {apart:.6g} by operations, {together:.6g} jitted, {factors:.6g} by factors")
    assert abs(apart / (float(x) / float(s) / float(s)) - 1) < 1e-5, "the operations have changed"
    assert together == 0, "the behaviour has changed: the quotient of the quotient is not 0"
    assert abs(factors / apart - 1) < 1e-5, "the behaviour has changed: the product is something else"
PYTHON
