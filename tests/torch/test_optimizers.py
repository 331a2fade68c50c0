"""Optimisers of PyTorch: torch takes each step, and what is verified of optax's is verified of these."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop import Outcome
from eqprop.errors import InvalidInput
from eqprop.optimizers.pairs import columns
from eqprop.properties.optimizers import optimizer_properties
from tests.torch.judging import judged

torch = pytest.importorskip("torch")

from eqprop.torch import from_optimizer, is_optimizer  # noqa: E402 - it needs torch

optim = torch.optim

PAIRS = {column.name: column.pair for column in columns()}
INSTALLED = {
    name: kind
    for name, kind in sorted(vars(optim).items())
    if inspect.isclass(kind) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
}
REFUSED = {"LBFGS": "evaluates the loss again within a step", "SparseAdam": "does not support dense gradients"}
SHAPES = {"matrix": (3, 2), "stack": (2, 3, 2), "vector": (3,)}
MATRICES_ONLY = ("Muon",)


def numbers(name: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    chosen = ["matrix"] if name in MATRICES_ONLY else sorted(SHAPES)
    return {path: rng.standard_normal(SHAPES[path]) for path in chosen}


@pytest.mark.parametrize("name", [name for name in INSTALLED if name not in REFUSED])
def test_steps_are_those_that_torch_takes_to_the_last_bit(name):
    rng = np.random.default_rng(0)
    ours = numbers(name, rng)
    theirs = {path: torch.tensor(leaf) for path, leaf in ours.items()}
    optimizer: Any = INSTALLED[name](list(theirs.values()))
    adapted = from_optimizer(INSTALLED[name])
    with jax.enable_x64(True):
        state = adapted.init(ours)
        for _ in range(4):
            slopes = numbers(name, rng)
            for path, leaf in theirs.items():
                leaf.grad = torch.tensor(slopes[path])
            optimizer.step()
            moved, state = adapted.update(slopes, state, ours)
            there = {path: leaf.numpy().copy() for path, leaf in theirs.items()}
            for path, before in ours.items():
                np.testing.assert_array_equal(moved[path], there[path] - before)
            ours = there


class Summing(torch.optim.Optimizer):
    """Its state is there before its first step, and not zero: Adagrad's was made so in torch 2.6."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"] = torch.full_like(param, 0.5)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        assert closure is None
        for param in self.param_groups[0]["params"]:
            param.add_(self.state[param]["sum"].add_(param.grad), alpha=-0.25)


def test_a_state_that_is_there_before_the_first_step_is_begun_with():
    adapted = from_optimizer(Summing)
    with jax.enable_x64(True):
        state = adapted.init({"w": np.zeros(2)})
        moved, state = adapted.update({"w": np.array([1.0, 2.0])}, state, {"w": np.zeros(2)})
        np.testing.assert_array_equal(moved["w"], [-0.375, -0.625])
        moved, state = adapted.update({"w": np.array([1.0, 2.0])}, state, {"w": np.zeros(2)})
        np.testing.assert_array_equal(moved["w"], [-0.625, -1.125])


