#!/usr/bin/env bash
# NumPy 2.4.6 on an x86-64 processor with fused multiply-add (2.5.5 does the same).
#
# What it does: multiplies arrays of 1,001 complex numbers as a * b, as b * a, and pair by pair as NumPy scalars.
# What one would guess: the same bits three times: IEEE 754's products and sums commute, and a ufunc does to each entry what
# it does to one.
# What is seen: in a third of the entries b * a differs from a * b in the last bits of a part, and in nearly half of them the
# array's product from that of the scalars. The array's loop takes one product of each part together with the sum, in one
# fused multiply-add, and which one depends on the order of the operands; for scalars both are rounded.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np

rng = np.random.default_rng(0)
for dtype in (np.complex128, np.complex64):
    a, b = (rng.standard_normal(1001) + 1j * rng.standard_normal(1001) for _ in range(2))
    a, b = a.astype(dtype), b.astype(dtype)
    product = a * b
    turned = (product != b * a).mean()
    alone = (product != np.array([x * y for x, y in zip(a, b)])).mean()
    print(f"NumPy {np.__version__}, {dtype.__name__}: b * a differs in {turned:.0%} of the entries, that of scalars in {alone:.0%}")
    assert np.abs(product - b * a).max() <= 4 * np.finfo(dtype).eps * np.abs(product).max(), "it is the last bits that differ"
    assert turned > 0.1, "the behaviour has changed: the product commutes"
    assert alone > 0.1, "the behaviour has changed: scalars are multiplied as arrays are"
PYTHON
