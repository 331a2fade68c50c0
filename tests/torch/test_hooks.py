"""Gradient hooks of parameters: what is verified are the derivatives that torch gives with them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch

nn = torch.nn

X = np.random.default_rng(0).standard_normal((5, 3))


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def tied() -> Any:
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    net[2].weight = net[0].weight
    return net


def of_torch(net: Any, times: int) -> list[np.ndarray]:
    """By the parameters: the gradient of Σ f³, and that of its product with their cosines, so many times."""
    params = list(net.parameters())
    found = torch.autograd.grad((net(torch.tensor(X)) ** 3).sum(), params, create_graph=True)
    for _ in range(times):
        product = sum((a * torch.cos(p.detach())).sum() for a, p in zip(found, params, strict=True))
        found = torch.autograd.grad(product, params, create_graph=True)
    return [leaf.detach().numpy() for leaf in found]


def of_model(model: eqprop.Model, params: dict[str, np.ndarray], times: int) -> dict[str, np.ndarray]:
    """Likewise, as the package has it."""
    gradient = jax.grad(lambda p: (model.apply(p, X) ** 3).sum())
    for _ in range(times):
        inner = gradient
        gradient = jax.grad(lambda p, inner=inner: sum((inner(p)[k] * np.cos(params[k])).sum() for k in params))
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, gradient(params))


HOOKS = {
    "stopped": lambda p: lambda g: 0 * g,
    "scaled": lambda p: lambda g: 2 * g,
    "looked at": lambda p: lambda g: None,
    "reads the parameter": lambda p: lambda g: g - p * (g * p).sum() / (p * p).sum(),
    "leaves torch": lambda p: lambda g: g * float(p.detach().numpy().sum()),
}


@pytest.mark.parametrize("late", [False, True], ids=["before", "after from_module"])
@pytest.mark.parametrize("make", [network, tied])
@pytest.mark.parametrize("hook", HOOKS)
def test_derivatives_of_hooked_parameters_are_those_of_torch_at_every_order(hook, make, late):
    net = make()
    if not late:
        net[0].weight.register_hook(HOOKS[hook](net[0].weight))
    model = from_module(net, X)
    if late:
        net[0].weight.register_hook(HOOKS[hook](net[0].weight))
    elsewhere = {path: leaf.detach().numpy() / 2 for path, leaf in net.named_parameters()}
    found = [of_model(model, elsewhere, times) for times in range(3)]
    with torch.no_grad():
        for path, leaf in net.named_parameters():
            leaf.copy_(torch.tensor(elsewhere[path]))
    for times in range(3):
        for path, expected in zip(elsewhere, of_torch(net, times), strict=True):
            # A few units in the last place of sums of twenty terms of size 10.
            np.testing.assert_allclose(found[times][path], expected, rtol=1e-12, atol=1e-12)


def rescaling(net: Any, writes: str = "0.weight") -> eqprop.Pair:
    units = eqprop.hidden_units(groups.Sign(4), writes={writes: 0, "0.bias": 0}, reads={"2.weight": 1})
    return eqprop.Pair(from_module(net, X), units)


def outcomes(pair: eqprop.Pair, *names: str) -> list[eqprop.Outcome]:
    report = eqprop.run(pair, properties=names, probes=16, max_architectures=1, save=None)
    return [verdict.outcome for verdict in report.verdicts]


HOLDS, FALSIFIED = eqprop.Outcome.HOLDS, eqprop.Outcome.FALSIFIED


def test_a_hook_that_stops_a_gradient_is_falsified():
    net = network()
    net[0].weight.register_hook(lambda g: 0 * g)
    assert outcomes(rescaling(net), "derivative") == [FALSIFIED]


def test_a_hook_that_mixes_units_is_falsified_by_what_compares_gradients():
    net = network()
    net[0].weight.register_hook(lambda g: g + g[:1])
    assert outcomes(rescaling(net), "gradient-covariance") == [FALSIFIED]


def test_a_hook_on_a_weight_behind_a_parametrization_counts():
    net = network()
    nn.utils.parametrize.register_parametrization(net[0], "weight", nn.Identity())
    net[0].parametrizations.weight.original.register_hook(lambda g: 0 * g)
    assert outcomes(rescaling(net, "0.parametrizations.weight.original"), "derivative") == [FALSIFIED]


def test_hooks_are_on_the_tensors_of_the_module_alone_once_a_verdict_is_given():
    net, seen = network(), []
    net[0].weight.register_hook(lambda g: seen.append(g.shape))
    assert outcomes(rescaling(net), "derivative", "gradient-covariance") == [HOLDS, HOLDS]
    assert seen
    assert len(net[0].weight._backward_hooks) == 1


def test_a_frozen_parameter_is_differentiated_as_the_others_are():
    net = network()
    net[0].weight.requires_grad_(False)
    assert outcomes(rescaling(net), "derivative", "gradient-covariance") == [HOLDS, HOLDS]
    assert not net[0].weight.requires_grad


def test_what_acts_on_accumulated_gradients_is_not_run():
    net, run = network(), []
    net[0].weight.register_post_accumulate_grad_hook(run.append)
    assert outcomes(rescaling(net), "derivative") == [HOLDS]
    assert not run
