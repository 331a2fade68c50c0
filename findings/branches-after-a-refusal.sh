#!/usr/bin/env bash
# torch 2.13.0 on a CPU.
#
# What it does: calls a function with torch.cond, then the same function under a TorchDispatchMode that has no rule for
# torch.cond, whose error is caught, then once more without any mode.
# What one would guess: the mode is refused, as documented, and where it is left everything is as it was: the third call
# gives what the first one gave.
# What is seen: the third call raises, as does the function at an input of another shape: "torch.* op returned non-Tensor".
# torch.cond is compiled by torch._dynamo also where it is called eagerly, and what it kept of the refused attempt stays.
# After torch._dynamo.reset() the function gives what it gave.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Passing(TorchDispatchMode):
    """Does what would be done without it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def branches(x):
    return torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))


def under_the_mode(x):
    with Passing():
        return branches(x)


def said(function, x):
    try:
        return function(x).tolist()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0].split(' and mode ')[0]}"


x = torch.ones(2)
first, refused, third, longer = (
    said(branches, x), said(under_the_mode, x), said(branches, x), said(branches, torch.ones(3))
)
torch._dynamo.reset()
last = said(branches, x)
print(f"torch {torch.__version__}")
print(f"  at first:             {first}")
print(f"  under the mode:       {refused}")
print(f"  without it again:     {third}")
print(f"  of another shape:     {longer}")
print(f"  after a reset:        {last}")
assert first == last == torch.sin(x).tolist() and refused.startswith("NotImplementedError"), "the behaviour has changed"
assert third == longer == "Unsupported: torch.* op returned non-Tensor", "the behaviour has changed"
PYTHON
