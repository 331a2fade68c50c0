#!/usr/bin/env bash
# NumPy 2.4.6 on an x86-64 processor with AVX-512 (2.5.5 does the same).
#
# What it does: takes exp, log and expm1 of 1,001 float64 numbers as they lie in memory, of the same numbers as a view with
# a negative stride (values[::-1], the result turned round again), and as every second entry of an array of twice the size.
# What one would guess: the same bits, because each entry is a function of one number.
# What is seen: with every second entry they are the same. Of the reversed view 5 % (exp), 0.5 % (log) and 11 % (expm1) of the
# results differ in the last bit: a negative stride is gone through by another implementation of the function.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np

values = np.abs(np.random.default_rng(0).standard_normal(1001))
for function in (np.exp, np.log, np.expm1):
    straight = function(values)
    reversed_ = function(values[::-1])[::-1]
    spread = function(np.repeat(values, 2)[::2])
    differ = (straight != reversed_).mean()
    print(f"NumPy {np.__version__}, {function.__name__}: {differ:.1%} differ in a reversed view, {(straight != spread).mean():.1%} in every second")
    assert np.abs(straight / reversed_ - 1).max() < 1e-15, "it is the last bit that differs"
    assert (straight == spread).all(), "the behaviour has changed: a stride of two differs, too"
    assert differ > 0.001, "the behaviour has changed: a reversed view gives the same bits"
PYTHON
