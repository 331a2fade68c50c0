#!/usr/bin/env bash
# torch 2.14.1 on a CPU.
#
# What it does: takes the gradient of scaled_dot_product_attention by the queries in float64, by autograd as it is, by a
# graph of make_fx, and by one that is made with torch._decomp.core_aten_decompositions(), which takes kernels apart.
# What one would guess: three times the same numbers up to rounding: a decomposition is what a kernel is made of.
# What is seen: with the decompositions the gradient is wrong by more than its own size, and no word is said. The kernel
# of a CPU gives the logarithms of the sums of exponentials as its second result, which its backward kernel reads; its
# decomposition gives the weights of attention in that place, and the backward kernel, which is not taken apart, reads
# these. Values are right. Whoever lowers a graph of a forward and a backward pass by this table trains something else.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

torch.manual_seed(0)
q, k, v = (torch.randn(1, 2, 5, 4, dtype=torch.float64) for _ in range(3))


def value(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).sin().sum()


def gradient(q, k, v):
    q = q.detach().requires_grad_()
    return torch.autograd.grad(value(q, k, v), q)[0]


written = value(q, k, v), gradient(q, k, v)
forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
table = core_aten_decompositions()
print(f"torch {torch.__version__}: second result of the kernel {tuple(forward(q, k, v)[1].shape)},", end=" ")
print(f"of its decomposition {tuple(table[forward](q, k, v)[1].shape)}")
apart = {}
for name, how in (("recorded", {}), ("taken apart", table)):
    graphs = [make_fx(f, decomposition_table=how)(q, k, v) for f in (value, gradient)]
    apart[name] = [float((g(q, k, v) - w).abs().max() / w.abs().max()) for g, w in zip(graphs, written)]
    print(f"  {name}: value off by {apart[name][0]:.1e}, gradient by {apart[name][1]:.1e}, relative to the largest entry")
assert max(apart["recorded"]) == 0, "the recorded graph has changed"
assert apart["taken apart"][0] < 1e-14 < 0.1 < apart["taken apart"][1], "the behaviour has changed"
PYTHON
