#!/usr/bin/env bash
# torch 2.14.1.
#
# What it does: takes one step of torch.optim.Muon in float64 for a gradient G and for Q G, Q orthogonal, and the
# polynomial iteration that the step stands for, with the optimiser's own coefficients, in float64.
# What one would guess: the step for Q G is Q times the step for G to the rounding of float64, since the iteration is an
# odd polynomial of G, and parameters and gradients are float64.
# What is seen: the iteration alone is so. The steps differ by per cents of their size: the optimiser iterates in bfloat16
# whatever the parameters are, and gives float64 back.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from torch.optim import Muon

torch.manual_seed(0)
gradient = torch.randn(8, 6, dtype=torch.float64)
turn = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]


def step(slope):
    """Minus what the first step adds to parameters of zeros, without momentum and weight decay."""
    params = torch.nn.Parameter(torch.zeros_like(slope))
    params.grad = slope.clone()
    Muon([params], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False).step()
    return -params.detach()


def iterated(slope):
    """Newton and Schulz's iteration as the optimiser's options have it, in the gradient's own type."""
    options = Muon([torch.nn.Parameter(slope)]).defaults
    first, third, fifth = options["ns_coefficients"]
    found = slope.mT / slope.norm()
    for _ in range(options["ns_steps"]):
        square = found @ found.mT
        found = first * found + (third * square + fifth * square @ square) @ found
    return found.mT


def miss(of):
    found = of(gradient)
    assert found.dtype == torch.float64
    return ((of(turn @ gradient) - turn @ found).abs().max() / found.abs().max()).item()


steps, plain = miss(step), miss(iterated)
print(f"torch {torch.__version__}: steps differ by {steps:.2g} of their size, the iteration by {plain:.1g}")
assert plain < 1e-12, "the behaviour has changed: the iteration does not go along with the turn"
assert steps > 1e-3, "the behaviour has changed: the steps are those of float64"
PYTHON
