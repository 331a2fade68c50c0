#!/usr/bin/env bash
# torch 2.14.1.
#
# What it does: differentiates Σ W³ of a weight W = g v/|v| of torch.nn.utils.parametrizations.weight_norm twice, with
# dim=0 (the default) and with dim=None, in float64.
# What one would guess: W stays what it is when v is scaled, so that ∂L/∂v is orthogonal to v, and the second derivative
# by v, applied to v, is −∂L/∂v.
# What is seen: both for dim=None. For dim=0 the first is so and the second is not: what comes out is off by eight times
# its size, without an error or a warning.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


def euler(dim):
    """|H v + ∂L/∂v| over |∂L/∂v|, for the derivatives by v along v; and the same of the gradient, ⟨∂L/∂v, v⟩."""
    torch.manual_seed(0)
    layer = weight_norm(nn.Linear(3, 2, bias=False, dtype=torch.float64), dim=dim)
    v = layer.parametrizations.weight.original1
    (slope,) = torch.autograd.grad((layer.weight**3).sum(), v, create_graph=True)
    (bent,) = torch.autograd.grad(slope, v, v.detach())
    return ((bent + slope).norm() / slope.norm()).item(), ((slope * v).sum() / slope.norm()).item()


rows, whole = euler(0), euler(None)
print(f"torch {torch.__version__}: dim=0: H v is off by {rows[0]:.2g}, the gradient by {abs(rows[1]):.1g}; ", end="")
print(f"dim=None: {whole[0]:.1g} and {abs(whole[1]):.1g}")
assert max(whole) < 1e-12, "the behaviour has changed: dim=None is wrong"
assert abs(rows[1]) < 1e-12, "the behaviour has changed: the gradient is wrong"
assert rows[0] > 0.1, "the behaviour has changed: the second derivative is right"
PYTHON
