#!/usr/bin/env bash
# NumPy 2.4.6 with ml_dtypes 0.6.0 and with 0.7.0.
#
# What it does: multiplies arrays of small floats by the Python number 1.001, and adds arrays of two small types; imports
# ml_dtypes in processes of their own.
# What one would guess: a type that hangs on the operands alone, and not on a minor release of the package that defines
# them; for a Python number the array's own type, as for float16 and float32 and in JAX.
# What is seen: in 0.6.0 a bfloat16 array times 1.001 is float32 and has changed, in 0.7.0 it is bfloat16 and has not: a
# tolerance or a step size that is computed from such an array is another one. The sum of bfloat16 and float8_e5m2 was
# float32, and is bfloat16. The rules for that are told to every function of NumPy when ml_dtypes is imported, each with a
# search through all that are there: an import, and so one of JAX, takes more than twice the CPU time, with NumPy's own
# import in it.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 0.6.0 0.7.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 "ml_dtypes==$version"
    "$work/$version/bin/python" - <<'PYTHON'
import ml_dtypes
import numpy as np

ones = {name: np.ones(3, name) for name in ("bfloat16", "float8_e5m2")}
seen = [*(np.dtype((x * 1.001).dtype).name for x in ones.values()), np.dtype(np.add(*ones.values()).dtype).name]
moved = bool(np.any(ones["bfloat16"] * 1.001 != 1))
print(f"ml_dtypes {ml_dtypes.__version__}: bfloat16 * 1.001, float8_e5m2 * 1.001, bfloat16 + float8_e5m2:", *seen)
print(f"    1 in bfloat16, times 1.001, is another number: {moved}")
own = ["bfloat16", "float8_e5m2", "bfloat16"]
assert (seen, moved) == ((own, False) if ml_dtypes.__version__ == "0.7.0" else (["float32"] * 3, True)), "changed"
PYTHON
done
python3 - "$work" <<'PYTHON'
import resource
import subprocess
import sys


def seconds(version):
    """The least CPU time of six imports."""

    def once():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([f"{sys.argv[1]}/{version}/bin/python", "-c", "import ml_dtypes"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(6))


old, new = map(seconds, ("0.6.0", "0.7.0"))
print(f"import ml_dtypes: {old:.2f} s of CPU time with 0.6.0, {new:.2f} with 0.7.0")
assert new > 2 * old, "the behaviour has changed"
PYTHON
