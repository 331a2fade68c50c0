"""What is said of modules of PyTorch: what JAX's twin gets, and what is wrong at its own order and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from tests.torch.judging import judged, violated

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch

nn = torch.nn

X = np.random.default_rng(0).standard_normal((4, 3))


# -- the same network in JAX -------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "tanh": (nn.Tanh, jnp.tanh, groups.Sign(4)),
    "relu": (nn.ReLU, jax.nn.relu, groups.Scaling(4)),
    "gelu": (nn.GELU, lambda z: jax.nn.gelu(z, approximate=False), groups.Permutation(4)),
}


def twins(name: str) -> tuple[eqprop.Pair, eqprop.Pair]:
    """The same network with the same weights, of torch and of JAX."""
    layer, function, group = ACTIVATIONS[name]
    torch.manual_seed(0)
    theirs = from_module(nn.Sequential(nn.Linear(3, 4), layer(), nn.Linear(4, 2)).double(), X)

    def apply(p, x):
        return function(x @ p["0.weight"].T + p["0.bias"][None]) @ p["2.weight"].T + p["2.bias"][None]

    units = eqprop.hidden_units(group, writes={"0.*": 0}, reads={"2.weight": 1})
    return eqprop.Pair(theirs, units), eqprop.Pair(eqprop.Model(apply, theirs.params, X), units)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_same_network_in_jax_has_the_same_outcomes_floors_and_resolutions(name):
    (_, _, theirs), (_, _, ours) = map(judged, twins(name))
    assert theirs.keys() == ours.keys()
    for prop, judgement in theirs.items():
        assert not judgement.suspect.any(), prop
        settled = ~(judgement.inconclusive | judgement.vacuous | ours[prop].inconclusive | ours[prop].vacuous)
        assert settled.sum() >= 28, prop
        floors = judgement.floor[settled].max(axis=1) / ours[prop].floor[settled].max(axis=1)
        assert 0.25 < np.median(floors) < 4, prop
        resolutions = judgement.resolution[settled] / ours[prop].resolution[settled]
        assert 0.1 < np.median(resolutions) < 10, prop


# -- what is planted ---------------------------------------------------------------------------------------------------


def rectifier(backward: float = 0.0, double: float = 0.0) -> Callable[[Any], Any]:
    """A ReLU of the older style whose backward, and whose backward's backward, are off by a relative error."""

    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, g):
            ctx.save_for_backward(x)
            return torch.where(x > 0, g, 0)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return None, torch.where(x > 0, g, 0) * (1 + double)

    class Rectifier(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.relu(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return Gate.apply(x, g) * (1 + backward)

    return Rectifier.apply


class Units(nn.Module):
    """Two layers with something between."""

    def __init__(self, between: Callable[[Any], Any], dtype: Any = torch.float64) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(3, 4, dtype=dtype), nn.Linear(4, 2, dtype=dtype)
        self.between = between

    def forward(self, x: Any) -> Any:
        return self.b(self.between(self.a(x)))


def units_of(module: Any, group: groups.Group, dtype: Any = np.float64) -> eqprop.Pair:
    moved = eqprop.hidden_units(group, writes={"a.*": 0}, reads={"b.weight": 1})
    return eqprop.Pair(from_module(module, X.astype(dtype)), moved)


ERRORS = [("float64", np.float64, torch.float64, 1e-6), ("model", np.float32, torch.float32, 1e-3)]


@pytest.mark.parametrize(("precision", "dtype", "kind", "error"), ERRORS, ids=["float64", "float32"])
def test_a_wrong_backward_is_caught_at_order_1_and_not_before(precision, dtype, kind, error):
    pair = units_of(Units(rectifier(backward=error), kind), groups.Scaling(4), dtype)
    assert min(violated(pair, precision=precision)) == 1


@pytest.mark.parametrize(("precision", "dtype", "kind", "error"), ERRORS, ids=["float64", "float32"])
def test_a_wrong_double_backward_is_caught_at_order_2_and_not_before(precision, dtype, kind, error):
    pair = units_of(Units(rectifier(double=error), kind), groups.Scaling(4), dtype)
    assert violated(pair, precision=precision) == {2}


def test_the_right_one_violates_nothing():
    assert violated(units_of(Units(rectifier()), groups.Scaling(4))) == set()
