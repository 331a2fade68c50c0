#!/usr/bin/env bash
# jax 0.10.2 on a CPU; 0.12.0.1 does the same.
#
# What it does: gives x * y a rule (jax.custom_vjp with symbolic_zeros=True) whose forward part keeps, beside x and y, which
# of the two move, as () or None: a tree of another structure for each case. The backward part gives cotangents of those
# that move. The product is under jit; it is differentiated by x, then by y, and only then both are pulled back.
# What one would guess: what the forward part kept in a call is what the backward part of that call is given; both
# derivatives are right, as without jit: y = 3 and x = 2.
# What is seen: 0 and 2. Under jit the structure that the forward part gave last is that of all: the first backward part is
# told that y moves and x does not, and leaves its derivative out. Nothing is raised. Where the first pull comes before the
# second forward part all is right, and so it is where the mark is an array whose shape tells the cases apart.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
cat > "$work/seen.py" <<'PYTHON'
import jax
import numpy as np


def ruled(mark, moves):
    @jax.custom_vjp
    def product(x, y):
        return x * y

    def forward(x, y):
        return product(x.value, y.value), (x.value, y.value, mark(x.perturbed), mark(y.perturbed))

    def backward(kept, cotangent):
        x, y, of_x, of_y = kept
        return cotangent * y if moves(of_x) else None, cotangent * x if moves(of_y) else None

    product.defvjp(forward, backward, symbolic_zeros=True)
    return product


def both(f, x=2.0, y=3.0):
    _, by_x = jax.vjp(lambda x: f(x, y), x)
    _, by_y = jax.vjp(lambda y: f(x, y), y)
    return [float(by_x(1.0)[0]), float(by_y(1.0)[0])]


def one_by_one(f, x=2.0, y=3.0):
    return [float(jax.vjp(lambda x: f(x, y), x)[1](1.0)[0]), float(jax.vjp(lambda y: f(x, y), y)[1](1.0)[0])]


def by_structure():
    return ruled(lambda moved: () if moved else None, lambda mark: mark is not None)


def by_shape():
    return ruled(lambda moved: np.zeros(int(moved)), lambda mark: len(mark) == 1)


seen = {
    "as it is": both(by_structure()),
    "under jit": both(jax.jit(by_structure())),
    "under jit, each pulled at once": one_by_one(jax.jit(by_structure())),
    "under jit, told by a shape": both(jax.jit(by_shape())),
}
print(f"jax {jax.__version__}")
for how, found in seen.items():
    print(f"  {how + ':':32}{found}")
assert seen.pop("under jit") == [0.0, 2.0], "the behaviour has changed"
assert all(found == [3.0, 2.0] for found in seen.values()), "the behaviour has changed"
PYTHON
cd "$work"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
"$work/venv/bin/python" seen.py
