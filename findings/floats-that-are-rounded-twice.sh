#!/usr/bin/env bash
# jax 0.10.2 and NumPy 2.4.6 with ml_dtypes 0.6.0 and with 0.7.0, on a CPU, float64 enabled.
#
# What it does: 1 + 2⁻⁸ + 2⁻⁴⁰ as bfloat16, of which the numbers next to it are 1 and 1 + 2⁻⁷; 1 + 2⁻³ + 2⁻⁴⁰ as
# float8_e5m2, where they are 1 and 1 + 2⁻²; and 16,973,823 as bfloat16. Each by NumPy, as `jnp.asarray(x, dtype)`, and as
# `jnp.asarray(x).astype(dtype)`.
# What one would guess: the nearest number, which is the upper, the upper and the lower; at least the same number by all
# three ways, whatever else is installed.
# What is seen: XLA goes to bfloat16 by way of float32, where the number lies half-way and is rounded a second time, to the
# wrong side; to float8 it rounds once. ml_dtypes 0.6.0 rounds twice to both, 0.7.0 once to both. What `jnp.asarray` is
# given a type for is converted by NumPy, so in 0.7.0 it is another number than that of `astype`, and another one than the
# same call gave with 0.6.0. With either release, NumPy and JAX differ somewhere.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 0.6.0 0.7.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check \
        jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 "ml_dtypes==$version"
    JAX_ENABLE_X64=1 JAX_PLATFORMS=cpu "$work/$version/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import ml_dtypes
import numpy as np

cases = {
    "bfloat16": (1 + 2.0**-8 + 2.0**-40, ml_dtypes.bfloat16),
    "float8_e5m2": (1 + 2.0**-3 + 2.0**-40, ml_dtypes.float8_e5m2),
    "bfloat16 of a whole number": (16_973_823, ml_dtypes.bfloat16),
}
seen = {
    name: tuple(
        float(np.asarray(way)[0]) for way in (x.astype(dtype), jnp.asarray(x, dtype), jnp.asarray(x).astype(dtype))
    )
    for name, (number, dtype) in cases.items()
    for x in [np.array([number])]
}
for name, (numpy, given_a_type, astype) in seen.items():
    print(f"ml_dtypes {ml_dtypes.__version__}: {name}: NumPy {numpy}, jnp.asarray {given_a_type}, astype {astype}")
once, twice = (1.0078125, 1.25, 16_908_288), (1, 1, 17_039_360)
by_xla = (1, 1.25, 17_039_360)
by_numpy = once if ml_dtypes.__version__ == "0.7.0" else twice
expected = dict(zip(cases, zip(by_numpy, by_numpy, by_xla)))
assert seen == expected, "the behaviour has changed"
PYTHON
done
