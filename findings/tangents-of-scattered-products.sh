#!/usr/bin/env bash
# torch 2.14.1 on a CPU.
#
# What it does: differentiates sums, products, means and extremes of groups of numbers (Tensor.scatter_reduce, all five
# reductions) by torch.func.grad and by torch.func.jvp, and the gradient by torch.func.jvp once more.
# What one would guess: both modes agree for each, or one of them is refused, as index_reduce's is.
# What is seen: four reductions agree in both modes. Of products the gradient is right and the tangent is 0, without a word;
# the Hessian by forward over reverse, which torch.func.hessian takes, lacks terms, and by reverse over reverse it is right.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from torch.func import grad, hessian, jacrev, jvp

NUMBERS = torch.tensor([1.5, 0.7, 1.1, 2.0], dtype=torch.float64)
ALONG = torch.tensor([1.0, -0.5, 0.3, 0.2], dtype=torch.float64)
GROUPS = torch.tensor([0, 0, 1, 1])


def reduced(how):
    start = torch.ones(2, dtype=torch.float64)
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64)
    return lambda x: start.scatter_reduce(0, GROUPS, x, how, include_self=False) @ weights


agree, curved = {}, {}
for how in ("sum", "mean", "amax", "amin", "prod"):
    f = reduced(how)
    slope, tangent = (grad(f)(NUMBERS) @ ALONG).item(), jvp(f, (NUMBERS,), (ALONG,))[1].item()
    mixed, plain = hessian(f)(NUMBERS), jacrev(jacrev(f))(NUMBERS)
    agree[how], curved[how] = abs(slope - tangent) < 1e-12, (mixed - plain).abs().max().item()
    print(f"{how}: gradient {slope:.3f}, tangent {tangent:.3f}; Hessians differ by {curved[how]:.2g}")
assert all(agree[how] for how in agree if how != "prod"), "the behaviour has changed: another reduction disagrees"
assert not agree["prod"], "the behaviour has changed: the tangent of a product is right"
expected = torch.zeros(4, 4, dtype=torch.float64)
for first, second, weight in ((0, 1, 1.0), (2, 3, 3.0)):  # of a b the second derivative is 1
    expected[first, second] = expected[second, first] = weight
assert torch.allclose(jacrev(jacrev(reduced("prod")))(NUMBERS), expected), "the behaviour has changed: reverse"
assert curved["prod"] > 0.1, "the behaviour has changed: torch.func.hessian of a product is right"
PYTHON
