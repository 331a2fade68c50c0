"""What is stored into parts of tensors, of complex numbers too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import eqprop
from eqprop import Outcome, groups

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch
from eqprop.torch.derivatives import cotangents_of, evaluated, transposed_by_entries, transposed_of  # noqa: E402
from eqprop.torch.graphs import Graph  # noqa: E402

nn = torch.nn

ROWS = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 4, 4)))


def slices(x: Any) -> Any:
    z = torch.fft.fft(x)
    z[..., 1:3] *= 2
    z[::2, 0] = z[1::2, 1]
    z[3] = 1j * z[0]
    return torch.view_as_real(z)


def diagonal(x: Any) -> Any:
    y = x * x
    y.diagonal().mul_(3).add_(1)
    y.mT[1:3].copy_(x[0])
    return y


def narrower(x: Any) -> Any:
    y = x.float() * 2
    y[1] = x[2]
    return y.double()


def strided(x: Any) -> Any:
    y = torch.sin(x)
    y.as_strided((2, 2), (5, 1), 1).mul_(2)
    return y.as_strided((3,), (4,), 2) * y[0, 0]


@pytest.mark.parametrize("function", [slices, diagonal, narrower, strided])
def test_what_is_stored_in_place_is_batched_and_differentiated_as_torch_does(function):
    one = ROWS[0]

    def called(tensors, again):
        del again
        return (function(*tensors),)

    pulled = cotangents_of(called, 1)
    weights = torch.ones_like(function(one))
    for of, example in ((called, (one,)), (pulled, (one, weights))):
        graph = Graph(of, example)
        assert graph._rowwise.batches
        assert graph._rowwise_with_errors.batches
        rows = [ROWS, *(leaf.expand(len(ROWS), *leaf.shape) for leaf in example[1:])]
        (found,) = graph.many(rows, None)
        expected = torch.stack([evaluated(of, row)[0] for row in zip(*rows, strict=True)])
        assert torch.equal(found, expected)
    (back,) = transposed_of(graph.function, (weights,), 1)((one, one), again=False)
    (by_entries,) = evaluated(transposed_by_entries(pulled, (weights,), 1), (one, one))
    assert torch.allclose(back, by_entries)


class Spectral(nn.Module):
    """A filter of waves, one complex number each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.filter, self.w, self.v = (nn.Parameter(torch.randn(*shape)) for shape in ((3, 2), (3, 4), (4, 2)))

    def forward(self, x: Any) -> Any:
        waves = torch.fft.rfft(x, dim=0) * torch.view_as_complex(self.filter)[:, None]
        return torch.relu(torch.fft.irfft(waves, n=5, dim=0) @ self.w) @ self.v


class Rotary(nn.Module):
    """Turns of pairs of numbers by their positions, kept as complex numbers, whose type is asked for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.q, self.w, self.v = (nn.Parameter(torch.randn(*shape)) for shape in ((3, 4), (4, 4), (4, 2)))
        angles = torch.arange(5.0)[:, None] * torch.tensor([1.0, 0.3])
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))

    def forward(self, x: Any) -> Any:
        pairs = torch.complex(*(x @ self.q).chunk(2, -1)).to(self.turns.dtype) * self.turns
        return torch.relu(torch.view_as_real(pairs).flatten(-2) @ self.w) @ self.v


@pytest.mark.parametrize("module", [Spectral, Rotary])
def test_complex_numbers_inside_of_a_module_have_verdicts_of_every_order(module):
    units = eqprop.hidden_units(groups.Scaling(4), writes={"w": 1}, reads={"v": 0})
    rows = np.random.default_rng(0).standard_normal((5, 3))
    names = ["equivariance", "jacobian-generator", "derivative", "noether", "hessian-generator"]
    report = eqprop.run(
        eqprop.Pair(from_module(module(), rows.astype(np.float32)), units),
        properties=names, probes=8, max_architectures=1, unseen=False, profile="quick",
    )  # fmt: skip
    assert {verdict.property.name: verdict.outcome for verdict in report.verdicts} == dict.fromkeys(
        names, Outcome.HOLDS
    )
