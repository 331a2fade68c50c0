"""Optimisers of torch among others: known without torch, which is imported once there is one."""

from __future__ import annotations

from functools import partial
from typing import Any

from eqprop.adapters import library


def is_optimizer(value: Any) -> bool:
    """Whether it is an optimiser of torch, a class of these, or a partial application of one."""
    made: Any = value.func if isinstance(value, partial) else value
    kind: type[Any] = made if isinstance(made, type) else type(made)
    return any((base.__module__, base.__name__) == ("torch.optim.optimizer", "Optimizer") for base in kind.__mro__)


def from_optimizer(optimizer: Any, name: str = "optimizer") -> Any:
    """The optimiser with optax's ``init(params)`` and ``update(grads, state, params)``; torch takes each step.

    What it moves is what a parameter is afterwards without what it was before: that has the rounding errors of the
    parameter, which the floors know. ``optimizer=`` calls this itself.

    Args:
        optimizer: a class such as ``torch.optim.Adam``, one with settings (``functools.partial(torch.optim.SGD,
            lr=0.1, momentum=0.9)``), or an optimiser of one group of parameters, whose settings are taken: neither its
            parameters nor its state.
        name: used in reports.

    Raises:
        InvalidInput: where PyTorch is not installed, for several groups of parameters; at its first use on parameters
            for what evaluates the loss again, or keeps what is no tensor and depends on the gradients.
    """
    library("torch", extra="torch")
    from eqprop.torch.optimizers import transformed

    return transformed(optimizer, name)