class Asking(torch.optim.Optimizer):
    """It makes the state of a parameter that has none yet, which it finds out by asking for the parameter."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        assert closure is None
        for param in self.param_groups[0]["params"]:
            if param not in self.state:
                self.state[param] = {"sum": torch.full_like(param, 2.0)}
            param.sub_(self.state[param]["sum"].add_(param.grad))


def test_a_state_that_is_made_where_there_is_none_is_made_in_the_first_step():
    adapted = from_optimizer(Asking)
    with jax.enable_x64(True):
        state = adapted.init({"w": np.zeros(1)})
        moved, state = adapted.update({"w": np.ones(1)}, state, {"w": np.zeros(1)})
        np.testing.assert_array_equal(moved["w"], [-3.0])
        moved, state = adapted.update({"w": np.ones(1)}, state, {"w": np.zeros(1)})
        np.testing.assert_array_equal(moved["w"], [-4.0])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_function_of_gradients_is_refused_with_the_reason(name):
    report = eqprop.run(PAIRS["signs"], optimizer=INSTALLED[name], properties=["optimizer-step"], max_architectures=1)
    (verdict,) = report.verdicts
    assert verdict.outcome is Outcome.ERROR
    assert REFUSED[name] in verdict.reason


def outcomes(optimizer: Any, group: str, *properties: str) -> list[Outcome]:
    report = eqprop.run(
        PAIRS[group], optimizer=optimizer, properties=list(properties), probes=8, max_architectures=1, unseen=False
    )
    return [verdict.outcome for verdict in report.verdicts]


BOTH = ("optimizer-step", "optimizer-trajectory")


def test_gradient_descent_of_torch_commutes_with_rotations_state_included():
    descent = partial(optim.SGD, lr=0.01, momentum=0.9)
    assert outcomes(descent, "rotations", *BOTH) == [Outcome.HOLDS, Outcome.HOLDS]


def test_adam_of_torch_does_not_commute_with_rotations():
    assert outcomes(optim.Adam, "rotations", "optimizer-step") == [Outcome.FALSIFIED]


class Forgetful(optim.SGD):
    """Momentum that one unit loses in part: the first step has none."""

    def step(self, closure: Any = None) -> Any:
        found = super().step(closure)
        for param in self.param_groups[0]["params"]:
            self.state[param]["momentum_buffer"][..., 0] *= 1 - 1e-6
        return found


def test_momentum_that_is_lost_by_a_millionth_is_caught_by_the_trajectory_alone():
    forgetful = optimizer_properties(partial(Forgetful, lr=0.01, momentum=0.9))
    _, _, found = judged(PAIRS["permutations"], 8, properties=forgetful)
    assert {name: bool(one.suspect.any()) for name, one in found.items()} == dict(zip(BOTH, (False, True), strict=True))


def test_an_optimiser_gives_its_settings_and_neither_its_parameters_nor_its_state():
    param = torch.ones(2, requires_grad=True)
    used = optim.SGD([param], lr=0.25, momentum=0.5)
    param.grad = torch.ones(2)
    used.step()
    adapted, slope = from_optimizer(used), np.array([1.0, 2.0, 4.0])
    with jax.enable_x64(True):
        moved, _ = adapted.update(slope, adapted.init(slope), np.zeros(3))
    np.testing.assert_array_equal(moved, -0.25 * slope)


def test_groups_of_parameters_are_refused_with_how_to_mend_it():
    two = optim.SGD([{"params": [torch.ones(1)]}, {"params": [torch.ones(1)], "lr": 0.1}], lr=0.01)
    with pytest.raises(InvalidInput, match=r"has 2 groups of parameters; expected one\. Pass the class"):
        from_optimizer(two)


class Adaptive(optim.SGD):
    """It keeps a rate of its own, made of gradients, beside the state of the parameters."""

    def step(self, closure: Any = None) -> Any:
        group = self.param_groups[0]
        group["lr"] = 0.01 / (1 + float(sum(param.grad.norm() for param in group["params"])))
        return super().step(closure)


def test_a_state_that_cannot_travel_is_refused():
    adapted = from_optimizer(Adaptive, "adaptive")
    with pytest.raises(InvalidInput, match="'adaptive' keeps 'lr', which depends on the gradients"):
        adapted.init(np.ones(2))


class Scheduled(optim.SGD):
    """Its rate falls with the steps that it has counted, in attributes of its own."""

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, lr=1.0, **settings)
        self.fall, self.taken = torch.tensor(0.5, dtype=torch.float64), [0]

    def step(self, closure: Any = None) -> Any:
        self.taken[0] += 1
        self.param_groups[0]["lr"] = float(self.fall) ** self.taken[0]
        return super().step(closure)


def test_attributes_that_a_class_has_besides_go_along():
    adapted, slope = from_optimizer(Scheduled), np.array([1.0, 2.0, 4.0])
    with jax.enable_x64(True):
        state, moves = adapted.init(slope), []
        for _ in range(3):
            moved, state = adapted.update(slope, state, np.zeros(3))
            moves.append(moved)
    np.testing.assert_array_equal(moves, [-slope / 2, -slope / 4, -slope / 8])


class Remembering(optim.SGD):
    """It keeps the length of the last gradients beside the state of the parameters."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, lr=0.1)
        self.lengths: dict[str, list[Any]] = {"last": []}

    def step(self, closure: Any = None) -> Any:
        self.lengths["last"] = [param.grad.norm() for param in self.param_groups[0]["params"]]
        return super().step(closure)


def test_an_attribute_that_depends_on_the_gradients_is_refused():
    adapted = from_optimizer(Remembering, "remembering")
    with pytest.raises(InvalidInput, match="'remembering' keeps 'lengths', which depends on the gradients"):
        adapted.init(np.ones(2))


def test_whatever_makes_an_optimiser_of_torch_is_known_as_one():
    known = (optim.Adam, partial(optim.Adam, lr=1.0), Forgetful, optim.SGD([torch.ones(1)]))
    assert all(map(is_optimizer, known))
    assert not any(map(is_optimizer, (torch.nn.Linear, partial(print), 0.1, "torch.optim:Adam")))
