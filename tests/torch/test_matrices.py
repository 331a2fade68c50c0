"""Functions of matrices: how an exponential rounds, and where a matrix has no inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import eqprop
from eqprop import Outcome, groups

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch
from eqprop.torch.graphs import Graph  # noqa: E402
from eqprop.torch.noise import Signs  # noqa: E402

nn = torch.nn
EPS = np.finfo(float).eps


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_an_exponential_has_errors_of_the_size_of_those_that_torch_makes(size):
    def whole(tensors, again):
        del again
        turn, block = tensors
        return (torch.matrix_exp(torch.cat([torch.cat([turn, block], 1), torch.cat([0 * turn, turn], 1)])),)

    turn = torch.tensor([[0.0, -0.7], [0.7, 0.0]], dtype=torch.float64)
    graph = Graph(whole, (turn, size * torch.eye(2, dtype=torch.float64)))
    rows = [turn.expand(64, 2, 2), size * torch.eye(2, dtype=torch.float64).expand(64, 2, 2)]
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (64, 1021))
    (found,), (erring,) = graph.many(rows, None), graph.many(rows, Signs(signs))
    rotation = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    true = abs(found[0, :2, 2:].numpy() / size - rotation).max()
    moved = abs((erring - found)[:, :2, 2:].numpy() / size).max()
    assert true <= 4 * moved
    assert moved <= 8 * EPS * (1 + size)  # the norm of the whole
    assert not erring[:, 2:, :2].any()  # a block of zeros stays one


class Exponential(torch.autograd.Function):
    """Of a matrix; its gradient is off by a millionth in one entry."""

    @staticmethod
    def forward(ctx: Any, matrix: Any) -> Any:
        ctx.save_for_backward(matrix)
        return torch.matrix_exp(matrix)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (matrix,) = ctx.saved_tensors
        turned, zeros = matrix.mT, torch.zeros_like(matrix)
        block = torch.cat([torch.cat([turned, gradient], 1), torch.cat([zeros, turned], 1)])
        found = torch.matrix_exp(block)[: len(matrix), len(matrix) :]
        entry = torch.eye(matrix.numel(), dtype=matrix.dtype)[1].reshape(matrix.shape)
        return found * (1 + 1e-6 * entry)


class Turned(nn.Module):
    """Units behind a rotation."""

    def __init__(self, exponential: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.exponential = exponential
        self.a, self.v = (nn.Parameter(torch.randn(4, n, dtype=torch.float64)) for n in (4, 2))

    def forward(self, x: Any) -> Any:
        return torch.relu(x @ self.exponential(self.a - self.a.T)) @ self.v


def judged(exponential: Any, scale: float) -> eqprop.Verdict:
    """At a point where the cotangent that comes to the exponential is large."""
    nothing = eqprop.Transformation(groups.Translation(1), lambda c, p: p, name="nothing")
    rng = np.random.default_rng(0)
    model = from_module(Turned(exponential), rng.standard_normal((5, 4)))
    params, tangent = ({n: rng.standard_normal(np.shape(p)) for n, p in model.params.items()} for _ in range(2))
    given = {"params": {**params, "v": scale * params["v"]}, "inputs": rng.standard_normal((5, 4)), "tangent": tangent}
    return eqprop.check(
        eqprop.Pair(model, nothing), "derivative", **given, cotangent=rng.standard_normal((5, 2)), shortness=0.5
    )


@pytest.mark.parametrize("scale", [1.0, 200.0, 1e5])
def test_the_derivative_of_an_exponential_holds_whatever_the_size_of_a_cotangent(scale):
    assert judged(torch.matrix_exp, scale).outcome is Outcome.HOLDS


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_a_derivative_of_an_exponential_that_is_off_by_a_millionth_is_caught(scale):
    with pytest.raises(eqprop.Falsified, match="derivative"):
        judged(Exponential.apply, scale)


@pytest.mark.parametrize("function", [torch.linalg.inv, torch.linalg.cholesky, lambda a: torch.linalg.solve(a, a.mT)])
def test_a_matrix_without_an_inverse_has_none_in_its_own_row_alone(function):
    graph = Graph(lambda tensors, again: (function(*tensors),), (torch.eye(2, dtype=torch.float64),))
    rows = torch.stack([torch.eye(2), torch.zeros(2, 2), 4 * torch.eye(2)]).double()
    for signs in (None, Signs(np.ones((3, 1021), np.int8))):
        (found,) = graph.many([rows], signs)
        assert torch.isnan(found[1]).all()
        assert torch.allclose(found[[0, 2]], torch.stack([function(rows[0]), function(rows[2])]))


class Solved(nn.Module):
    """Units behind a matrix that some draws have no inverse of."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.w = (nn.Parameter(torch.randn(2, 2, dtype=torch.float64)) for _ in range(2))
        self.v = nn.Parameter(torch.randn(2, 1, dtype=torch.float64))

    def forward(self, x: Any) -> Any:
        return torch.relu(torch.linalg.solve(self.a, x) @ self.w) @ self.v


def test_a_module_that_solves_has_verdicts_though_some_draws_have_no_solution():
    units = eqprop.hidden_units(groups.Scaling(2), writes={"w": 1}, reads={"v": 0})
    pair = eqprop.Pair(from_module(Solved(), np.ones((2, 2))), units)
    report = eqprop.run(pair, properties=["equivariance", "noether"], probes=64, max_architectures=1, profile="quick")
    assert {verdict.outcome for verdict in report.verdicts} == {Outcome.HOLDS}
