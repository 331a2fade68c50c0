#!/usr/bin/env bash
# hypothesis 6.155.2.
#
# What it does: runs one test under @seed(0), without an example database, five times: as it is; after a module that it does
# not use was imported; after a number in that module was edited; after the same module was imported from site-packages;
# and once more as it is. Each run is a process of its own, and prints which integers were drawn.
# What one would guess: the seed and the strategy decide what is drawn, and every run prints the same.
# What is seen: the first, the fourth and the last do. The second and the third differ from them and from each other: one
# draw in twenty is taken from the constants in the source of all modules that are imported and do not lie in site-packages.
# So a seed that is given in a bug report draws something else in an installation than in a checkout, and what a test
# with a fixed seed covers changes with an edit somewhere else.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check hypothesis==6.155.2
mkdir "$work/project"
cd "$work/project"
cat > seeded.py <<'PYTHON'
import importlib
import sys

from hypothesis import given, seed, settings
from hypothesis import strategies as st

for name in sys.argv[1:]:
    importlib.import_module(name)
drawn = []


@seed(0)
@settings(database=None, max_examples=200)
@given(st.integers(0, 10**6))
def test(n):
    drawn.append(n)


test()
print(drawn)
PYTHON
run() { PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/python" seeded.py "$@"; }
plain=$(run)
echo "LIMITS = [4096, 12288, 65537, 250007]" > limits.py
imported=$(run limits)
echo "LIMITS = [4096, 12288, 65537, 250013]" > limits.py
edited=$(run limits)
mv limits.py "$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
installed=$(run limits)
again=$(run)
differing() { [[ $1 == "$2" ]] && echo "the same" || echo "others"; }
echo "drawn after a module was imported:            $(differing "$plain" "$imported")"
echo "drawn after a number in it was edited:        $(differing "$imported" "$edited")"
echo "drawn after it moved to site-packages:        $(differing "$plain" "$installed")"
echo "drawn once more without it:                   $(differing "$plain" "$again")"
[[ $plain == "$again" && $plain == "$installed" && $plain != "$imported" && $imported != "$edited" ]] ||
    { echo "the behaviour has changed" >&2; exit 1; }
PYTHON_LIST=$imported "$work/venv/bin/python" - <<'PYTHON'
import ast
import os

drawn = set(ast.literal_eval(os.environ["PYTHON_LIST"]))
print("numbers of the module among what was drawn:  ", sorted(drawn & {4096, 12288, 65537, 250007}))
assert drawn & {12288, 65537, 250007}, "the behaviour has changed: none of the module's numbers was drawn"
PYTHON
