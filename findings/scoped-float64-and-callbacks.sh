#!/usr/bin/env bash
# jax and jaxlib 0.10.2 (0.12.0 does the same).
#
# What it does: a jitted program with jax.pure_callback runs inside `with jax.enable_x64(True)`, once on an array that is
# ready and once on one that is still being computed.
# What one would guess: the callback gets float64 and returns float64 in both.
# What is seen: in the second, which XLA runs on a thread of its own, the callback gets its argument in float32, and its
# float32 result is refused where float64 was promised: the scope is one of the thread that opened it.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu "$work/venv/bin/python" - <<'PYTHON'
import threading

import jax
import jax.numpy as jnp
import numpy as np

MAIN = threading.get_ident()
seen = []


def sine(x):
    seen.append((x.dtype.name, "main thread" if threading.get_ident() == MAIN else "another thread"))
    return np.sin(x)


def on_the_host(x):
    return jax.pure_callback(sine, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@jax.jit
def long(x):
    return jax.lax.fori_loop(0, 60, lambda _, y: jnp.tanh(y @ x + x), x)


x = np.ones((400, 400)) / 400
said = ""
with jax.enable_x64(True):
    ready = long(x).block_until_ready()
    program = jax.jit(on_the_host).lower(ready).compile()
    print(f"jax {jax.__version__}: ready:", program(ready).dtype, seen)
    assert seen == [("float64", "main thread")], seen
    seen.clear()
    try:
        program(long(x)).block_until_ready()
    except jax.errors.JaxRuntimeError as error:
        said = str(error).strip().splitlines()[-1]
print("being computed:", seen, said)
assert seen == [("float32", "another thread")], "the behaviour has changed: the scope reaches the callback"
assert "Expected: float64, Actual: float32" in said, "the behaviour has changed: the result is not refused"
PYTHON
