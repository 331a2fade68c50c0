#!/usr/bin/env bash
# jax and jaxlib 0.10.2 (0.12.0.1 does the same), on a CPU.
#
# What it does: takes the exponential of t · [[0, -1], [1, 0]] in float64, which is the turn by t, with jax.scipy.linalg.expm.
# What one would guess: cos t and sin t to 1e-14, as SciPy has them, or a little less precisely the larger t is; the
# documentation says that the matrix is halved ceil(log2 of its norm) - c times.
# What is seen: 4e-16 at t = 5.38, 3e-9 at t = 10, 2e-8 at t = 10.74, and 1e-15 again at t = 10.75; likewise up to 21.5. The
# number of halvings is rounded down and not up, so that Pade's approximation of degree 13 is used up to twice the norm
# that it is made for (5.37). A matrix whose 1-norm is 5.37 times a power of two, or a little more, is all right.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1
cd "$work"
JAX_PLATFORMS=cpu JAX_ENABLE_X64=1 "$work/venv/bin/python" - <<'PYTHON'
import math

import jax
import numpy as np
import scipy


def turn(t):
    return np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])


def error(expm, t):
    return np.abs(np.asarray(expm(t * np.array([[0.0, -1.0], [1.0, 0.0]]))) - turn(t)).max()


for t, precise in ((5.38, True), (7, False), (10, False), (10.74, False), (10.75, True), (21.4, False), (21.5, True)):
    ours, theirs = error(jax.scipy.linalg.expm, t), error(scipy.linalg.expm, t)
    print(f"turn by {t}: jax {jax.__version__} is off by {ours:.1e}, SciPy {scipy.__version__} by {theirs:.1e}")
    assert theirs < 1e-13, "SciPy's exponential has changed"
    assert (ours < 1e-14) == precise, "the behaviour has changed: the error of JAX's exponential is another one"
assert error(jax.scipy.linalg.expm, 10.74) > 1e-8, "the behaviour has changed: the error is smaller"
PYTHON
