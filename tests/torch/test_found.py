"""Symmetries of PyTorch's modules, found from the graph of their operations and from PyTorch's own gradients."""

# pyright: reportMissingImports=false

from __future__ import annotations

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from eqprop.engine import equations, is_foreign  # noqa: E402 - torch comes first
from eqprop.finding import find  # noqa: E402 - it needs torch
from eqprop.torch import from_module  # noqa: E402
from tests.torch.networks import Gpt, Llama  # noqa: E402

nn = torch.nn


def groups_of(module, inputs):
    torch.manual_seed(0)
    return sorted(one.found.group for one in find(from_module(module, inputs), prove=False).found)


IDS = torch.tensor([[0, 1, 2, 4], [3, 1, 0, 0]])


@pytest.mark.parametrize(
    ("module", "inputs", "expected"),
    [
        pytest.param(
            nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
            torch.ones(5, 3, dtype=torch.float64),
            ["R₊^4, powers 1, -1", "S_4"],
            id="perceptron",
        ),
        pytest.param(
            nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Conv2d(3, 2, 2), nn.Flatten()),
            torch.ones(2, 1, 4, 4, dtype=torch.float64),
            ["R₊^3, powers 1, -1", "S_3"],
            id="convolutions",
        ),
        pytest.param(
            Gpt(),
            IDS,
            [
                *["GL(4) in each of 2"] * 2,
                *["R^1, the same along 8"] * 2,
                "R^12, the same along 8",
                "R^4, the same along 8",
                "R^8",
                *["R^8, into the next bias"] * 2,
                "R^8, the same along 8",
                *["R₊^8, powers 1, -1"] * 2,
                "S_12",
                "S_2",
                "S_8",
            ],
            id="gpt",
        ),
        pytest.param(
            Llama(),
            IDS,
            [
                "C*^2",
                "GL(4)",
                "R₊^6, powers 1, -1",
                *["R₊^8, powers 1, -1"] * 3,
                "S_2",
                "S_6",
                "S_8",
                "signs of 6",
            ],
            id="llama",
        ),
    ],
)
def test_modules_have_the_groups_that_theory_says(module, inputs, expected):
    assert groups_of(module.double(), inputs) == expected


class Outside(torch.autograd.Function):
    """ReLU by NumPy: no graph of torch's operations shows it."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return torch.from_numpy(np.maximum(z.detach().numpy(), 0))

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        return g * (z > 0)


class Opaque(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(2, 4), nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.third(torch.tanh(self.second(Outside.apply(self.first(x)))))


def test_without_a_graph_lengths_of_axes_say_what_may_move_together():
    module = Opaque().double()
    assert groups_of(module, torch.ones(5, 2, dtype=torch.float64)) == [
        "R₊^4, powers 1, -1",
        "S_3",
        "S_4",
        "signs of 3",
    ]


class Branching(nn.Module):
    """Two experts by their number, of which each row of the input takes one; positions are looked through as well."""

    def __init__(self, routed):
        super().__init__()
        self.up, self.down = nn.Parameter(torch.ones(2, 2, 3)), nn.Parameter(torch.ones(2, 3, 2))
        self.score = nn.Linear(2, 2, bias=False)
        self.routed = routed

    def forward(self, x):
        if not (torch.arange(len(x)).diff() == 1).all():
            return x
        weights = torch.softmax(self.score(x), -1)
        taken = weights.argmax(-1) if self.routed else torch.arange(len(x)) % 2
        found = torch.zeros_like(x)
        for expert in taken.unique() if self.routed else range(2):
            rows = torch.where(taken == expert)[0]
            units = torch.nn.functional.gelu(x[rows] @ self.up[expert])
            found.index_add_(0, rows, units @ self.down[expert] * weights[rows, expert, None])
        return found


def test_a_module_that_branches_on_numbers_is_followed_where_it_goes_at_the_example():
    x = torch.tensor([[1.0, 2.0], [2.0, -1.0], [-1.0, 1.0], [-2.0, -1.0], [0.5, 0.5], [1.0, -1.0]], dtype=torch.float64)
    groups = groups_of(Branching(routed=True).double(), x)
    assert {"S_2", "S_3"} <= set(groups)
    assert groups.count("S_3") == 2


def test_a_module_that_looks_through_its_own_constants_has_a_graph():
    module = Branching(routed=False).double()
    model = from_module(module, torch.ones(6, 2, dtype=torch.float64))
    traced = jax.make_jaxpr(model.apply)(model.params, model.inputs)
    (function,) = (e.params["function"] for e, _ in equations(traced) if is_foreign(e))
    assert function.opaque == ""


class Rectified(torch.autograd.Function):
    """ReLU whose gradient is off by some percent."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        return torch.where(z > 0, g * (1 + 0.1 * z / (1 + z**2)), 0)


class Squared(torch.autograd.Function):
    """z² with the right gradient, whose own derivative is cut off."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        return 2 * g * z.detach()


class Planted(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.kernel, self.first, self.second = kernel, nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False)

    def forward(self, x):
        return self.second(self.kernel(self.first(x)))


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "order"), [(Rectified.apply, 1), (Squared.apply, 2)], ids=["first", "second"])
def test_a_broken_kernel_is_found_without_a_claim_at_its_order(kernel, order):
    symmetries = find(from_module(Planted(kernel).double(), torch.ones(5, 2, dtype=torch.float64)))
    assert symmetries.found
    assert all(one.verdict == "defect" for one in symmetries.found)
    assert all(one.why.startswith(f"falsified at order {order}") for one in symmetries.found)
    assert symmetries.exit_code == 1
