#!/usr/bin/env bash
# jax and jaxlib 0.10.2 on a CPU (0.12.0 does the same).
#
# What it does: asks whether the smallest positive float64, as jnp.nextafter(0, 1) gives it, is larger than 0, whether it
# equals 0, and hands it through a jitted function that returns its argument.
# What one would guess: it is larger than 0 and does not equal it, as IEEE 754 has it and NumPy says of the same number; or
# else, where subnormal numbers are taken for 0, it comes back as 0.
# What is seen: it comes back as it was, not a bit lost, and yet it is not larger than 0 and equals 0, eagerly and jitted,
# as every number below 2.2e-308 does. That two numbers differ is no promise that their difference is not 0, and a mask of
# zeros that NumPy made is another one than that of JAX.
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
least = jnp.nextafter(jnp.zeros(()), jnp.ones(()))
returned = jax.jit(lambda x: x)(least)
asked = {
    "x > 0": lambda x: x > 0,
    "x == 0": lambda x: x == 0,
    "3e-308 - 2.9e-308 == 0": lambda x: (3e-308 + x) - (2.9e-308 + x) == 0,
}
print(f"jax {jax.__version__}: x = {float(least)}, returned by a jitted function as {float(returned)}")
assert float(least) == float(returned) == 5e-324 > 0, "the behaviour has changed: it is flushed on its way"
for text, ask in asked.items():
    said = (bool(ask(least)), bool(jax.jit(ask)(least)), bool(ask(np.asarray(least))))
    print(f"{text}: {said[0]} eagerly, {said[1]} jitted, {said[2]} by NumPy")
    assert said[0] == said[1] != said[2], "the behaviour has changed: a subnormal number is told from 0"
PYTHON
