#!/usr/bin/env bash
# torch 2.14.1 on a CPU.
#
# What it does: takes the second derivative along one direction of functions of a well-conditioned 3 × 3 matrix in four
# ways: reverse over reverse, forward over reverse, reverse over forward and forward over forward, in float64.
# What one would guess: the four agree, as derivatives in either order do, whichever function it is.
# What is seen: they agree for inv, cholesky and lu_solve. For det, slogdet and solve all is right where a gradient is
# differentiated, and where a tangent is, it is wrong by a part of its size or 0, without a word: the tangent is computed
# with the factors that the forward pass kept, and these are constants to whoever differentiates once more. Of
# torch.func's ways to a Hessian jacfwd(jacrev(f)) is right and jacrev(jacfwd(f)) is not.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from torch import linalg
from torch.func import grad, jvp

MATRIX = torch.tensor([[2.0, 0.3, -0.4], [0.1, 1.5, 0.6], [-0.2, 0.5, 2.5]], dtype=torch.float64)
ALONG = torch.tensor([[0.7, -0.2, 0.4], [0.3, 0.9, -0.6], [0.5, 0.1, -0.8]], dtype=torch.float64)
SIDE = torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)
right = {
    "inv": lambda m: linalg.inv(m).sum(),
    "cholesky": lambda m: linalg.cholesky(m @ m.T).sum(),
    "lu_solve": lambda m: linalg.lu_solve(*linalg.lu_factor(m), SIDE).sum(),
}
wrong = {"det": linalg.det, "slogdet": lambda m: linalg.slogdet(m)[1], "solve": lambda m: linalg.solve(m, SIDE).sum()}


def slope(f):
    """By a gradient."""
    return lambda m: (grad(f)(m) * ALONG).sum()


def tangent(f):
    return lambda m: jvp(f, (m,), (ALONG,))[1]


def differences(f, step=1e-4):
    return ((f(MATRIX + step * ALONG) - 2 * f(MATRIX) + f(MATRIX - step * ALONG)) / step**2).item()


for name, f in {**right, **wrong}.items():
    of_gradient = [outer(slope(f))(MATRIX).item() for outer in (slope, tangent)]
    of_tangent = [outer(tangent(f))(MATRIX).item() for outer in (slope, tangent)]
    expected = differences(f)
    print(f"{name}: of the gradient {of_gradient}, of the tangent {of_tangent}, differences {expected:.6f}")
    assert all(abs(one - expected) < 1e-5 * abs(expected) for one in of_gradient), f"the behaviour has changed: {name}"
    off = [abs(one - expected) / abs(expected) for one in of_tangent]
    if name in right:
        assert max(off) < 1e-5, f"the behaviour has changed: the tangent of {name} is wrong, too"
    else:
        assert min(off) > 0.05, f"the behaviour has changed: the tangent of {name} is right"
PYTHON
