"""Symmetries of PyTorch's modules, found from the graph of their operations and from PyTorch's own gradients."""

# pyright: reportMissingImports=false

from __future__ import annotations

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
