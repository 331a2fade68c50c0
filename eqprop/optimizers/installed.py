"""Every optimiser that optax, optax.contrib and torch.optim have as they are installed, found by its signature.

An optimiser is a public function of optax with an argument ``…learning_rate`` and no other that must be given (and no
``scale_by_…``, which is a part of one), or a class of ``torch.optim`` that parameters are enough for. What these
commute with is not predicted: the table says what was found. ``optax_adam``, ``contrib_muon`` and ``torch_Adam`` are
attributes of this module, by which a replay finds them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

from eqprop.engine import Tree
from eqprop.optimizers.zoo import RATE
from eqprop.torch import is_optimizer

LIBRARIES = {"optax": "optax", "contrib": "optax.contrib", "torch": "torch.optim"}
"""Module by the prefix that its optimisers have here."""


def addresses() -> list[str]:
    """Where each is found, by library and name; of libraries that are not installed, none."""
    return [f"{__name__}:{prefix}_{name}" for prefix in LIBRARIES for name, _ in _of(prefix)]


def __getattr__(name: str) -> Callable[[], Tree]:
    prefix, _, wanted = name.partition("_")
    found = dict(_of(prefix)) if prefix in LIBRARIES else {}
    if wanted not in found:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return found[wanted]


def _of(prefix: str) -> Iterator[tuple[str, Callable[[], Tree]]]:
    try:
        module = import_module(LIBRARIES[prefix])
    except ModuleNotFoundError:
        return
    for name, value in sorted(vars(module).items()):
        if not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
            rate = _rate_of(value)
            if rate is not None:
                yield name, partial(_made, value, rate)


def _rate_of(value: Any) -> str | None:
    """The argument that a rate is given by; empty where there is none, None for what is no optimiser."""
    try:
        parameters = inspect.signature(value).parameters
    except (TypeError, ValueError):
        return None
    loose = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    needed = {name for name, p in parameters.items() if p.default is p.empty and p.kind not in loose}
    if inspect.isclass(value):
        return ("lr" if "lr" in parameters else "") if is_optimizer(value) and needed == {"params"} else None
    rate = next((name for name in parameters if name.endswith("learning_rate")), None)
    return rate if rate and needed <= {rate} and not value.__name__.startswith("scale_by_") else None


def _made(value: Any, rate: str) -> Tree:
    """An optimiser of optax, or a class of torch with its rate."""
    settings = {rate: RATE} if rate else {}
    return partial(value, **settings) if inspect.isclass(value) else value(**settings)
