#!/usr/bin/env bash
# torch 2.14.1 on a CPU.
#
# What it does: asks for the derivative of a function with x · J₀(x) in it, J₀ being torch.special.bessel_j0, in two ways,
# torch.func.grad and torch.autograd.grad, likewise with other functions of torch.special, and of modified_bessel_i0 beside
# torch.special.i0, which is the same function.
# What one would guess: the derivative, since all of them are smooth; or an error that there is none.
# What is seen: torch.func.grad of J₀ alone is 0. Of x · J₀(x) both say J₀(x), the derivative of the other factor, without a
# word: Bessel, Airy and orthogonal-polynomial functions are constants to automatic differentiation, and only
# torch.autograd.grad of one of them alone raises. i0 is right, modified_bessel_i0, with the same values, is not.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch import special

X = torch.tensor(0.7, dtype=torch.float64)
THREE = torch.tensor(3.0, dtype=torch.float64)
STEP = 1e-6
constants = {
    "bessel_j0": special.bessel_j0,
    "bessel_y1": special.bessel_y1,
    "airy_ai": special.airy_ai,
    "modified_bessel_i0": special.modified_bessel_i0,
    "hermite_polynomial_h": lambda x: special.hermite_polynomial_h(x, THREE),
    "legendre_polynomial_p": lambda x: special.legendre_polynomial_p(x, THREE),
}


def differences(f):
    return ((f(X + STEP) - f(X - STEP)) / (2 * STEP)).item()


def eager(f):
    x = X.clone().requires_grad_()
    return torch.autograd.grad(f(x), x)[0].item()


for name, f in constants.items():
    alone = torch.func.grad(f)(X).item()
    product = lambda x, f=f: x * f(x)
    by_func, by_autograd = torch.func.grad(product)(X).item(), eager(product)
    print(f"{name}: func.grad {alone}, differences {differences(f):.4f}; "
          f"of x f(x): {by_func:.4f} and {by_autograd:.4f}, differences {differences(product):.4f}")
    assert alone == 0 and abs(differences(f)) > 0.1, f"the behaviour has changed: {name} has a derivative"
    assert by_func == by_autograd == f(X).item(), f"the behaviour has changed: {name} in a product"
    try:
        eager(f)
    except RuntimeError:
        continue
    raise SystemExit(f"the behaviour has changed: autograd.grad of {name} alone does not raise")
same = (special.i0(X) - special.modified_bessel_i0(X)).abs().item()
assert same < 1e-15, "the behaviour has changed: they are not the same function"
assert abs(torch.func.grad(special.i0)(X).item() - differences(special.i0)) < 1e-8, "the behaviour has changed: i0"
print(f"i0 and modified_bessel_i0 differ by {same:.1g}; the derivative of i0 is right")
PYTHON
