"""An optimiser of torch that takes steps at numbers of its own, and the same optimiser of other parameters."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from inspect import Parameter, signature
from typing import Any

import numpy as np
import torch

from eqprop.errors import InvalidInput
from eqprop.torch.arrays import as_tensor

Make = Callable[[list[torch.Tensor]], torch.optim.Optimizer]


def moved_to(
    optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor], state: dict[int, dict[str, Any]]
) -> torch.optim.Optimizer:
    """The same optimiser of other parameters, with this state.

    Torch's own copies have groups and state only, and none of the attributes that a class has besides.
    """
    (group,) = optimizer.param_groups
    other = object.__new__(type(optimizer))
    known = {id(optimizer): other, **{id(old): new for old, new in zip(group["params"], params, strict=False)}}
    others = {name: value for name, value in vars(optimizer).items() if name not in ("param_groups", "state")}
    settings = {name: value for name, value in group.items() if name != "params"}
    vars(other).update(deepcopy(others, known))
    other.param_groups = [{**deepcopy(settings, known), "params": list(params)}]
    other.state = defaultdict(dict, {param: state[i] for i, param in enumerate(params) if i in state})
    return other


def _own_numbers(optimizer: torch.optim.Optimizer) -> dict[str, list[Any]]:
    """By attribute, the tensors and numbers in what a class keeps besides what every optimiser of torch has."""
    common = vars(torch.optim.Optimizer([torch.zeros(1)], {}))
    params = {id(param) for group in optimizer.param_groups for param in group["params"]}
    own = ((name, _leaves(value)) for name, value in vars(optimizer).items() if name not in common)
    return {
        name: [leaf for leaf in leaves if isinstance(leaf, (torch.Tensor, int, float)) and id(leaf) not in params]
        for name, leaves in own
    }


def _leaves(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, (Mapping, list, tuple)):
        return [leaf for one in values for leaf in _leaves(one)]
    return [value]


class Elsewhere:
    """An optimiser that takes steps at random numbers of its own.

    Args:
        make: it, of parameters.
        kinds: shapes and types of these.
        seed: of the numbers.
    """

    def __init__(self, make: Make, kinds: Sequence[tuple[tuple[int, ...], np.dtype]], seed: int) -> None:
        self._kinds = kinds
        self._rng = np.random.default_rng(seed)
        self._params = [as_tensor(self._numbers(*kind)) for kind in kinds]
        self.optimizer = make(self._params)
        closure = signature(self.optimizer.step).parameters.get("closure")
        if closure is not None and closure.default is Parameter.empty:
            msg = (
                f"{type(self.optimizer).__name__} evaluates the loss again within a step, and a closure cannot travel "
                "with a traced program; optax.lbfgs() and others of optax get the loss as value_fn."
            )
            raise InvalidInput(msg)

    def _numbers(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.asarray(self._rng.standard_normal(shape), dtype)

    def step(self) -> None:
        for param, kind in zip(self._params, self._kinds, strict=True):
            param.grad = as_tensor(self._numbers(*kind))
        self.optimizer.step()

    @property
    def state(self) -> dict[int, dict[str, Any]]:
        """By the place of the parameter, of those that have one: to ask for another's would make it."""
        found = self.optimizer.state
        return {i: dict(found[param]) for i, param in enumerate(self._params) if param in found}

    @property
    def settings(self) -> dict[str, Any]:
        """Of its group, and what it has besides: some optimisers keep a state there."""
        group = {name: value for name, value in self.optimizer.param_groups[0].items() if name != "params"}
        return {**_own_numbers(self.optimizer), **group}

    def template(self) -> torch.optim.Optimizer:
        """It as it is now, of parameters of its own."""
        return moved_to(self.optimizer, [param.detach().clone() for param in self._params], {})
