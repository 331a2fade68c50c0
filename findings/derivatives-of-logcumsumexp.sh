#!/usr/bin/env bash
# torch 2.13.0 on a CPU.
#
# What it does: differentiates a weighted sum of torch.logcumsumexp of four numbers between -1 and 2 up to four times, each
# time by a backward pass through the last one (create_graph=True), in float64, and beside it the same function written out
# as log(cumsum(exp(x))).
# What one would guess: the two agree to any order, or logcumsumexp refuses to be differentiated further: the function is
# smooth, its largest exponential is below 8, and its documentation speaks of no limit.
# What is seen: written out every order is right. Of logcumsumexp the first and the second derivative are right; the third is
# NaN in the last entry and right in the others, and the fourth is wrong in all, by a factor of ten in the first, without a
# word. A training loop never asks for it; a term such as ∇³L(k, ·, ·) does.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch

POINT = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=torch.float64)
ALONG = torch.tensor([1.0, -0.5, 0.3, 0.7], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 2.0, -1.0, 0.5], dtype=torch.float64)
STEP = 1e-5


def built_in(x):
    return torch.logcumsumexp(x, 0) @ WEIGHTS


def written_out(x):
    return x.exp().cumsum(0).log() @ WEIGHTS


def gradients(f, x, order):
    """The gradient, that of the gradient along one direction, and so on."""
    x = x.clone().requires_grad_()
    value, found = f(x), []
    for _ in range(order):
        (gradient,) = torch.autograd.grad(value, x, create_graph=True)
        found.append(gradient.detach())
        value = gradient @ ALONG
    return found


expected, found = gradients(written_out, POINT, 4), gradients(built_in, POINT, 4)
for order, (e, f) in enumerate(zip(expected, found), 1):
    print(f"torch {torch.__version__}, order {order}: logcumsumexp {f.numpy().round(4)}, written out {e.numpy().round(4)}")
ahead, behind = (gradients(written_out, POINT + sign * STEP * ALONG, 3)[2] for sign in (1, -1))
assert torch.allclose((ahead - behind) / (2 * STEP), expected[3], rtol=1e-6), "the comparison itself is off"
for order in (1, 2):
    assert torch.allclose(found[order - 1], expected[order - 1]), "the behaviour has changed: a lower order is wrong"
assert torch.isnan(found[2]).tolist() == [False, False, False, True], "the behaviour has changed: the third derivative"
assert torch.allclose(found[2][:3], expected[2][:3]), "the behaviour has changed: other entries of the third are wrong"
assert (found[3][:3] - expected[3][:3]).abs().min() > 0.03, "the behaviour has changed: the fourth derivative"
PYTHON
