"""Symmetries of PyTorch's modules, found from the graph of their operations and from PyTorch's own gradients."""

# pyright: reportMissingImports=false

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

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
