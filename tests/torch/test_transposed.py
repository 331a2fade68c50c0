"""J u of a module is the transpose of its cotangent map: of its graph where that can be differentiated."""

# pyright: reportMissingImports=false

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from eqprop.torch import functions  # noqa: E402
from eqprop.torch.functions import TorchFunction  # noqa: E402
from eqprop.torch.graphs import Graph  # noqa: E402


def of(act):
    """A layer with an activation, and what it is called with."""

    def layer(operands, again):
        weights, inputs = operands
        return (act(inputs @ weights),)

    rng = np.random.default_rng(0)
    example = tuple(torch.from_numpy(rng.standard_normal(shape)) for shape in ((3, 4), (2, 3)))
    return TorchFunction(layer, example, "net")


@pytest.fixture
def entries(monkeypatch):
    """How often the transpose was taken entry by entry."""
    taken = []
    by_entries = functions.transposed_by_entries
    monkeypatch.setattr(functions, "transposed_by_entries", lambda *args: taken.append(args) or by_entries(*args))
    return taken


ACTS = (torch.tanh, torch.nn.functional.silu, torch.nn.functional.mish)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_backward_kernels_without_a_derivative_are_taken_apart_for_it(act, entries):
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal((5, *shape)) for shape in ((3, 4), (2, 3), (3, 4), (2, 3))]
    (found,) = of(act).cotangents.transposed.values(*rows)
    for row, (weights, inputs, moved, other) in enumerate(zip(*map(torch.from_numpy, rows), strict=True)):
        z = (inputs @ weights).requires_grad_()
        (slope,) = torch.autograd.grad(act(z).sum(), z)
        expected = slope * (inputs @ moved + other @ weights)
        np.testing.assert_allclose(found[row], expected.detach(), rtol=1e-12, atol=1e-12)
    assert entries == []


def test_parts_that_give_something_else_are_not_taken(entries):
    pulled = of(torch.nn.functional.silu).cotangents
    assert isinstance(pulled._graph, Graph)
    right = pulled._graph.in_parts
    vars(pulled._graph)["in_parts"] = lambda *args: tuple((1 + 1e-13) * leaf for leaf in right(*args))
    assert pulled.transposed.results
    assert len(entries) == 1
