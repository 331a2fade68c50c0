#!/usr/bin/env bash
# scipy 1.18.1 beside 1.17.1, numpy 2.4.6, on a CPU; python3 must be 3.12 or newer, as scipy 1.18 asks.
#
# What it does: takes the two-dimensional Fourier transforms of images (3 x 4 complex numbers in float64) whose channels
# lie last in memory, once of all channels at a time and once of one channel alone, by scipy.fft.fftn with axes=(0, 1).
# What one would guess: a channel's transform has nothing to do with the others: the same bits both ways, as in 1.17.1.
# What is seen: in 1.18.1 the last bits differ. The order in which the axes are taken is chosen by the sizes and strides
# of the whole array: the one in which a lone channel is taken is the other one, whatever `axes` says. Batched and
# unbatched evaluations, and checksums of either, no longer agree to the last bit.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 1.17.1 1.18.1; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check "scipy==$version" numpy==2.4.6
    "$work/$version/bin/python" - <<'PYTHON'
import numpy as np
import scipy
from scipy import fft

draw = np.random.default_rng(0).normal
x = draw(size=(3, 4, 2)) + 1j * draw(size=(3, 4, 2))
alone = np.ascontiguousarray(x[..., :1])
together = fft.fftn(x, axes=(0, 1))[..., 0]
orders = {
    "the last axis last": lambda y: fft.fft(fft.fft(y, axis=0), axis=1)[..., 0],
    "the last axis first": lambda y: fft.fft(fft.fft(y, axis=1), axis=0)[..., 0],
}


def order(y, result):
    return [name for name, steps in orders.items() if np.array_equal(steps(y), result)]


lone = fft.fftn(alone, axes=(0, 1))[..., 0]
print(f"scipy {scipy.__version__}: with others {order(x, together)}, alone {order(alone, lone)}")
print(f"    greatest difference {abs(together - lone).max():.1e}")
changed = scipy.__version__ != "1.17.1"
assert np.array_equal(together, lone) != changed, "the behaviour has changed"
assert np.allclose(together, lone, rtol=1e-14, atol=1e-14), "more than last bits differ"
PYTHON
done
