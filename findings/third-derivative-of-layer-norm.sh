#!/usr/bin/env bash
# torch 2.14.1 on a CPU.
#
# What it does: differentiates functions of three numbers along one direction once, twice and three times, each time by a
# backward pass through the last one (create_graph=True), in float64, and compares with differences of the derivative before.
# What one would guess: torch.nn.functional.layer_norm is right to any order, or refuses to be differentiated further, as
# batch_norm does ("does not support 3rd+ order derivatives"); what is written out with mean and rsqrt is right.
# What is seen: written out it is right. The first and second derivative of layer_norm are right as well, and the third has
# the wrong size and no word is said: the second takes the mean and the deviation that the forward pass kept for numbers
# that do not depend on the input. A training loop never asks for it; a term such as ∇³L(k, ·, ·) does.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch

POINT = torch.tensor([0.3, -1.1, 0.8], dtype=torch.float64)
ALONG = torch.tensor([0.5, 0.2, -0.9], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
STEP = 1e-5


def built_in(x):
    return (torch.nn.functional.layer_norm(x, (3,)) * WEIGHTS).sum()


def written_out(x):
    centred = x - x.mean()
    return (centred * (centred.square().mean() + 1e-5).rsqrt() * WEIGHTS).sum()


def derivative(f, x, order):
    """Of f at x along one direction, by that many backward passes."""
    x = x.clone().requires_grad_()
    value = f(x)
    for _ in range(order):
        value = torch.autograd.grad(value, x, create_graph=True)[0] @ ALONG
    return value.item()


def difference(f, order):
    ahead, behind = (derivative(f, POINT + sign * STEP * ALONG, order - 1) for sign in (1, -1))
    return (ahead - behind) / (2 * STEP)


off = {}
for f in (written_out, built_in):
    for order in (1, 2, 3):
        found, expected = derivative(f, POINT, order), difference(f, order)
        off[f.__name__, order] = abs(found - expected) / abs(expected)
        print(f"{f.__name__}, order {order}: {found:.6f}, differences {expected:.6f}")
assert max(off["written_out", order] for order in (1, 2, 3)) < 1e-6, "the comparison itself is off"
assert max(off["built_in", order] for order in (1, 2)) < 1e-6, "the behaviour has changed: a lower order is wrong"
assert off["built_in", 3] > 0.1, "the behaviour has changed: the third derivative is right"
PYTHON
